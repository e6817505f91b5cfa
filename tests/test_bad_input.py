"""One table of bad calls: each must name the argument, say what was expected, and show what came."""

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.paths import maximise_excess

T = lmc.orthonormal_teacher(2, 3)
NET = lmc.TwoLayerNet(np.arange(6.0).reshape(2, 3))
WIDE = lmc.TwoLayerNet(np.ones((3, 3)))
NINE = lmc.TwoLayerNet(np.ones((9, 3)))
FLAT = lmc.TwoLayerNet(np.ones((2, 2)))
DEEP = lmc.LayeredNet([np.ones((2, 2)), np.ones((1, 2)), np.ones((1, 1))])
NARROW = lmc.LayeredNet([np.ones((1, 2)), np.ones((1, 1)), np.ones((1, 1))])
SHALLOW = lmc.LayeredNet([np.ones((2, 2)), np.ones((1, 2))])
MINIMUM = lmc.Minimum([0, 0, 1], [0.5, 0.5, 1.0])
LONGER = lmc.Minimum([0, 0, 1, -1], [0.5, 0.5, 1.0, 0.0])
OTHER = lmc.Minimum([0, 1, 2], [1.0, 1.0, 1.0])
HUGE = lmc.TwoLayerNet(np.ones((65, 3)))
OVERFLOWING = lmc.TwoLayerNet(np.full((2, 3), 1e200))
TWO_OUTPUTS = lmc.LayeredNet([[[1.0]], [[1.0], [0.0]]])
LABELLED = lmc.DataLoss([[1.0], [2.0]], [0, 1])
TWO = [[1.0, 2.0], [0.5, 1.0]]
PAIRS = [[0, 1], [0, 2], [1, 2]]
IMAGES = lmc.ImageData("four", np.eye(4), np.arange(4), np.eye(4), np.arange(4), (2, 2))
THREE = [[1.0, 2.0, 3.0], [0.5, 1.0, 1.5]]
DATA = lmc.DataLoss([[1.0, 2.0]], [3.0])


def train(**options):
    return lmc.train(**{"teacher": T, "learning_rate": 0.1, "max_steps": 1, "rng": 0, **options})


def sgd(**options):
    return train(**{"width": 2, "algorithm": "sgd", "batch_size": 4, **options})


def flow(**options):
    return train(**{"width": 2, "algorithm": "flow", "learning_rate": None, "horizon": 2.0, **options})


def prune(**options):
    return lmc.prune_iteratively(
        **{"teacher": T, "width": 2, "learning_rate": 0.1, "levels": 1, "max_steps": 5, "rng": 0, **options}
    )


def sequences(seq_a, seq_b, **options):
    return lmc.align_sequences(seq_a, seq_b, T, **options)


def paths(losses, accuracies, **options):
    return lmc.plotting.accuracy_plot([0.0, 1.0], losses, accuracies, **options)


def on_data(y=(0, 1, 0, 1), **options):
    return lmc.train_on_data(np.eye(4), y, **{"widths": (2,), "max_epochs": 1, "rng": 0, **options})


def fit(widths=(4, 8), samples=TWO, **options):
    return lmc.fit_rate(widths, samples, rng=0, **options)


