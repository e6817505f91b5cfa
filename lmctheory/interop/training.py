"""Training on data by scikit-learn, many seeds in parallel."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray, Rng
from lmctheory._parallel import map_threads
from lmctheory._progress import Progress, show_progress
from lmctheory.errors import ConvergenceWarning, InvalidInputError
from lmctheory.interop.extras import needs
from lmctheory.interop.scikit_learn import network_of
from lmctheory.networks import LayeredNet
from lmctheory.objectives import DataLoss
from lmctheory.objectives.data import warn_of_labels, whole

LOSSES = ("cross-entropy", "squared")
SOLVERS = {"sgd": 0.1, "momentum": 0.02, "adam": 1e-3}  # and their learning rates by default
MOMENTUM = 0.9
BATCH_SIZE = 64


@dataclass(frozen=True, eq=False)
class DataTraining:
    """Networks and evidence of training runs on data; every array has one entry a run.

    Attributes
    ----------
    networks : tuple of LayeredNet
        The last iterate; for a diverged run that of the last epoch with finite weights and learning curve, or the initial one.
    losses : ndarray, shape (n_runs,)
        Loss of `networks` on all training data; NaN for a diverged run.
    learning_curves : tuple of ndarray, shape (epochs,)
        For each epoch the mean, over its batches, of the loss on a batch just before the step on it. Not that of a network, but
        what training sees; scikit-learn's own number, in the units of `DataLoss`, with the penalty if there is one.
    epochs : ndarray of int, shape (n_runs,)
        Passes over the data that were made.
    stopped_by : tuple of str
        "loss_tol", "tol", "max_epochs" or "divergence".
    converged : ndarray of bool, shape (n_runs,)
        Whether a tolerance was met.
    diverged : ndarray of bool, shape (n_runs,)
        Whether weights or loss became infinite or NaN.
    loss : str
        What was minimised, as named by `DataLoss`.
    solver : str
    learning_rate : float
    batch_size : int
    seed : tuple
        Entropy and spawn key of the SeedSequence behind all random draws; they reproduce the batch.
    """

    networks: tuple[LayeredNet, ...]
    losses: FloatArray
    learning_curves: tuple[FloatArray, ...]
    epochs: IntArray
    stopped_by: tuple[str, ...]
    converged: NDArray[np.bool_]
    diverged: NDArray[np.bool_]
    loss: str
    solver: str
    learning_rate: float
    batch_size: int
    seed: tuple[object, tuple[int, ...]]


def train_on_data(
    X: ArrayLike,
    y: ArrayLike,
    widths: int | Sequence[int] = (64,),
    *,
    loss: str | None = None,
    solver: str = "sgd",
    learning_rate: float | None = None,
    batch_size: int | None = None,
    max_epochs: int = 500,
    tol: float | None = 1e-4,
    patience: int = 10,
    loss_tol: float | None = None,
    alpha: float = 0.0,
    n_runs: int = 2,
    rng: Rng = None,
    progress: bool | Callable[[int, int], None] = False,
) -> DataTraining:
    """Train ReLU networks on data by scikit-learn's multilayer perceptrons, from independent random weights.

    Parameters
    ----------
    X : array_like, shape (n, d)
        The inputs, one a row.
    y : array_like, shape (n,) or (n, k)
        Integers of shape (n,) are class labels, each of ``0 .. k - 1`` at least once, k >= 2. Floats are targets of a regression,
        and so are integers of shape (n, 1), a column, or (n, k), one unit vector an input, say.
    widths : int or sequence of int
        Neurons of each hidden layer.
    loss : {"cross-entropy", "squared"}, optional
        By default "cross-entropy" for labels, "squared" for targets. With "squared", labels count as unit vectors.
    solver : {"sgd", "momentum", "adam"}
        Stochastic gradient descent without momentum; with momentum 0.9, classical and not Nesterov's; Adam.
    learning_rate : float, optional
        Constant, for the gradient of `DataLoss`, without a factor 1/2. By default 0.1 for "sgd", 0.02 for "momentum", 0.001 for
        "adam".
    batch_size : int, optional
        Inputs in a batch, at most n; by default 64, or n if that is less. With n the full gradient is taken. The last batch of an
        epoch holds what is left.
    max_epochs : int
        Largest number of passes over the data, each in a new random order.
    tol, patience : float or None, int
        Stop when the learning curve has not come down by more than `tol` from its lowest value in `patience` epochs in a row;
        None switches the test off.
    loss_tol : float, optional
        Stop when the learning curve is at most this.
    alpha : float
        L2 penalty of scikit-learn: ``alpha / (2 n') |weights|^2`` on a batch of n' inputs, beside the cross-entropy or half the
        squared loss. 0 by default, unlike there: no weight decay.
    n_runs : int
        Number of independent runs, at least 1.
    rng : int, SeedSequence, Generator or None
        Source of initial weights and of the order of the data. Run k depends on the seed and k alone, and its initial weights are
        the same for all solvers, learning rates and batches. A Generator is advanced.
    progress : bool or callable
        True shows a bar with the time left on a terminal, plain lines in a pipe. A callable is called as
        ``progress(done, total)`` after each epoch of each run, with ``total = n_runs * max_epochs``; a run that stops early
        counts as all its epochs. Calls come from the threads that train, one at a time.

    Returns
    -------
    DataTraining

    Raises
    ------
    InvalidInputError
        If an argument is out of its range, `y` does not fit `X`, or a class between 0 and the largest has no example.
    MissingDependencyError
        Without scikit-learn.

    Warns
    -----
    ConvergenceWarning
        If runs diverged, or met no tolerance although one was set.
    DataWarning
        If all targets are whole numbers and `loss` is not given: they may be meant as class labels.

    Notes
    -----
    Initial weights and biases are uniform on ``[-s, s]``, ``s^2 = 6 / (fan-in + fan-out)``. With two classes and the
    cross-entropy, scikit-learn trains one logistic output z; the networks returned have two, ``(0, z)``. Same seed, same bits, at
    any number of threads.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> digits = lmc.load_images()
    >>> found = lmc.train_on_data(digits.X_train, digits.y_train, (16,), max_epochs=10, tol=None, rng=0)
    >>> found.networks[0], found.stopped_by
    (LayeredNet(widths=(16,), input_dim=64, output_dim=10), ('max_epochs', 'max_epochs'))
    >>> digits.objective("test").accuracy(found.networks[0]) > 0.85
    True
    """
    objective = _objective(X, y, loss)
    sizes = [widths] if isinstance(widths, (int, np.integer)) else _checks.items("widths", widths, "integers")
    hidden = tuple(_checks.integer(f"widths[{k}]", size, 1) for k, size in enumerate(sizes))
    solver = _checks.choice("solver", solver, SOLVERS)
    rate = SOLVERS[solver] if learning_rate is None else _checks.real("learning_rate", learning_rate, positive=True)
    n = len(objective)
    batch_size = min(BATCH_SIZE, n) if batch_size is None else _checks.integer("batch_size", batch_size, 1)
    if batch_size > n:
        raise InvalidInputError(f"batch_size must be at most the number of inputs, {n}, got {batch_size}")
    max_epochs = _checks.integer("max_epochs", max_epochs, 1)
    n_runs = _checks.integer("n_runs", n_runs, 1)
    stops = _Stops(
        max_epochs,
        None if tol is None else _checks.real("tol", tol, non_negative=True),
        _checks.integer("patience", patience, 1),
        None if loss_tol is None else _checks.real("loss_tol", loss_tol, non_negative=True),
    )
    alpha = _checks.real("alpha", alpha, non_negative=True)
    root = _checks.seed_sequence(rng)
    perceptrons = _Perceptrons(objective, hidden, solver, rate, batch_size, alpha)

    def run(k: int, stop: NDArray[np.uint8]) -> _Run:
        return _complete(perceptrons, _checks.stream(root, "training", k), stops, count, stop)

    total = n_runs * max_epochs
    with show_progress("training", total, "epochs") if progress is True else nullcontext() as show:
        count = _Count(progress, show, total)
        runs = map_threads(run, n_runs)
    diverged = np.array([found.stopped_by == "divergence" for found in runs])
    converged = np.array([found.stopped_by in ("tol", "loss_tol") for found in runs])
    if diverged.any() or (not converged.all() and (tol is not None or loss_tol is not None)):
        unmet = n_runs - int(converged.sum()) - int(diverged.sum())
        warnings.warn(
            f"of {n_runs} runs {int(diverged.sum())} diverged and {unmet} met no tolerance in {max_epochs} epochs",
            ConvergenceWarning, stacklevel=2,
        )  # fmt: skip
    return DataTraining(
        networks=tuple(found.network for found in runs),
        losses=np.array([np.nan if found.stopped_by == "divergence" else found.loss for found in runs]),
        learning_curves=tuple(np.array(found.curve) for found in runs),
        epochs=np.array([len(found.curve) for found in runs]),
        stopped_by=tuple(found.stopped_by for found in runs),
        converged=converged,
        diverged=diverged,
        loss=objective.loss,
        solver=solver,
        learning_rate=rate,
        batch_size=batch_size,
        seed=(root.entropy, tuple(root.spawn_key)),
    )


def _objective(X: ArrayLike, y: ArrayLike, loss: str | None) -> DataLoss:
    if loss is not None:
        _checks.choice("loss", loss, LOSSES)
    objective = DataLoss(X, y, loss or "squared")
    labels = objective.labels
    if loss is None and labels is None and whole(objective.targets):
        raw = np.asarray(y)
        warn_of_labels(raw.shape, raw.dtype, stacklevel=4)
    if loss is None and labels is not None:
        objective = objective.measuring("cross-entropy")
    if labels is not None:
        present = np.unique(labels)
        if len(present) < 2 or present[-1] >= len(present):
            raise InvalidInputError(f"y must hold each class 0 .. k - 1 at least once, k >= 2, got only {present.tolist()}")
    return objective


class _Perceptrons:
    """Makes scikit-learn's perceptrons that minimise an objective, in its units."""

    def __init__(
        self, objective: DataLoss, hidden: tuple[int, ...], solver: str, rate: float, batch_size: int, alpha: float
    ) -> None:
        with needs("scikit-learn", "training on data", "data"):
            from sklearn import config_context
            from sklearn.neural_network import MLPClassifier, MLPRegressor

        self.objective = objective
        self.X, labels = objective.X, objective.labels
        self.make: Callable[..., Any]
        self.y: FloatArray | IntArray
        self.unchecked: Callable[[], AbstractContextManager[None]] = lambda: config_context(
            assume_finite=True, skip_parameter_validation=True
        )
        self.first: dict[str, Any] = {}  # arguments of the first epoch only
        if objective.loss == "cross-entropy" and labels is not None:
            self.make, self.y, self.curve_scale = MLPClassifier, labels, 1.0
            self.first = {"classes": np.unique(labels)}
        else:  # there: half the mean square of all outputs in what is reported, half the sum in the gradient
            targets = objective.targets if labels is None else np.eye(labels.max() + 1)[labels]
            outputs = targets.shape[1]
            self.make, self.y, self.curve_scale = MLPRegressor, targets[:, 0] if outputs == 1 else targets, 2.0 * outputs
            rate = rate if solver == "adam" else 2.0 * rate  # the steps of Adam do not depend on the scale of the loss
        self.settings: dict[str, Any] = {
            "hidden_layer_sizes": hidden,
            "solver": "adam" if solver == "adam" else "sgd",
            "learning_rate_init": rate,
            "momentum": MOMENTUM if solver == "momentum" else 0.0,
            "nesterovs_momentum": False,
            "batch_size": batch_size,
            "alpha": alpha,
        }

    def new(self, seed: np.random.SeedSequence) -> Any:
        return self.make(**self.settings, random_state=_random_state(seed))

    def initial(self, seed: np.random.SeedSequence) -> Any:
        """Return a perceptron with the initial weights of `new`: what the smallest of steps on one input leaves of them."""
        mlp = self.make(
            hidden_layer_sizes=self.settings["hidden_layer_sizes"], solver="sgd", momentum=0.0, alpha=0.0, batch_size=1,
            learning_rate_init=np.finfo(float).tiny, random_state=_random_state(seed),
        )  # fmt: skip
        return mlp.partial_fit(self.X[:1], self.y[:1], **self.first)

    def epoch(self, mlp: Any) -> None:
        mlp.partial_fit(self.X, self.y, **({} if hasattr(mlp, "coefs_") else self.first))


def _random_state(seed: np.random.SeedSequence) -> np.random.RandomState:
    return np.random.RandomState(np.random.MT19937(seed))


@dataclass(frozen=True)
class _Stops:
    max_epochs: int
    tol: float | None
    patience: int
    loss_tol: float | None


@dataclass(frozen=True, eq=False)
class _Run:
    network: LayeredNet
    loss: float
    curve: list[float]
    stopped_by: str


class _Count:
    """Adds up the epochs of all runs for a caller who wants to know."""

    def __init__(self, progress: bool | Callable[[int, int], None], show: Progress | None, total: int) -> None:
        self.progress = progress if callable(progress) else None
        if show is not None:
            self.progress = lambda done, total: show(done / total, done, 0)
        self.total, self.done, self.lock = total, 0, threading.Lock()

    def add(self, epochs: int) -> None:
        if self.progress is not None and epochs > 0:
            with self.lock:
                self.done += epochs
                self.progress(self.done, self.total)


def _complete(
    perceptrons: _Perceptrons, seed: np.random.SeedSequence, stops: _Stops, count: _Count, stop: NDArray[np.uint8]
) -> _Run:
    """Train one network epoch by epoch; `stop` interrupts it."""
    mlp, lowest, idle, stopped_by = perceptrons.new(seed), np.inf, 0, "max_epochs"
    curve: list[float] = []
    kept: tuple[list[FloatArray], list[FloatArray]] | None = None
    with perceptrons.unchecked(), np.errstate(all="ignore"):
        while len(curve) < stops.max_epochs and not stop[0]:
            try:
                perceptrons.epoch(mlp)
                curve.append(perceptrons.curve_scale * mlp.loss_curve_[-1])
            except ValueError:  # weights that are not finite; all arguments were checked
                curve.append(np.nan)
            count.add(1)
            if not np.isfinite(curve[-1]):
                stopped_by = "divergence"
                break
            kept = [W.copy() for W in mlp.coefs_], [b.copy() for b in mlp.intercepts_]
            idle = 0 if stops.tol is None or curve[-1] < lowest - stops.tol else idle + 1
            lowest = min(lowest, curve[-1])
            if stops.loss_tol is not None and curve[-1] <= stops.loss_tol:
                stopped_by = "loss_tol"
                break
            if idle >= stops.patience:
                stopped_by = "tol"
                break
        if kept is None:
            mlp = perceptrons.initial(seed)
        else:
            mlp.coefs_, mlp.intercepts_ = kept
        network = network_of(mlp)
        loss = perceptrons.objective(network)
    count.add(stops.max_epochs - len(curve))
    return _Run(network, loss, curve, stopped_by if np.isfinite(loss) else "divergence")
