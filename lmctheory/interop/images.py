"""Sets of labelled images, as inputs of networks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError
from lmctheory.interop.extras import needs
from lmctheory.interop.idx import read_idx
from lmctheory.objectives import DataLoss

SOURCES = ("digits", "mnist")
SPLITS = ("train", "test")
FOLD = 5  # of the digits of each class, every FOLD-th is for testing
DIGITS_MAXIMUM, MNIST_MAXIMUM = 16.0, 255.0
MNIST_TRAINING = 60_000
IDX_PREFIXES = ("train", "t10k")


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """Labelled images, split for training and testing.

    Attributes
    ----------
    name : str
    X_train, X_test : ndarray, shapes (n, d) and (n', d)
        Images, one a row, pixels scaled to [0, 1]; read-only.
    y_train, y_test : ndarray of int, shapes (n,) and (n',)
        Class labels, from 0 on; read-only.
    shape : tuple of int
        Height and width of an image, ``d = height * width``.
    """

    name: str
    X_train: FloatArray
    y_train: IntArray
    X_test: FloatArray
    y_test: IntArray
    shape: tuple[int, int]

    def __post_init__(self) -> None:
        for array in (self.X_train, self.y_train, self.X_test, self.y_test):
            array.flags.writeable = False

    def objective(self, split: str = "train", loss: str = "cross-entropy") -> DataLoss:
        """Return the loss on the images for training or for testing.

        Parameters
        ----------
        split : {"train", "test"}
        loss : {"cross-entropy", "squared", "error"}
            As for `DataLoss`.
        """
        train = _checks.choice("split", split, SPLITS) == "train"
        return DataLoss(self.X_train, self.y_train, loss) if train else DataLoss(self.X_test, self.y_test, loss)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made anew from the arrays, and so are read-only too."""
        return type(self), (self.name, self.X_train, self.y_train, self.X_test, self.y_test, self.shape)

    def __repr__(self) -> str:
        return f"ImageData({self.name!r}, n_train={len(self.X_train)}, n_test={len(self.X_test)}, shape={self.shape})"


def load_images(source: str = "digits", *, folder: str | os.PathLike[str] | None = None) -> ImageData:
    """Return a set of labelled images.

    Parameters
    ----------
    source : {"digits", "mnist"}
        The handwritten digits that scikit-learn ships, 8 x 8 pixels, which need no network; or MNIST, 28 x 28 pixels.
    folder : path, optional
        Where the four IDX files of MNIST are: ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte``,
        ``t10k-images-idx3-ubyte`` and ``t10k-labels-idx1-ubyte``, compressed (``.gz``) or not. Without it, MNIST comes from
        openml.org, and scikit-learn keeps it for the next time. Other sets in such files, like Fashion-MNIST, are read too.

    Returns
    -------
    ImageData

    Raises
    ------
    InvalidInputError
        If `source` is unknown, `folder` is given with the digits, a file is missing, damaged or does not fit the others, or MNIST
        cannot be fetched.
    MissingDependencyError
        Without scikit-learn, unless a folder is given.

    Notes
    -----
    The split of the digits is fixed: of the images of each class, in the order of the file, every fifth is for testing (1442 and
    355 images). The same hands wrote both parts. MNIST is split as published, into 60 000 and 10 000 images.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> digits = lmc.load_images()
    >>> digits
    ImageData('digits', n_train=1442, n_test=355, shape=(8, 8))
    >>> len(digits.objective("test", "error"))
    355
    """
    source = _checks.choice("source", source, SOURCES)
    if source == "digits":
        if folder is not None:
            raise InvalidInputError(f"folder belongs to source='mnist', got {os.fspath(folder)!r} with 'digits'")
        return _digits()
    return _fetched_mnist() if folder is None else _mnist(Path(folder))


def _digits() -> ImageData:
    with needs("scikit-learn", "the digits", "data"):
        from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    test = np.zeros(len(y), dtype=bool)
    for label in range(10):
        test[np.flatnonzero(y == label)[FOLD - 1 :: FOLD]] = True
    X, y = X / DIGITS_MAXIMUM, y.astype(np.intp)
    return ImageData("digits", X[~test], y[~test], X[test], y[test], (8, 8))


def _mnist(folder: Path) -> ImageData:
    parts = []
    for prefix in IDX_PREFIXES:
        images = read_idx(_idx_file(folder, f"{prefix}-images-idx3-ubyte"), 3)
        labels = read_idx(_idx_file(folder, f"{prefix}-labels-idx1-ubyte"), 1)
        if len(images) != len(labels):
            counts = f"{len(images)} images and {len(labels)} labels"
            raise InvalidInputError(f"{folder}: must hold one label an image, got {counts} in the {prefix} files")
        parts.append((images, labels))
    (images, labels), (test_images, test_labels) = parts
    height, width = images.shape[1:]
    if test_images.shape[1:] != (height, width):
        raise InvalidInputError(
            f"{folder}: must hold images of one size, got {height} x {width} and {test_images.shape[1]} x {test_images.shape[2]}"
        )
    return ImageData(
        "mnist", _rows(images), labels.astype(np.intp), _rows(test_images), test_labels.astype(np.intp), (height, width)
    )


def _idx_file(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InvalidInputError(f"folder must hold {name} or {name}.gz, got {os.fspath(folder)!r} without it")


def _rows(images: NDArray[np.uint8]) -> FloatArray:
    return images.reshape(len(images), -1) / MNIST_MAXIMUM


def _fetched_mnist() -> ImageData:
    with needs("scikit-learn", "fetching MNIST", "data"):
        from sklearn.datasets import fetch_openml

    try:
        pixels, labels = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False, parser="liac-arff")
    except Exception as error:  # no network, a proxy, a file cut short: all end here
        raise InvalidInputError(
            f"folder must be given where MNIST cannot be fetched from openml.org ({type(error).__name__}: {error})"
        ) from error
    X, y = np.ascontiguousarray(pixels, dtype=np.float64) / MNIST_MAXIMUM, labels.astype(np.intp)
    train, test = slice(MNIST_TRAINING), slice(MNIST_TRAINING, None)
    return ImageData("mnist", X[train].copy(), y[train].copy(), X[test].copy(), y[test].copy(), (28, 28))
