"""Images: the digits, and IDX files that are whole, compressed, damaged."""

import gzip
import struct

import numpy as np
import pytest

import lmctheory as lmc

sklearn = pytest.importorskip("sklearn")
NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(array):
    """The bytes of an IDX file."""
    array = np.asarray(array, dtype=np.uint8)
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist_files(compressed=()):
    draw = np.random.default_rng(0)
    arrays = [draw.integers(0, 256, (7, 3, 2)), np.arange(7) % 3, draw.integers(0, 256, (4, 3, 2)), np.arange(4) % 3]
    files = {name: idx(array) for name, array in zip(NAMES, arrays, strict=True)}
    return arrays, {f"{n}.gz" if n in compressed else n: gzip.compress(b) if n in compressed else b for n, b in files.items()}


def write(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_digits_are_split_by_class_and_scaled():
    digits = lmc.load_images()
    X = np.vstack([digits.X_train, digits.X_test])
    assert X.shape == (1797, 64)
    assert digits.shape == (8, 8)
    assert (X.min(), X.max()) == (0.0, 1.0)
    train, test = np.bincount(digits.y_train), np.bincount(digits.y_test)
    assert np.array_equal(test, (train + test) // 5)
    # the same images as scikit-learn's, each once
    original = sklearn.datasets.load_digits()
    rows = np.column_stack([X * 16, np.concatenate([digits.y_train, digits.y_test])])
    expected = np.column_stack([original.data, original.target])
    assert np.array_equal(rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)])
    assert not digits.X_train.flags.writeable


def test_objectives_of_a_split():
    digits = lmc.load_images()
    for split, n in (("train", len(digits.X_train)), ("test", len(digits.X_test))):
        objective = digits.objective(split, "error")
        assert (len(objective), objective.loss) == (n, "error")
    assert digits.objective().loss == "cross-entropy"
    assert repr(digits) == "ImageData('digits', n_train=1442, n_test=355, shape=(8, 8))"


@pytest.mark.parametrize("compressed", [(), NAMES, NAMES[1:3]])
def test_idx_files(tmp_path, compressed):
    arrays, files = mnist_files(compressed)
    write(tmp_path, files)
    found = lmc.load_images("mnist", folder=tmp_path)
    assert found.name == "mnist"
    assert found.shape == (3, 2)
    assert np.array_equal(np.round(found.X_train * 255), arrays[0].reshape(7, 6))
    assert np.array_equal(found.y_train, arrays[1])
    assert np.array_equal(np.round(found.X_test * 255), arrays[2].reshape(4, 6))
    assert np.array_equal(found.y_test, arrays[3])
    assert found.X_train.max() <= 1.0


IMAGES, LABELS = NAMES[:2]
DAMAGES = {
    "magic": (IMAGES, lambda b: b"\0\0\x09\x03" + b[4:], "magic number 00000803, got 00000903"),
    "axes": (IMAGES, lambda b: idx(np.zeros(7)), "3 axes"),
    "empty": (LABELS, lambda b: b"", "an empty file"),
    "header": (IMAGES, lambda b: b[:9], "header of 16 bytes, got 9"),
    "cut": (IMAGES, lambda b: b[:-1], "cut short: must hold 42 bytes for sizes (7, 3, 2), got 41"),
    "trailing": (LABELS, lambda b: b + b"\0", "trailing bytes"),
    "sizes": (IMAGES, lambda b: idx(np.zeros((0, 3, 2))), "must not be empty, got sizes (0, 3, 2)"),
    "huge": (IMAGES, lambda b: b[:4] + b"\xff" * 12 + b[16:], "cut short"),
    "count": (LABELS, lambda b: idx(np.zeros(6)), "one label an image, got 7 images and 6 labels in the train files"),
    "size": (IMAGES, lambda b: idx(np.zeros((7, 2, 3))), "images of one size, got 2 x 3 and 3 x 2"),
    "gzip cut": (IMAGES, lambda b: gzip.compress(b)[:-6], "gzip"),
    "gzip damaged": (IMAGES, lambda b: gzip.compress(b)[:12] + b"\xff\xff\xff" + gzip.compress(b)[15:], "gzip"),
    "gzip trailing": (IMAGES, lambda b: gzip.compress(b) + b"rubbish", "gzip"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_idx_files(tmp_path, damage):
    name, edit, message = DAMAGES[damage]
    files = mnist_files()[1]
    files[name] = edit(files[name])
    write(tmp_path, files)
    with pytest.raises(lmc.InvalidInputError) as caught:
        lmc.load_images("mnist", folder=tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_missing_idx_file_is_named(tmp_path, name):
    files = mnist_files()[1]
    del files[name]
    write(tmp_path, files)
    with pytest.raises(lmc.InvalidInputError, match=rf"{name} or {name}\.gz"):
        lmc.load_images("mnist", folder=tmp_path)


def test_mnist_without_a_network_asks_for_a_folder(monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("sklearn.datasets.fetch_openml", unreachable)
    with pytest.raises(lmc.InvalidInputError, match=r"folder must be given .* no route to host"):
        lmc.load_images("mnist")


def test_fetched_mnist_is_split_as_published(monkeypatch):
    draw = np.random.default_rng(0)
    X, y = draw.integers(0, 256, (60_002, 4)).astype(float), draw.integers(0, 10, 60_002).astype(str)
    monkeypatch.setattr("sklearn.datasets.fetch_openml", lambda *_, **__: (X, y))
    found = lmc.load_images("mnist")
    assert (len(found.X_train), len(found.X_test)) == (60_000, 2)
    assert np.array_equal(found.X_test, X[60_000:] / 255)
    assert found.y_test.tolist() == y[60_000:].astype(int).tolist()
