"""Networks trained on images at many learning rates, from the same initial networks; shared by the claims."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import lmctheory as lmc
from validation.cells.blocks import joined, sweep_in_blocks
from validation.cells.images import describe_images, image_set, load
from validation.claim import Context

KEY, KEY_LABELS = 813, 812
RATES = {  # in units of the threshold of each run
    "quick": (0.6, 0.8, 1.0, 1.4, 2.0, 2.5, 3.0),
    "full": (0.5, 0.65, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0),
}
WIDTHS = {"quick": (64,), "full": (64, 128)}
BATCH_SIZE = 64
REFERENCE = 0.25  # of 2 / sharpness of the initial network: the rate at which the dense solution is taken
VANISHING = 1e-12  # a rate that leaves the initial network as it is
LEARNT = 0.2  # largest error rate on the training data of what counts as a solution
LARGE = 2.0  # rates from which on solutions are judged by their sharpness: it takes long to come back after the first steps
NEAR = 0.2  # of rate * sharpness, about 2
PER_START = ("thresholds", "initial", "reference_dead")
PER_RUN = ("dead", "edge", "effective", "losses", "errors", "diverged")


@dataclass(frozen=True, eq=False)
class ImageSweep:
    """Networks of one cell trained at R learning rates, each from the same S initial networks.

    `rates` ``(R,)`` are in units of `thresholds` ``(S,)``: 2 / sharpness of the dense network that the same training reaches at a
    small rate, with `reference_dead` ``(S,)`` dead neurons; `initial` ``(S,)`` is 2 / sharpness of the initial network. Of each
    run, ``(S, R)``: `dead` neurons, learning rate times sharpness (`edge`), `effective` neurons, `losses` and `errors` on the
    training data, `diverged`.
    """

    width: int
    solver: str
    batch_size: int | None
    loss: str
    labels: str
    pixels: str
    rates: np.ndarray
    thresholds: np.ndarray
    initial: np.ndarray
    reference_dead: np.ndarray
    dead: np.ndarray
    edge: np.ndarray
    effective: np.ndarray
    losses: np.ndarray
    errors: np.ndarray
    diverged: np.ndarray

    @property
    def learnt(self) -> np.ndarray:
        """Which runs ended in a solution, shape ``(S, R)``."""
        return ~self.diverged & (self.errors <= LEARNT)

    @property
    def excess(self) -> np.ndarray:
        """Neurons dead beyond those of the reference run; NaN for runs that have not learnt."""
        return np.where(self.learnt, self.dead - self.reference_dead[:, None], np.nan)

    @property
    def at_the_edge(self) -> np.ndarray:
        """Mean of learning rate times sharpness over the solutions of each initial network at large rates, shape ``(S,)``."""
        return row_means(np.where(self.learnt, self.edge, np.nan)[:, self.rates >= LARGE])

    def __str__(self) -> str:
        kind = {"sgd": "full gradients" if self.batch_size is None else f"batches of {self.batch_size}", "momentum": "momentum"}
        special = [self.loss] * (self.loss != "squared") + ["shuffled labels"] * (self.labels != "true")
        special += ["centred pixels"] * (self.pixels != "as they are")
        return ", ".join([kind[self.solver], f"m={self.width}", *special])


def deciding_sweeps(context: Context) -> list[ImageSweep]:
    """Return the sweeps with full gradients and with batches."""
    widths = WIDTHS[context.scale]
    cells = [_common(context) | {"width": m, "batch_size": batch} for m in widths for batch in (None, BATCH_SIZE)]
    return sweeps_of(context, cells)


def other_sweeps(context: Context) -> list[ImageSweep]:
    """Return sweeps that are only reported: centred pixels; narrower networks, momentum, the cross-entropy, shuffled labels."""
    changes: list[dict[str, Any]] = [{"pixels": "centred", "n_runs": context.pick(quick=3, full=8)}]
    changes += context.pick(
        quick=[], full=[{"width": 32}, {"solver": "momentum"}, {"loss": "cross-entropy"}, {"labels": "shuffled"}]
    )
    return sweeps_of(context, [_common(context) | {"width": WIDTHS[context.scale][0]} | change for change in changes])


def describe_training(context: Context) -> str:
    """Return what networks are trained on and for how long, as a finding."""
    cell = _common(context)
    return f"{describe_images(context)} Trained on the first {cell['n_train']} of them, {cell['n_steps']} steps."


def _common(context: Context) -> dict[str, Any]:
    return image_set(context) | {
        "n_train": context.pick(quick=256, full=512), "n_steps": context.pick(quick=300, full=1000),
        "n_runs": context.pick(quick=6, full=8), "rates": context.scale, "solver": "sgd", "batch_size": None,
        "loss": "squared", "labels": "true", "pixels": "as they are",
    }  # fmt: skip


def sweeps_of(context: Context, cells: Sequence[dict[str, Any]]) -> list[ImageSweep]:
    """Return the sweep of each request."""

    def cost(cell: dict[str, Any]) -> float:
        return float(cell["n_runs"] * cell["n_steps"] * (100 + (cell["batch_size"] or cell["n_train"])) * (16 + cell["width"]))

    found = sweep_in_blocks(context, image_sweep, cells, "n_runs", lambda _: context.pick(quick=1, full=2), cost)
    arrays = (*PER_START, *PER_RUN)
    names = ("width", "solver", "batch_size", "loss", "labels", "pixels")
    sweeps = []
    for cell, parts in zip(cells, found, strict=True):
        fields: dict[str, Any] = {name: cell[name] for name in names} | joined(parts, arrays)
        sweeps.append(ImageSweep(rates=np.array(RATES[cell["rates"]]), **fields))
    return sweeps


def image_sweep(
    seed: int, data: str, folder: str | None, n_train: int, n_test: int | None, pixels: str, width: int, solver: str,
    batch_size: int | None, loss: str, labels: str, n_steps: int, n_runs: int, rates: str, block: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Return what `ImageSweep` holds of `n_runs` initial networks with one hidden layer, the same for all ways to train.

    Runs take `n_steps` steps, whole epochs, on the first `n_train` images, less their mean with centred pixels. Shuffled labels
    are permuted once for all networks.
    With the cross-entropy, whose sharpness vanishes as the loss does, rates are in units of 2 / sharpness at the start.
    """
    images = load(folder, n_train, n_test)
    X, y = images.X_train, images.y_train
    if pixels == "centred":
        X = X - X.mean(axis=0)
    if labels == "shuffled":
        y = np.random.default_rng([seed, KEY_LABELS]).permutation(y)
    objective, full = lmc.DataLoss(X, y, loss), batch_size is None
    batch = len(y) if batch_size is None else batch_size
    epochs = n_steps if full else -(-n_steps * batch // len(y))

    def train(k: int, rate: float, n_epochs: int = epochs) -> tuple[lmc.LayeredNet, bool]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # what diverged is in the results
            result = lmc.train_on_data(
                X, y, (width,), loss=loss, solver=solver, learning_rate=rate, batch_size=batch, max_epochs=n_epochs, tol=None,
                n_runs=1, rng=np.random.SeedSequence([seed, KEY, width, block, k]),
            )  # fmt: skip
        return result.networks[0], bool(result.diverged[0])

    found: dict[str, list[Any]] = {name: [] for name in (*PER_START, *PER_RUN)}
    for k in range(n_runs):
        start = 2 / lmc.sharpness(train(k, VANISHING, 1)[0], objective)
        dense = train(k, REFERENCE * start)[0]
        threshold = start if loss == "cross-entropy" else 2 / lmc.sharpness(dense, objective)
        found["initial"].append(start)
        found["thresholds"].append(threshold)
        found["reference_dead"].append(round(lmc.sparsity(dense, objective).dead_share * width))
        runs = [_measure(*train(k, rate * threshold), rate * threshold, objective) for rate in RATES[rates]]
        for name in PER_RUN:
            found[name].append([run[name] for run in runs])
    return {name: np.array(values) for name, values in found.items()}


def _measure(net: lmc.LayeredNet, diverged: bool, rate: float, objective: lmc.DataLoss) -> dict[str, Any]:
    sparsity = lmc.sparsity(net, objective)
    return {
        "dead": round(sparsity.dead_share * net.width),
        "edge": np.nan if diverged else rate * lmc.sharpness(net, objective),
        "effective": sparsity.layers[0].effective_neurons,
        "losses": np.nan if diverged else objective(net),
        "errors": 1 - objective.accuracy(net),
        "diverged": diverged,
    }


def row_means(values: np.ndarray) -> np.ndarray:
    """Return the mean of each row over what is there, for rows with anything in them."""
    present = np.isfinite(values)
    kept = present.any(axis=1)
    return np.where(present, values, 0.0)[kept].sum(axis=1) / present[kept].sum(axis=1)
