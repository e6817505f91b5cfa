"""Networks trained on images, and the barriers of their pairs and threes; shared by the claims on real data."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

import lmctheory as lmc
from lmctheory.paths import chord_excess
from validation.cells.blocks import joined, joined_pairs, sweep_in_blocks
from validation.claim import Context, as_json

KEY_TRAINING, KEY_LABELS, KEY_SHUFFLES = 801, 802, 803
BATCH_SIZE = 64
POSITIONS = np.linspace(0.0, 1.0, 17)  # on the way from A to B: a smooth maximum between them is at most 0.4 % higher
ALIGNMENTS = ("modulo", "none", "random")
FAMILY_ALIGNMENTS = ("weak", "strong", "none", "random")
SPLITS = ("train", "test")
MEASURES = ("loss", "error")
LABELS = ("true", "shuffled")
NARROW = 32  # barriers of networks below this width differ most from pair to pair, and cost least
RATE_FROM = 16  # widths from here on are fitted
THREES_TO = 64  # of networks trained on shuffled labels
SHOWN = 40  # misclassified images kept for a figure
Losses: TypeAlias = dict[str, dict[str, lmc.DataLoss]]  # by split and measure


def image_set(context: Context) -> dict[str, Any]:
    """Return the parameters by which a cell names its images; for MNIST they change with the files in the folder."""
    if context.mnist is None:
        return {"data": context.images, "folder": None, "n_train": None, "n_test": None}
    n_train, n_test = context.pick(quick=(5000, 2000), full=(None, None))
    return {"data": context.images, "folder": str(context.mnist.resolve()), "n_train": n_train, "n_test": n_test}


@cache
def load(folder: str | None, n_train: int | None, n_test: int | None) -> lmc.ImageData:
    """Return the digits, or MNIST from `folder`: the first `n_train` images for training and `n_test` for testing."""
    data = lmc.load_images() if folder is None else lmc.load_images("mnist", folder=folder)
    train, test = slice(n_train), slice(n_test)
    return replace(
        data, X_train=data.X_train[train], y_train=data.y_train[train], X_test=data.X_test[test], y_test=data.y_test[test]
    )


def describe_images(context: Context) -> str:
    """Return name and size of the set of images, as a finding."""
    found = image_set(context)
    data = load(found["folder"], found["n_train"], found["n_test"])
    height, width = data.shape
    return f"Data: {data.name}, {len(data.X_train)} training and {len(data.X_test)} test images of {height} x {width} pixels."


@dataclass(frozen=True, eq=False)
class ImageEnsemble:
    """Networks of one architecture trained on images, and the barriers of their pairs ``(P, 2)`` within blocks.

    The last axes stand for `SPLITS` and `MEASURES`: `levels` ``(n, 2, 2)`` of the networks; `heights` ``(P, 3, 2, 2)`` by
    `ALIGNMENTS`; `curves` ``(3, 2, 2, T)``, means over pairs at `POSITIONS`; `threes` ``(n_threes, 4, 2, 2)``, the worst pair of
    three networks by `FAMILY_ALIGNMENTS`. `by_weights` says in which pairs weight matching had the lower barrier, and `midpoint`
    which test images the middle between two networks gets wrong.
    """

    depth: int
    width: int
    labels: str
    levels: np.ndarray
    diverged: np.ndarray
    pairs: np.ndarray
    heights: np.ndarray
    by_weights: np.ndarray
    curves: np.ndarray
    threes: np.ndarray
    midpoint: dict[str, np.ndarray]

    def barriers(self, alignment: str, split: str, measure: str) -> np.ndarray:
        """Return the barriers of all pairs ``(P,)``."""
        return self.heights[:, ALIGNMENTS.index(alignment), SPLITS.index(split), MEASURES.index(measure)]

    def worst_of_three(self, alignment: str, split: str, measure: str) -> np.ndarray:
        """Return the worst of three pairs ``(n_threes,)``."""
        return self.threes[:, FAMILY_ALIGNMENTS.index(alignment), SPLITS.index(split), MEASURES.index(measure)]

    def record(self) -> dict[str, Any]:
        """Return every number, as JSON types."""
        numbers: dict[str, Any] = as_json({name: value for name, value in vars(self).items() if name != "midpoint"})
        return numbers


def two_layer_sweep(context: Context) -> list[dict[str, Any]]:
    """Return the requests for networks with one hidden layer, trained on the true labels."""
    counts = context.pick(
        quick=dict.fromkeys((1, 2, 3, 4, 6, 8, 10, 12), 36) | dict.fromkeys((16, 32, 64, 128, 256), 18),
        full=dict.fromkeys(range(1, 17), 96)
        | dict.fromkeys((20, 24, 32, 48, 64, 96, 128), 48)
        | dict.fromkeys((192, 256, 384, 512, 768, 1024), 24),
    )
    return [_request(1, width, "true", n, width >= RATE_FROM) for width, n in counts.items()]


def shuffled_sweep(context: Context) -> list[dict[str, Any]]:
    """Return the requests for networks with one hidden layer, trained on shuffled labels: a control."""
    widths = context.pick(quick=(2, 4, 8, 16, 32, 64, 128, 256), full=(*range(1, 13), 16, 24, 32, 64, 128, 256, 512))
    return [_request(1, width, "shuffled", context.pick(quick=12, full=24), RATE_FROM <= width <= THREES_TO) for width in widths]


def _request(depth: int, width: int, labels: str, n_runs: int, with_threes: bool) -> dict[str, Any]:
    return {"depth": depth, "width": width, "labels": labels, "n_runs": n_runs, "with_threes": with_threes}


def image_ensembles(context: Context, requests: Iterable[dict[str, Any]]) -> list[ImageEnsemble]:
    """Return an ensemble for each request of ``depth``, ``width``, ``labels``, ``n_runs``, ``with_threes``; see `ensemble`."""
    common = image_set(context) | {"n_steps": context.pick(quick=600, full=3000)}
    asked = [common | request for request in requests]
    found = sweep_in_blocks(context, ensemble, asked, "n_runs", _runs_in_block, _cost)
    ensembles = []
    for request, parts in zip(asked, found, strict=True):
        ensembles.append(
            ImageEnsemble(
                depth=request["depth"],
                width=request["width"],
                labels=request["labels"],
                **joined(parts, ("levels", "diverged", "heights", "by_weights", "threes")),
                pairs=joined_pairs(parts, "levels"),
                curves=np.average([part["curves"] for part in parts], axis=0, weights=[len(part["pairs"]) for part in parts]),
                midpoint={name: value for name, value in parts[0].items() if name.startswith(("before_", "after_"))},
            )
        )
    return ensembles


def _runs_in_block(cell: dict[str, Any]) -> int:
    return 4 if cell["depth"] > 1 else 12 if cell["width"] < NARROW else 6


def _cost(cell: dict[str, Any]) -> float:
    depth, m, n = cell["depth"], cell["width"], cell["n_runs"]
    neurons, products = depth * m, (depth - 1) * m**2
    training = 3e-4 * cell["n_steps"] * (1 + 4e-3 * neurons + 3e-5 * products)
    return float(n * training + n * (n - 1) / 2 * (0.03 + 6e-4 * neurons + 4e-6 * products) * (2 if cell["with_threes"] else 1))


def ensemble(
    seed: int, data: str, folder: str | None, n_train: int | None, n_test: int | None, depth: int, width: int, labels: str,
    n_runs: int, n_steps: int, with_threes: bool, block: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """Return the numbers of `n_runs` networks with `depth` hidden layers of `width` neurons, as described at `ImageEnsemble`.

    Trained for about `n_steps` steps (whole epochs) of SGD with momentum 0.9 on the cross-entropy, rate 0.05, batches of 64. With
    shuffled labels those of the training images are permuted, once for all networks. The permutation of a pair is that of weight
    or activation matching with the lower barrier of the training loss, and all measures are taken under it.
    """
    images = load(folder, n_train, n_test)
    y = images.y_train
    if labels == "shuffled":
        y = np.random.default_rng([seed, KEY_LABELS]).permutation(y)
    key = [seed, KEY_TRAINING, depth, width, LABELS.index(labels), block]
    networks, diverged = trained(images.X_train, y, (width,) * depth, n_steps, n_runs, np.random.SeedSequence(key))
    objectives = {"train": lmc.DataLoss(images.X_train, y, "cross-entropy"), "test": images.objective("test")}
    losses = {split: {"loss": loss, "error": loss.measuring("error")} for split, loss in objectives.items()}
    shuffle = np.random.default_rng([*key, KEY_SHUFFLES])
    pairs = np.stack(np.triu_indices(n_runs, 1), axis=1)
    matchings, found = [], []
    for i, j in pairs:
        a, b = networks[i], networks[j]
        matchings.append(lowest_matching(a, b, objectives["train"]))
        ways = (matchings[-1][0], np.arange(b.width), random_permutation(b, shuffle))
        found.append([curves(a, b.permute(way), losses) for way in ways])
    paths = np.array(found)
    return {
        "levels": np.array([[[losses[split][measure](net) for measure in MEASURES] for split in SPLITS] for net in networks]),
        "diverged": diverged,
        "pairs": pairs,
        "heights": chord_heights(paths),
        "by_weights": np.array([by_weights for _, by_weights in matchings]),
        "curves": paths.mean(axis=0),
        "threes": np.array([of_three(networks[k : k + 3], losses, shuffle) for k in range(0, n_runs - 2, 3)])
        if with_threes else np.zeros((0, len(FAMILY_ALIGNMENTS), 2, 2)),
        **middle(networks[0], networks[1], matchings[0][0], images),
    }  # fmt: skip


def trained(
    X: np.ndarray, y: np.ndarray, widths: Sequence[int], n_steps: int, n_runs: int, rng: np.random.SeedSequence
) -> tuple[Sequence[lmc.LayeredNet], np.ndarray]:
    """Return networks trained as described at `ensemble`, and which of them diverged."""
    epochs = -(-n_steps * BATCH_SIZE // len(y))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)
        result = lmc.train_on_data(
            X, y, widths, solver="momentum", learning_rate=0.05, batch_size=BATCH_SIZE, max_epochs=epochs, tol=None,
            n_runs=n_runs, rng=rng,
        )  # fmt: skip
    return result.networks, result.diverged


def curves(net_a: lmc.LayeredNet, net_b: lmc.LayeredNet, losses: Losses) -> np.ndarray:
    """Return `MEASURES` of each split at `POSITIONS` on the way from A to B, ``(2, 2, T)``; one pass for both measures."""
    found = np.zeros((len(SPLITS), len(MEASURES), len(POSITIONS)))
    for split, name in enumerate(SPLITS):
        loss, error = (losses[name][measure] for measure in MEASURES)
        for rows, k, outputs in loss.segments([net_a], [net_b]).outputs(0, POSITIONS):
            found[split, :, k] += loss.terms(outputs, rows).sum(), error.terms(outputs, rows).sum()
        found[split] /= len(loss)
    return found


def chord_heights(paths: np.ndarray) -> np.ndarray:
    """Return the highest excess over the chord of losses ``(..., T)`` at `POSITIONS`; what is within rounding is zero."""
    heights = chord_excess(paths, POSITIONS).max(axis=-1)
    return np.where(heights > 4 * np.finfo(float).eps * np.abs(paths).max(axis=-1), heights, 0.0)


def lowest_matching(net_a: lmc.LayeredNet, net_b: lmc.LayeredNet, loss: lmc.DataLoss) -> tuple[np.ndarray, bool]:
    """Return the permutation of weight or activation matching with the lower barrier, and whether it is that of weights."""
    ways = [lmc.align(net_a, net_b, method, objective=loss).permutation for method in ("weights", "activations")]
    heights = [chord_heights(_losses(net_a, net_b.permute(way), loss)) for way in ways]
    return ways[int(np.argmin(heights))], bool(heights[0] <= heights[1])


def _losses(net_a: lmc.LayeredNet, net_b: lmc.LayeredNet, loss: lmc.DataLoss) -> np.ndarray:
    return loss.segments([net_a], [net_b])(np.zeros(1, dtype=np.intp), POSITIONS[None, :])[0]


def random_permutation(net: lmc.LayeredNet, rng: np.random.Generator) -> np.ndarray:
    """Return a permutation of every hidden layer."""
    return np.concatenate([rng.permutation(np.arange(net.width)[layer]) for layer in net.layers])


def of_three(networks: Sequence[lmc.LayeredNet], losses: Losses, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the worst pair of three networks by `FAMILY_ALIGNMENTS`, ``(2, 2)`` each: the best found on the training loss."""
    weak = lmc.weak_connectivity(networks, losses["train"]["loss"], "assignments", grid_size=len(POSITIONS))
    ways = {
        "weak": [(networks[i], networks[j].permute(way)) for (i, j), way in zip(weak.pairs, weak.permutations, strict=True)],
        "strong": list(combinations(weak.strong.best.networks, 2)),
        "none": list(combinations(networks, 2)),
        "random": list(combinations([net.permute(random_permutation(net, rng)) for net in networks], 2)),
    }
    return [np.max([chord_heights(curves(a, b, losses)) for a, b in ways[name]], axis=0) for name in FAMILY_ALIGNMENTS]


def middle(net_a: lmc.LayeredNet, net_b: lmc.LayeredNet, permutation: np.ndarray, images: lmc.ImageData) -> dict[str, np.ndarray]:
    """Return which test images the network half-way gets wrong, before and after B is permuted: pixels, labels, guesses."""
    found: dict[str, Any] = {}
    for name, end in (("before", net_b), ("after", net_b.permute(permutation))):
        half = lmc.LayeredNet(
            [(v + w) / 2 for v, w in zip(net_a.weights, end.weights, strict=True)],
            [(v + w) / 2 for v, w in zip(net_a.biases, end.biases, strict=True)],
        )
        guesses = half(images.X_test).argmax(axis=1)
        wrong = np.flatnonzero(guesses != images.y_test)
        shown = wrong[:SHOWN]
        grey = np.rint(255 * images.X_test[shown]).astype(int)
        found |= {
            f"{name}_wrong": np.array(len(wrong)), f"{name}_images": grey.reshape(-1, *images.shape),
            f"{name}_labels": images.y_test[shown], f"{name}_guesses": guesses[shown],
        }  # fmt: skip
    return found