# fmt: off
CALLS = [
    # networks
    (lambda: lmc.TwoLayerNet([1.0, 2.0]), "W", "matrix", "(2,)"),
    (lambda: lmc.TwoLayerNet([[[1.0]]]), "W", "matrix", "(1, 1, 1)"),
    (lambda: lmc.TwoLayerNet(np.ones((0, 3))), "W", "empty", "(0, 3)"),
    (lambda: lmc.TwoLayerNet(np.ones((3, 0))), "W", "empty", "(3, 0)"),
    (lambda: lmc.TwoLayerNet([[1.0, np.nan]]), "W", "finite", "nan at index [0, 1]"),
    (lambda: lmc.TwoLayerNet([[np.inf]]), "W", "finite", "inf"),
    (lambda: lmc.TwoLayerNet([[1.0, 2.0], [3.0]]), "W", "real", "[[1.0, 2.0], [3.0]]"),
    (lambda: lmc.TwoLayerNet([["a"]]), "W", "real", "'a'"),
    (lambda: lmc.TwoLayerNet([[1j]]), "W", "real", "1j"),
    (lambda: lmc.TwoLayerNet([[True]]), "W", "real", "True"),
    (lambda: lmc.TwoLayerNet(None), "W", "real", "None"),
    (lambda: lmc.TwoLayerNet([[1.0]], [1.0, 2.0]), "a", "one entry a neuron", "(2,)"),
    (lambda: lmc.TwoLayerNet([[1.0]], 1.0), "a", "vector", "()"),
    (lambda: lmc.TwoLayerNet([[1.0]], [-np.inf]), "a", "finite", "-inf"),
    (lambda: NET([1.0, 2.0, 3.0]), "X", "matrix", "(3,)"),
    (lambda: NET([[1.0, 2.0]]), "X", "d = 3", "d = 2"),
    (lambda: NET([[np.nan, 0, 0]]), "X", "finite", "nan"),
    (lambda: NET.permute([0]), "perm", "(2,)", "[0]"),
    (lambda: NET.permute([0, 0]), "perm", "exactly once", "[0, 0]"),
    (lambda: NET.permute([0, 2]), "perm", "exactly once", "[0, 2]"),
    (lambda: NET.permute([-1, 0]), "perm", "exactly once", "[-1, 0]"),
    (lambda: NET.permute([0.0, 1.0]), "perm", "integer", "[0.0, 1.0]"),
    (lambda: NET.permute([True, False]), "perm", "integer", "[True, False]"),
    (lambda: NET.permute([[0], [0, 1]]), "perm", "integer", "[[0], [0, 1]]"),
    (lambda: lmc.orthonormal_teacher(3, 2), "M", "at most d = 2", "3"),
    (lambda: lmc.orthonormal_teacher(0, 2), "M", "at least 1", "0"),
    (lambda: lmc.orthonormal_teacher(1, 0), "d", "at least 1", "0"),
    (lambda: lmc.orthonormal_teacher(1.5, 2), "M", "integer", "1.5"),
    (lambda: lmc.orthonormal_teacher(True, 2), "M", "integer", "True"),
    # networks of any depth
    (lambda: lmc.LayeredNet([[[1.0]]]), "weights", "at least two", "1"),
    (lambda: lmc.LayeredNet([[[1.0]], [1.0]]), "weights[1]", "matrix", "(1,)"),
    (lambda: lmc.LayeredNet([[[1.0]], [[1.0, 2.0]]]), "weights[1]", "one column a row of weights[0], 1", "(1, 2)"),
    (lambda: lmc.LayeredNet([[[1.0]], [[1.0]]], [[0.0]]), "biases", "one vector a weight matrix, 2", "1"),
    (lambda: lmc.LayeredNet([[[1.0]], [[1.0]]], [[0.0], [0.0, 1.0]]), "biases[1]", "one entry a row of weights[1], 1", "2"),
    (lambda: lmc.LayeredNet([[[1.0]], [[np.nan]]]), "weights[1]", "finite", "nan"),
    (lambda: lmc.LayeredNet.from_two_layer(DEEP), "net", "TwoLayerNet", "LayeredNet"),
    (lambda: DEEP([[1.0]]), "X", "d = 2", "d = 1"),
    (lambda: DEEP.permute([0, 1]), "perm", "(3,)", "[0, 1]"),
    (lambda: DEEP.permute([2, 0, 1]), "perm", "map every hidden layer to itself", "[2, 0]"),
    # data
    (lambda: lmc.DataLoss([1.0], [1.0]), "X", "matrix", "(1,)"),
    (lambda: lmc.DataLoss([[1.0]], [1.0], "hinge"), "loss", "'cross-entropy'", "'hinge'"),
    (lambda: lmc.DataLoss([[1.0]], [1.0], "cross-entropy"), "y", "integer class labels", "[1.0]"),
    (lambda: lmc.DataLoss([[1.0]], [1, 2], "error"), "y", "shape (1,)", "(2,)"),
    (lambda: lmc.DataLoss([[1.0]], [-1]), "y", "from 0 on", "-1"),
    (lambda: lmc.DataLoss([[1.0]], [1.0, 2.0]), "y", "one target an input, 1", "2"),
    (lambda: lmc.DataLoss([[1.0]], [np.nan]), "y", "finite", "nan"),
    (lambda: lmc.DataLoss([[1.0]], ["a"]), "y", "real numbers", "'a'"),
    (lambda: lmc.DataLoss([[1.0], [2.0]], [[1], [1, 2]]), "y", "real numbers", "[[1], [1, 2]]"),
    (lambda: lmc.align(OVERFLOWING, OVERFLOWING), "networks", "products are finite", "overflow"),
    (lambda: lmc.barrier(OVERFLOWING, OVERFLOWING, T), "networks", "finite loss on the whole path", "n"),  # inf or nan
    (lambda: lmc.barrier(NET, OVERFLOWING, lmc.DataLoss(np.eye(3), np.ones(3))), "networks", "finite loss", "n"),
    (lambda: lmc.DataLoss([[1.0]], [2.0])(DEEP), "net", "d = 1", "d = 2"),
    (lambda: lmc.DataLoss([[1.0, 2.0]], [[2.0, 3.0]])(DEEP), "net", "one output a target, 2", "1"),
    (lambda: lmc.DataLoss([[1.0, 2.0]], [3], "error")(DEEP), "net", "an output for every class, 4", "1"),
    (lambda: lmc.DataLoss([[1.0, 2.0]], [3.0])(DEEP.weights), "net", "TwoLayerNet", ""),
    (lambda: lmc.barrier(DEEP, NET, lmc.DataLoss([[1.0, 2.0]], [3.0])), "net_b", "LayeredNet", "TwoLayerNet"),
    (lambda: lmc.barrier(DEEP, NARROW, lmc.DataLoss([[1.0, 2.0]], [3.0])), "net_b", "weights[0] of shape (2, 2)", "(1, 2)"),
    (lambda: lmc.barrier(DEEP, SHALLOW, lmc.DataLoss([[1.0, 2.0]], [3.0])), "net_b", "hidden layers of net_a, 2", "1"),
    (lambda: lmc.barrier(NET, NET, lmc.DataLoss(np.eye(3), np.ones(3)), inputs="sphere"), "inputs", "a teacher", "'sphere'"),
    # kernels and objectives
    (lambda: lmc.relu_kernel([1.0], [[1.0]]), "U", "matrix", "(1,)"),
    (lambda: lmc.relu_kernel([[1.0]], [[np.nan]]), "V", "finite", "nan"),
    (lambda: lmc.relu_kernel([[1.0, 2.0]], [[1.0]]), "V", "d = 2", "d = 1"),
    *((lambda f=f: f(FLAT, T), "net", "d = 3", "d = 2") for f in (
        lmc.population_loss, lmc.loss_floor, lmc.population_gradient, lmc.population_hessian, lmc.sharpness)),
    *((lambda f=f: f(NET, T, "cube"), "inputs", "'gaussian', 'sphere'", "'cube'") for f in (
        lmc.population_loss, lmc.loss_floor, lmc.population_gradient, lmc.population_hessian, lmc.sharpness)),
    *((lambda f=f: f(NET.W, T), "net", "TwoLayerNet", "array") for f in (lmc.population_loss, lmc.sharpness)),
    (lambda: lmc.population_loss(NET, "teacher"), "teacher", "TwoLayerNet", "'teacher'"),
    (lambda: lmc.population_loss(NET, T, None), "inputs", "'gaussian'", "None"),
    # alignment and barriers
    (lambda: lmc.align(NET, WIDE), "net_b", "(2, 3)", "(3, 3)"),
    (lambda: lmc.align(NET, FLAT), "net_b", "(2, 3)", "(2, 2)"),
    (lambda: lmc.align(None, NET), "net_a", "TwoLayerNet", "None"),
    (lambda: lmc.align(NET, NET, "weight"), "method", "'weights', 'activations'", "'weight'"),
    (lambda: lmc.align(NET, NET, 3), "method", "'weights', 'activations'", "3"),
    (lambda: lmc.align(NET, NET, "barrier"), "objective", "method='barrier'", "None"),
    (lambda: lmc.align(NET, NET, "exact"), "objective", "method='exact'", "None"),
    (lambda: lmc.align(NET, NET, "exact", objective=T, time_limit=0), "time_limit", "positive", "0"),
    (lambda: lmc.align(NET, NET, "exact", objective=T, time_limit="1"), "time_limit", "real", "'1'"),
    (lambda: lmc.align(NET, NET, "barrier", objective=T, time_limit=1.0), "time_limit", "method='exact'", "'barrier'"),
    (lambda: lmc.align(NET, NET, time_limit=1.0), "time_limit", "method='exact'", "'weights'"),
    (lambda: lmc.align(HUGE, HUGE, "exact", objective=T), "net_a", "at most 64 neurons", "65"),
    (lambda: lmc.align(NET, NET, "barrier", objective=T.W), "objective", "TwoLayerNet", "array"),
    (lambda: lmc.align(FLAT, FLAT, "barrier", objective=T), "net_a", "d = 3", "d = 2"),
    (lambda: lmc.align(DEEP, NARROW), "net_b", "weights[0] of shape (2, 2)", "(1, 2)"),
    (lambda: lmc.align(DEEP, NET), "net_b", "LayeredNet", "TwoLayerNet"),
    (lambda: lmc.align(DEEP, DEEP, n_orders=0), "n_orders", "at least 1", "0"),
    (lambda: lmc.align(DEEP, DEEP, rng=-1), "rng", "at least 0", "-1"),
    (lambda: lmc.align(DEEP, DEEP, "activations"), "objective", "needs data for a LayeredNet", "None"),
    (lambda: lmc.align(DEEP, DEEP, "activations", objective=T), "net_a", "TwoLayerNet", "LayeredNet"),
    (lambda: lmc.align(DEEP, DEEP, "barrier", objective=T), "net_a", "TwoLayerNet", "LayeredNet"),
    (lambda: lmc.align(DEEP, DEEP, "barrier", objective=lmc.DataLoss([[1.0]], [2.0])), "net_a", "d = 1", "d = 2"),
    (lambda: lmc.align(DEEP, DEEP, "exact", objective=DATA), "objective", "population loss with method='exact'", "DataLoss"),
    (lambda: lmc.align(FLAT, FLAT, "exact", objective=DATA), "objective", "population loss with method='exact'", "DataLoss"),
    (lambda: lmc.align(NET, NET, "barrier", objective=T, inputs="cube"), "inputs", "'sphere'", "'cube'"),
    (lambda: lmc.align(NET, NET, "barrier", objective=T, grid_size=2), "grid_size", "at least 3", "2"),
    (lambda: lmc.barrier(NET, WIDE, T), "net_b", "(2, 3)", "(3, 3)"),
    (lambda: lmc.barrier(FLAT, FLAT, T), "net_a", "d = 3", "d = 2"),
    (lambda: lmc.barrier(NET, NET, NET.W), "objective", "TwoLayerNet", "array"),
    (lambda: lmc.barrier(NET, NET, T, align="wieghts"), "align", "'weights'", "'wieghts'"),
    (lambda: lmc.barrier(NET, NET, T, align=[0, 0]), "align", "exactly once", "[0, 0]"),
    (lambda: lmc.barrier(NET, NET, T, align=[0, 1, 2]), "align", "(2,)", "[0, 1, 2]"),
    (lambda: lmc.barrier(NET, NET, T, align=0), "align", "(2,)", "0"),
    (lambda: lmc.barrier(NET, NET, T, align=[[0], [0, 1]]), "align", "integer", "[[0], [0, 1]]"),
    (lambda: lmc.barrier(NET, NET, T, align=lmc.align(WIDE, WIDE)), "align", "(2,)", "(3,)"),
    (lambda: lmc.barrier(NET, NET, T, kind="height"), "kind", "'chord'", "'height'"),
    (lambda: lmc.barrier(NET, NET, T, grid_size=2), "grid_size", "at least 3", "2"),
    (lambda: lmc.barrier(NET, NET, T, inputs="cube"), "inputs", "'sphere'", "'cube'"),
    (lambda: maximise_excess(lambda paths, ts: ts, kind="height"), "kind", "'chord'", "'height'"),
    (lambda: maximise_excess(lambda paths, ts: ts, grid_size=4.0), "grid_size", "integer", "4.0"),
    (lambda: lmc.pairwise_barriers([NET], T), "networks", "at least two", "1"),
    (lambda: lmc.pairwise_barriers(5, T), "networks", "", "5"),
    (lambda: lmc.pairwise_barriers([NET, WIDE], T), "networks", "(2, 3)", "(3, 3)"),
    (lambda: lmc.pairwise_barriers([FLAT, FLAT], T), "networks", "d = 3", "d = 2"),
    (lambda: lmc.pairwise_barriers([NET, "x"], T), "networks", "TwoLayerNet", "'x'"),
    (lambda: lmc.pairwise_barriers([NET, NET], T, align=[]), "align", "at least one", "none"),
    (lambda: lmc.pairwise_barriers([NET, NET], T, align="best"), "align", "'weights'", "'best'"),
    (lambda: lmc.pairwise_barriers([NET, NET], T, align=None), "align", "", "None"),
    # families
    (lambda: NET.pad(1), "width", "at least 2", "1"),
    (lambda: NET.pad(3, np.nan), "output", "finite", "nan"),
    (lambda: lmc.simplex_barrier([], T), "networks", "at least one", "none"),
    (lambda: lmc.simplex_barrier(NET, T), "networks", "sequence", "TwoLayerNet"),
    (lambda: lmc.simplex_barrier([NET, FLAT], T), "networks[1]", "d = 3", "d = 2"),
    (lambda: lmc.simplex_barrier([NET, NET.W], T), "networks[1]", "TwoLayerNet", "array"),
    (lambda: lmc.simplex_barrier([NET, NET], T, [[0, 1]]), "permutations", "(2, 2)", "(1, 2)"),
    (lambda: lmc.simplex_barrier([NET, WIDE], T, [[0, 1], [0, 1]]), "permutations", "(2, 3)", "(2, 2)"),
    (lambda: lmc.simplex_barrier([NET, NET], T, [[0, 1], [1, 1]]), "permutations[1]", "exactly once", "[1, 1]"),
    (lambda: lmc.simplex_barrier([NET, NET], T, grid_size=1), "grid_size", "at least 2", "1"),
    (lambda: lmc.simplex_barrier([NET, NET], T, inputs="cube"), "inputs", "'sphere'", "'cube'"),
    (lambda: lmc.align_many([NET], objective=T), "networks", "at least two", "1"),
    (lambda: lmc.align_many([NET, FLAT], objective=T), "networks[1]", "d = 3", "d = 2"),
    (lambda: lmc.align_many([NET, NET], "referance", objective=T), "method", "'reference'", "'referance'"),
    (lambda: lmc.align_many([NET, NET], objective=T, pairwise="weight"), "pairwise", "'weights'", "'weight'"),
    (lambda: lmc.align_many([NET, NET], "mean", objective=T, pairwise="barrier"), "pairwise", "'activations'", "'barrier'"),
    (lambda: lmc.align_many([NET, NET], objective=T, start=[[0, 1], [0, 1]]), "start", "'barrier' or 'exact'", "'reference'"),
    (lambda: lmc.align_many([NET, NET], "barrier", objective=T, start=[[0, 1]]), "start", "(2, 2)", "(1, 2)"),
    (lambda: lmc.align_many([NET, NET], "barrier", objective=T, start=[[0, 1], [1, 1]]), "start[1]", "exactly once", "[1, 1]"),
    (lambda: lmc.align_many([NET, NET], objective=T, grid_size=2), "grid_size", "at least 3", "2"),
    (lambda: lmc.align_many([NINE, NINE], "exact", objective=T), "networks", "m <= 8", "m = 9"),
    (lambda: lmc.align_many([NINE.pad(9), *[WIDE] * 4], "exact", objective=T), "networks", "2e+09", "n = 5"),
    (lambda: lmc.strong_connectivity([NET], T), "networks", "at least two", "1"),
    (lambda: lmc.strong_connectivity([NET, NET], T, "swap"), "search", "'swaps'", "'swap'"),
    (lambda: lmc.weak_connectivity([NET, NET], T, "all"), "search", "'exact'", "'all'"),
    (lambda: lmc.weak_connectivity([NET, NINE], T, "exact"), "networks", "m <= 8", "m = 9"),
    (lambda: lmc.barrier(DEEP, DEEP, DATA, align=[2, 1, 0]), "align", "every hidden layer to itself", "[2, 1]"),
    (lambda: lmc.simplex_barrier([DEEP, NARROW], DATA), "networks[1]", "weights[0] of shape (2, 2)", "(1, 2)"),
    (lambda: lmc.simplex_barrier([DEEP, FLAT], DATA), "networks[1]", "LayeredNet", "TwoLayerNet"),
    (lambda: lmc.simplex_barrier([DEEP, DEEP], DATA, [[0, 1, 2], [0, 2, 1]]), "permutations[1]", "every hidden layer", "[0, 2]"),
    (lambda: lmc.align_many([DEEP, SHALLOW], objective=DATA), "networks[1]", "hidden layers of networks[0], 2", "1"),
    (lambda: lmc.align_many([DEEP, DEEP], objective=T), "networks[0]", "TwoLayerNet", "LayeredNet"),
    (lambda: lmc.align_many([DEEP, DEEP], "exact", objective=DATA), "objective", "population loss", "DataLoss"),
    (lambda: lmc.strong_connectivity([FLAT, FLAT], DATA, "exact"), "objective", "population loss", "DataLoss"),
    (lambda: lmc.align_sequences([DEEP], [NARROW], DATA), "seq_b[0]", "weights[0] of shape (2, 2)", "(1, 2)"),
    (lambda: lmc.align_sequences([DEEP], [DEEP], DATA, n_orders=0), "n_orders", "at least 1", "0"),
    (lambda: lmc.cycle_consistency([NET, NET], T), "networks", "at least three", "2"),
    (lambda: lmc.cycle_consistency([NET, NET, NET], T, "mean"), "method", "'weights'", "'mean'"),
    # paths of zero loss
    (lambda: lmc.zero_loss_path(NET, MINIMUM), "min_a", "Minimum", "TwoLayerNet"),
    (lambda: lmc.zero_loss_path(MINIMUM, LONGER), "min_b", "m = 3", "4"),
    (lambda: lmc.zero_loss_path(MINIMUM, OTHER), "min_b", "M = 2", "M = 3"),
    *((lambda x=x: lmc.zero_loss_path(MINIMUM, MINIMUM, x), "pieces", "1, 2 or 4", str(x)) for x in (3, 5)),
    (lambda: lmc.zero_loss_path(MINIMUM, MINIMUM, 0), "pieces", "at least 1", "0"),
    (lambda: lmc.zero_loss_path(MINIMUM, MINIMUM, 2.0), "pieces", "integer", "2.0"),
    (lambda: lmc.star_center([MINIMUM]), "minima", "at least two", "1"),
    (lambda: lmc.star_center(MINIMUM), "minima", "sequence of minima", "Minimum"),
    (lambda: lmc.star_center([MINIMUM, MINIMUM, NET]), "minima[2]", "Minimum", "TwoLayerNet"),
    (lambda: lmc.star_center([MINIMUM, MINIMUM, LONGER]), "minima[2]", "m = 3", "4"),
    (lambda: lmc.star_center([MINIMUM, OTHER]), "minima[1]", "M = 2", "M = 3"),
    (lambda: lmc.star_center([MINIMUM, MINIMUM], 3), "pieces", "1 or 2", "3"),
    (lambda: lmc.geodesic_upper_bound(MINIMUM, None), "min_b", "Minimum", "None"),
    (lambda: lmc.geodesic_upper_bound(MINIMUM, OTHER), "min_b", "M = 2", "M = 3"),
    # training
    (lambda: train(), "width", "exactly one of width and init", "None"),
    (lambda: train(width=2, init=NET), "init", "exactly one of width and init", "width=2"),
    (lambda: train(width=0), "width", "at least 1", "0"),
    (lambda: train(width=-3), "width", "at least 1", "-3"),
    (lambda: train(width=2.0), "width", "integer", "2.0"),
    (lambda: train(width=2, teacher=T.W), "teacher", "TwoLayerNet", "array"),
    *((lambda x=x: train(width=2, learning_rate=x), "learning_rate", "positive", str(x)) for x in (0.0, -0.1)),
    *((lambda x=x: train(width=2, learning_rate=x), "learning_rate", "finite", str(x)) for x in (np.nan, np.inf)),
    (lambda: train(width=2, learning_rate="0.1"), "learning_rate", "real", "'0.1'"),
    (lambda: train(width=2, learning_rate=None), "learning_rate", "real", "None"),
    (lambda: train(width=2, learning_rate=10**400), "learning_rate", "", "1000"),
    (lambda: train(width=2, learning_rate=[0.1, 0.2]), "learning_rate", "one a run, 1", "2"),
    (lambda: train(width=2, n_runs=2, learning_rate=[0.1, -0.2]), "learning_rate", "positive", "-0.2"),
    (lambda: train(width=2, learning_rate=[[0.1], [0.1, 0.2]]), "learning_rate", "vector", "[[0.1], [0.1, 0.2]]"),
    (lambda: train(width=2, max_steps=0), "max_steps", "at least 1", "0"),
    (lambda: train(width=2, max_steps=1e3), "max_steps", "integer", "1000.0"),
    (lambda: train(width=2, n_runs=0), "n_runs", "at least 1", "0"),
    (lambda: train(width=2, init_scale=0.0), "init_scale", "positive", "0.0"),
    (lambda: train(width=2, gradient_tol=-1e-9), "gradient_tol", "negative", "-1e-09"),
    (lambda: train(width=2, loss_tol=-1.0), "loss_tol", "negative", "-1.0"),
    (lambda: train(width=2, loss_tol=np.nan), "loss_tol", "finite", "nan"),
    (lambda: train(width=2, rng=-1), "rng", "at least 0", "-1"),
    (lambda: train(width=2, rng="seed"), "rng", "integer", "'seed'"),
    (lambda: train(width=2, rng=1.5), "rng", "integer", "1.5"),
    (lambda: train(init=[]), "init", "at least one", "none"),
    (lambda: train(init=5), "init", "", "5"),
    (lambda: train(init=FLAT), "init[0]", "d = 3", "d = 2"),
    (lambda: train(init=[NET, NET.W]), "init[1]", "TwoLayerNet", "array"),
    (lambda: train(init=[NET, WIDE]), "init[1]", "width of init[0], 2", "3"),
    (lambda: train(init=NET, init_scale=1.0), "init_scale", "not be given together with init", "1.0"),
    (lambda: train(init=[NET, NET], n_runs=3), "n_runs", "2", "3"),
    (lambda: train(width=2, algorithm="adam"), "algorithm", "'sgd'", "'adam'"),
    (lambda: sgd(batch_size=0), "batch_size", "at least 1", "0"),
    (lambda: sgd(batch_size=-4), "batch_size", "at least 1", "-4"),
    (lambda: sgd(batch_size=8.0), "batch_size", "integer", "8.0"),
    (lambda: sgd(batch_size=None), "batch_size", "given with algorithm 'sgd'", "None"),
    (lambda: train(width=2, batch_size=8), "batch_size", "left out with algorithm 'gd'", "8"),
    (lambda: sgd(batch_size=6, samples=5), "batch_size", "at most the number of samples, 5", "6"),
    (lambda: sgd(learning_rate=0.0), "learning_rate", "positive", "0.0"),
    (lambda: train(width=2, samples=0), "samples", "at least 1", "0"),
    (lambda: train(width=2, samples=10.5), "samples", "integer", "10.5"),
    (lambda: train(width=2, samples="all"), "samples", "integer", "'all'"),
    (lambda: train(width=2, samples=np.ones((5, 2))), "samples", "d = 3", "d = 2"),
    (lambda: train(width=2, samples=np.ones(3)), "samples", "matrix", "(3,)"),
    (lambda: train(width=2, samples=np.ones((0, 3))), "samples", "empty", "(0, 3)"),
    (lambda: train(width=2, samples=[[1.0, np.inf, 0.0]]), "samples", "finite", "inf"),
    (lambda: lmc.SampleLoss(T, np.ones((5, 2))), "samples", "d = 3", "d = 2"),
    (lambda: lmc.sharpness(NET, T, samples=np.ones((5, 2))), "samples", "d = 3", "d = 2"),
    (lambda: lmc.SampleLoss(T.W, np.ones((5, 3))), "teacher", "TwoLayerNet", "array"),
    (lambda: lmc.SampleLoss(T, np.ones((5, 3))).value_and_gradients(FLAT), "net", "d = 3", "d = 2"),
    (lambda: flow(learning_rate=0.1), "learning_rate", "left out with algorithm 'flow'", "0.1"),
    (lambda: flow(horizon=None), "horizon", "given with algorithm 'flow'", "None"),
    (lambda: flow(horizon=0.0), "horizon", "positive", "0.0"),
    (lambda: flow(horizon=np.inf), "horizon", "finite", "inf"),
    (lambda: flow(horizon="long"), "horizon", "real", "'long'"),
    (lambda: flow(rtol=0.0), "rtol", "positive", "0.0"),
    (lambda: flow(rtol=1e-14), "rtol", "at least 1e-12", "1e-14"),
    (lambda: flow(atol=-1.0), "atol", "positive", "-1.0"),
    (lambda: flow(batch_size=4), "batch_size", "left out with algorithm 'flow'", "4"),
    (lambda: flow(samples=5), "samples", "left out with algorithm 'flow'", "sample"),
    (lambda: train(width=2, horizon=1.0), "horizon", "left out with algorithm 'gd'", "1.0"),
    (lambda: sgd(rtol=1e-6), "rtol", "left out with algorithm 'sgd'", "1e-06"),
    (lambda: train(width=2, atol=1e-6), "atol", "left out with algorithm 'gd'", "1e-06"),
    *((lambda kind=kind, value=value: flow(**{kind: value}), kind, expected, got)
        for kind in ("record", "checkpoints") for value, expected, got in (
            (1, "at least 2", "1"),
            ("all", "integer", "'all'"),
            ([0.0, 2.5], "between 0 and horizon = 2", "2.5"),
            ([-0.5, 1.0], "between 0 and horizon = 2", "-0.5"),
            ([1.0, 1.0], "increasing", "[1.0, 1.0]"),
            ([0.0, np.nan], "finite", "nan"),
        )),
    (lambda: train(width=2, polish=True, samples=5), "polish", "off with samples", "True"),
    (lambda: train(width=2, polish=True, train_output=True), "polish", "output weights are trained", "True"),
    *((lambda kind=kind, value=value: train(width=2, max_steps=9, **{kind: value}), kind, expected, got)
        for kind in ("record", "checkpoints") for value, expected, got in (
            (1, "at least 2", "1"),
            (2.5, "integer", "2.5"),
            (True, "integer", "True"),
            ("all", "integer", "'all'"),
            ([], "empty", "(0,)"),
            ([0, 10], "between 0 and max_steps = 9", "10"),
            ([-1, 3], "between 0 and max_steps = 9", "-1"),
            ([3, 3], "increasing", "[3.0, 3.0]"),
            ([4, 2], "increasing", "[4.0, 2.0]"),
            ([0.5, 2], "integers", "[0.5, 2.0]"),
            ([[1], [2, 3]], "vector", "[[1], [2, 3]]"),
            ([0, np.nan], "finite", "nan"),
        )),
    # masks and pruning
    (lambda: train(width=2, mask=np.ones((3, 2), dtype=bool)), "mask", "booleans of shape (2, 3) or (1, 2, 3)", "(3, 2)"),
    (lambda: train(width=2, mask=np.ones((2, 3))), "mask", "booleans", "float64"),
    (lambda: train(width=2, n_runs=2, mask=np.ones((3, 2, 3), dtype=bool)), "mask", "(2, 2, 3)", "(3, 2, 3)"),
    (lambda: train(width=2, mask=[[True], [True, False]]), "mask", "booleans", "[[True], [True, False]]"),
    (lambda: train(width=2, mask=True), "mask", "(2, 3)", "True"),
    (lambda: train(width=2, polish=True, mask=np.ones((2, 3), dtype=bool)), "polish", "off with a mask", "True"),
    (lambda: prune(rate=0.0), "rate", "between 0 and 1", "0.0"),
    (lambda: prune(rate=1.0), "rate", "between 0 and 1", "1.0"),
    (lambda: prune(levels=0), "levels", "at least 1", "0"),
    (lambda: prune(rate=0.5, levels=3), "levels", "leave a weight: 2 at most at rate 0.5 of 6 weights", "3"),
    (lambda: prune(rewind=5), "rewind", "less than max_steps, 5", "5"),
    (lambda: prune(rewind=-1), "rewind", "at least 0", "-1"),
    (lambda: prune(width=None), "width", "integer", "None"),
    (lambda: prune(width=None, init=[NET, WIDE]), "init[1]", "width of init[0], 2", "3"),
    (lambda: prune(init=NET), "init", "exactly one of width and init", "width=2"),
    (lambda: prune(width=None, init=[]), "init", "at least one", "none"),
    (lambda: prune(width=None, init=NET.W), "init[0]", "TwoLayerNet", "array"),
    (lambda: prune(teacher=T.W), "teacher", "TwoLayerNet", "array"),
    (lambda: prune(learning_rate=[0.1]), "learning_rate", "real", "[0.1]"),
    (lambda: lmc.magnitude_mask(NET, 7), "count", "at most the number of weights that mask keeps, 6", "7"),
    (lambda: lmc.magnitude_mask(NET, 2, np.eye(2, 3, 1) > 1), "count", "mask keeps, 0", "2"),
    (lambda: lmc.magnitude_mask(NET, -1), "count", "at least 0", "-1"),
    (lambda: lmc.magnitude_mask(NET, 1, np.ones((3, 3), dtype=bool)), "mask", "(2, 3)", "(3, 3)"),
    (lambda: lmc.magnitude_mask(NET.W, 1), "net", "TwoLayerNet", "array"),
    (lambda: lmc.transport_mask([[1, 0]], [0]), "mask", "matrix of booleans", "[[1, 0]]"),
    (lambda: lmc.transport_mask([True, False], [0, 1]), "mask", "matrix of booleans", "[True, False]"),
    (lambda: lmc.transport_mask([[True], [False]], [0, 0]), "permutation", "exactly once", "[0, 0]"),
    (lambda: lmc.transport_mask([[True], [False]], [0]), "permutation", "(2,)", "[0]"),
    # sequences
    (lambda: sequences([NET], [NET, NET]), "seq_b", "length of seq_a, 1", "2"),
    (lambda: sequences([], []), "seq_a", "at least one", "none"),
    (lambda: sequences(NET.W, [NET]), "seq_a[0]", "TwoLayerNet", "array"),
    (lambda: sequences([NET], None), "seq_b", "", "None"),
    (lambda: sequences([NET, WIDE], [NET, NET]), "seq_a[1]", "(2, 3)", "(3, 3)"),
    (lambda: sequences([NET], [WIDE]), "seq_b[0]", "(2, 3)", "(3, 3)"),
    (lambda: sequences([FLAT], [FLAT]), "seq_a[0]", "d = 3", "d = 2"),
    (lambda: sequences([NET], [FLAT]), "seq_b[0]", "d = 3", "d = 2"),
    (lambda: sequences([NET], [NET], method="first"), "method", "'each', 'last', 'joint'", "'first'"),
    (lambda: sequences([NET], [NET], similarity="barrier"), "similarity", "'weights'", "'barrier'"),
    (lambda: sequences([NET], [NET], factor=0.9), "factor", "at least 1", "0.9"),
    (lambda: sequences([NET], [NET], weights=[1.0]), "weights", "left out with method 'each'", "[1.0]"),
    (lambda: sequences([NET], [NET], method="joint", weights=[1.0, 2.0]), "weights", "one number a step, 1", "2"),
    (lambda: sequences([NET], [NET], method="joint", weights=[0.0]), "weights", "not all zero", "[0.0]"),
    (lambda: sequences([NET], [NET], method="joint", weights=[-1.0]), "weights", "non-negative", "[-1.0]"),
    (lambda: sequences([NET], [NET], inputs="cube"), "inputs", "'sphere'", "'cube'"),
    (lambda: sequences([NET], [NET], grid_size=2), "grid_size", "at least 3", "2"),
    # stability
    (lambda: lmc.stability_threshold(0, 4), "M", "at least 1", "0"),
    (lambda: lmc.stability_threshold(2.0, 4), "M", "integer", "2.0"),
    (lambda: lmc.stability_threshold(4, 3), "width", "at least M = 4", "3"),
    (lambda: lmc.stability_threshold(2, "4"), "width", "integer", "'4'"),
    (lambda: lmc.stability_threshold(2, 4, [4]), "class_sizes", "(2,)", "[4]"),
    (lambda: lmc.stability_threshold(2, 4, [2.0, 2.0]), "class_sizes", "integers", "[2.0, 2.0]"),
    (lambda: lmc.stability_threshold(2, 4, [4, 0]), "class_sizes", "at least 1", "[4, 0]"),
    (lambda: lmc.stability_threshold(2, 4, [2, 3]), "class_sizes", "at most the width, 4", "[2, 3]"),
    (lambda: lmc.sparsity(NET.W), "net", "TwoLayerNet", "array"),
    (lambda: lmc.sparsity(FLAT, T), "net", "d = 3", "d = 2"),
    (lambda: lmc.sparsity(NET, NET.W), "objective", "TwoLayerNet", "array"),
    (lambda: lmc.sparsity(TWO_OUTPUTS), "objective", "DataLoss", "None"),
    (lambda: lmc.sparsity(TWO_OUTPUTS, T), "objective", "DataLoss", "TwoLayerNet"),
    (lambda: lmc.sparsity(TWO_OUTPUTS, LABELLED, dead=0.1), "dead", "data", "0.1"),
    (lambda: lmc.sparsity(FLAT, LABELLED), "net", "d = 1", "d = 2"),
    (lambda: lmc.sharpness(TWO_OUTPUTS, T), "net", "TwoLayerNet", "LayeredNet"),
    (lambda: lmc.sharpness(TWO_OUTPUTS, LABELLED, samples=[[1.0]]), "samples", "teacher", "samples"),
    (lambda: lmc.sharpness(TWO_OUTPUTS, LABELLED, "sphere"), "inputs", "teacher", "'sphere'"),
    (lambda: lmc.sharpness(TWO_OUTPUTS, LABELLED.measuring("error")), "loss", "'squared' or 'cross-entropy'", "'error'"),
    (lambda: LABELLED.measuring("error").value_and_gradient(TWO_OUTPUTS), "loss", "'squared' or 'cross-entropy'", "'error'"),
    (lambda: LABELLED.hessian_product(TWO_OUTPUTS)([1.0]), "parameters", "6", "1"),
    (lambda: TWO_OUTPUTS.with_parameters([1.0, 2.0]), "parameters", "6", "2"),
    (lambda: TWO_OUTPUTS.with_parameters(np.full(6, np.nan)), "parameters", "finite", "nan"),
    (lambda: lmc.sparsity(NET, dead=0.0), "dead", "between 0 and 1", "0.0"),
    (lambda: lmc.sparsity(NET, dead=1), "dead", "between 0 and 1", "1"),
    # certified local minima
    (lambda: lmc.certify_local_minimum(FLAT, T), "net", "d = 3", "d = 2"),
    (lambda: lmc.certify_local_minimum(NET.W, T), "net", "TwoLayerNet", "an array"),
    (lambda: lmc.certify_local_minimum(NET, T.W), "teacher", "TwoLayerNet", "an array"),
    # rates and plots
    (lambda: fit(widths=[], samples=[]), "widths", "empty", "(0,)"),
    (lambda: fit(widths=[4], samples=TWO[:1]), "widths", "at least two", "1"),
    (lambda: fit(widths=[8, 4]), "widths", "increasing", "[8.0, 4.0]"),
    (lambda: fit(widths=[4, 4]), "widths", "increasing", "[4.0, 4.0]"),
    (lambda: fit(widths=[0, 4]), "widths", "positive", "[0.0, 4.0]"),
    (lambda: fit(widths=[4, np.nan]), "widths", "finite", "nan"),
    (lambda: fit(widths=[4, 8, 16]), "samples", "3", "2"),
    (lambda: fit(samples=[]), "samples", "arrays of barriers", "none"),
    (lambda: fit(samples=3.0), "samples", "arrays of barriers", ""),
    (lambda: fit(samples=[[1.0, 2.0], []]), "samples[1]", "empty", "(0,)"),
    (lambda: fit(samples=[[1.0], [1.0, 2.0]]), "samples[0]", "at least two", "1"),
    (lambda: fit(samples=[[1.0, 2.0], [1.0, -0.5]]), "samples[1]", "negative", "-0.5"),
    (lambda: fit(samples=[[1.0, np.nan], [1.0, 2.0]]), "samples[0]", "finite", "nan"),
    (lambda: fit(samples=[[1.0, 2.0], [0.0, 0.0]]), "samples[1]", "positive mean", "zeros"),
    (lambda: fit(level=95), "level", "between 0 and 1", "95"),
    (lambda: fit(level=1.0), "level", "between 0 and 1", "1.0"),
    (lambda: fit(n_resamples=10), "n_resamples", "at least 100", "10"),
    (lambda: fit(samples=THREE, pairs=[PAIRS]), "pairs", "2", "1"),
    (lambda: fit(samples=THREE, pairs=5), "pairs", "", "5"),
    (lambda: fit(samples=THREE, pairs=[PAIRS, PAIRS[:2]]), "pairs[1]", "(3, 2)", "(2, 2)"),
    (lambda: fit(samples=THREE, pairs=[PAIRS, [[0, 1], [0, 2], [1]]]), "pairs[1]", "(3, 2)", ""),
    (lambda: fit(samples=THREE, pairs=[PAIRS, np.array(PAIRS) * 1.0]), "pairs[1]", "integers", "float64"),
    (lambda: fit(samples=THREE, pairs=[PAIRS, [[0, 1], [1, 1], [1, 2]]]), "pairs[1]", "two different networks", ""),
    (lambda: fit(samples=THREE, pairs=[PAIRS, [[0, 1], [-1, 1], [1, 2]]]), "pairs[1]", "non-negative", ""),
    (lambda: fit(samples=THREE, pairs=[PAIRS, [[0, 1]] * 3]), "pairs[1]", "at least three", "2"),
    # certificates
    (lambda: lmc.certify_loss(NET.W, T), "net", "TwoLayerNet", "array"),
    (lambda: lmc.certify_loss(NET, NET.W), "teacher", "TwoLayerNet", "array"),
    (lambda: lmc.certify_loss(FLAT, T), "net", "d = 3", "d = 2"),
    (lambda: lmc.certify_loss(NET, T, digits=0), "digits", "at least 1", "0"),
    (lambda: lmc.certify_loss(NET, T, digits=3.0), "digits", "integer", "3.0"),
    (lambda: lmc.certify_gradient(FLAT, T), "net", "d = 3", "d = 2"),
    (lambda: lmc.certify_hessian(NET, T, digits="ten"), "digits", "integer", "'ten'"),
    (lambda: lmc.certify_barrier(NET, WIDE, T), "net_b", "(2, 3)", "(3, 3)"),
    (lambda: lmc.certify_barrier(FLAT, FLAT, T), "net_a", "d = 3", "d = 2"),
    (lambda: lmc.certify_barrier(NET, NET, T, [0, 0]), "permutation", "exactly once", "[0, 0]"),
    (lambda: lmc.certify_barrier(NET, NET, T, rtol=0.0), "rtol", "positive", "0.0"),
    (lambda: lmc.certify_barrier(NET, NET, T, max_cells=1), "max_cells", "at least 2", "1"),
    (lambda: lmc.certify_barrier_modulo_permutation(NET, WIDE, T), "net_b", "(2, 3)", "(3, 3)"),
    (lambda: lmc.certify_barrier_modulo_permutation(HUGE, HUGE, T), "net_a", "at most 10 neurons", "65"),
    (lambda: lmc.certify_barrier_modulo_permutation(NET, NET, T, rtol=-1.0), "rtol", "positive", "-1.0"),
    (lambda: lmc.certify_barrier_modulo_permutation(NET, NET, T, max_positions=0), "max_positions", "at least 1", "0"),
    (lambda: lmc.plotting.rate_plot([4, 8], TWO, fit=fit(widths=[4, 16], samples=THREE)), "fit", "[4.0, 8.0]", "[4.0, 16.0]"),
    (lambda: lmc.plotting.rate_plot([4, 8], TWO, fit="fit"), "fit", "RateFit", "'fit'"),
    (lambda: lmc.plotting.rate_plot([4], TWO[:1]), "widths", "at least two", "1"),
    (lambda: lmc.plotting.triangle_plot([[0.5, 0.5]] * 3, [1.0, 2.0, 3.0]), "points", "barycentric", "(3, 2)"),
    (lambda: lmc.plotting.triangle_plot(np.eye(3) + 0.1, [1.0, 2.0, 3.0]), "points", "sum to 1", ""),
    (lambda: lmc.plotting.triangle_plot(np.eye(3), [1.0, 2.0]), "values", "one a point, 3", "2"),
    (lambda: lmc.plotting.triangle_plot(np.eye(3), [1.0, 2.0, 3.0], labels="AB"), "labels", "three", "2"),
    (lambda: lmc.plotting.triangle_plot(np.eye(3), [1.0, 2.0, 3.0], n_levels=1), "n_levels", "at least 2", "1"),
    (lambda: paths({"a": [1, 2]}, {"b": [1, 2]}), "accuracies", "of the paths of losses, ['a']", "['b']"),
    (lambda: paths({}, {}), "accuracies", "of the paths of losses", "[]"),
    (lambda: paths({"a": [1, 2]}, {"a": [1, 2, 3]}), "accuracies['a']", "one value a position, 2", "3"),
    (lambda: paths({"a": [np.nan, 2]}, {"a": [1, 2]}), "losses['a']", "finite", "nan"),
    (lambda: paths({"a": [1, 2]}, {"a": [1, 2]}, axes=[None]), "axes", "two", "1"),
    # data and foreign networks
    (lambda: lmc.load_images("digit"), "source", "'digits', 'mnist'", "'digit'"),
    (lambda: lmc.load_images("digits", folder="."), "folder", "source='mnist'", "'.' with 'digits'"),
    (lambda: lmc.load_images("mnist", folder="nowhere"), "folder", "train-images-idx3-ubyte", "'nowhere'"),
    (lambda: IMAGES.objective("half"), "split", "'train', 'test'", "'half'"),
    (lambda: IMAGES.objective(loss="hinge"), "loss", "'squared'", "'hinge'"),
    (lambda: on_data(y=[0, 1]), "y", "(4,)", "(2,)"),
    (lambda: on_data(y=[0, 1, 3, 0]), "y", "each class 0 .. k - 1", "[0, 1, 3]"),
    (lambda: on_data(y=[0, 0, 0, 0]), "y", "each class", "[0]"),
    (lambda: on_data(y=[0, 1, -1, 0]), "y", "from 0 on", "-1"),
    (lambda: on_data(y=[0.0, 1.0, 2.0, np.nan]), "y", "finite", "nan"),
    (lambda: on_data(y=[0.0, 1.0, 2.0, 3.0], loss="cross-entropy"), "y", "integer class labels", "float64"),
    (lambda: on_data(loss="error"), "loss", "'cross-entropy', 'squared'", "'error'"),
    (lambda: on_data(widths=()), "widths", "at least one", "none"),
    (lambda: on_data(widths=(3, 0)), "widths[1]", "at least 1", "0"),
    (lambda: on_data(widths=(3.5,)), "widths[0]", "integer", "3.5"),
    (lambda: on_data(widths="64"), "widths", "sequence of integers", "'64'"),
    (lambda: on_data(solver="lbfgs"), "solver", "'sgd', 'momentum', 'adam'", "'lbfgs'"),
    (lambda: on_data(learning_rate=0.0), "learning_rate", "positive", "0.0"),
    (lambda: on_data(batch_size=5), "batch_size", "at most the number of inputs, 4", "5"),
    (lambda: on_data(batch_size=0), "batch_size", "at least 1", "0"),
    (lambda: on_data(max_epochs=0), "max_epochs", "at least 1", "0"),
    (lambda: on_data(n_runs=0), "n_runs", "at least 1", "0"),
    (lambda: on_data(tol=-1.0), "tol", "negative", "-1.0"),
    (lambda: on_data(patience=0), "patience", "at least 1", "0"),
    (lambda: on_data(loss_tol=np.nan), "loss_tol", "finite", "nan"),
    (lambda: on_data(alpha=-1.0), "alpha", "negative", "-1.0"),
    (lambda: lmc.save_network("net", "net.npz"), "net", "TwoLayerNet", "'net'"),
    (lambda: lmc.save_network(NET, "net.pt"), "path", ".safetensors or .npz", "'net.pt'"),
]
# fmt: on


@pytest.mark.parametrize(("call", "name", "expected", "got"), CALLS, ids=lambda value: value if isinstance(value, str) else "bad")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of a fit that only serves to be refused
def test_bad_call_is_refused_with_a_helpful_message(call, name, expected, got):
    with pytest.raises(lmc.InvalidInputError) as refusal:
        call()
    message = str(refusal.value)
    subject, _, came = message.partition(", got ")
    assert name in subject.split(" must ")[0], message
    assert expected in subject, message
    assert got in came or got in message.partition("got ")[2], message


def test_error_is_a_value_error_of_the_package():
    assert issubclass(lmc.InvalidInputError, lmc.LmcError)
    assert issubclass(lmc.InvalidInputError, ValueError)


@pytest.mark.parametrize(("name", "near"), [("wieghts", "weights"), ("activation", "activations")])
def test_near_misses_are_suggested(name, near):
    with pytest.raises(lmc.InvalidInputError, match=f"did you mean '{near}'"):
        lmc.align(NET, NET, name)
