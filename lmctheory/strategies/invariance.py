"""Checks that a loss has its symmetries, by property tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray
from lmctheory.errors import InvalidInputError
from lmctheory.networks import TwoLayerNet
from lmctheory.strategies import seeded
from lmctheory.strategies.cases import INPUTS, NEURONS, Arrays, Case, Symmetry, lengths
from lmctheory.strategies.draws import (
    MAX_DIM,
    MAX_WIDTH,
    Size,
    all_small,
    cases,
    factors,
    fixed_vectors,
    free_projection,
    sizes,
    vectors,
)
from lmctheory.strategies.reports import BrokenSymmetryError, network_report, tree_report
from lmctheory.strategies.rounding import Judge
from lmctheory.strategies.search import Search
from lmctheory.strategies.seeded import MAX_ENTRIES
from lmctheory.strategies.shrinking import dense, many_numbers, shrunk
from lmctheory.strategies.shrinking import seeded as filled_weights
from lmctheory.strategies.symmetries import Permutation, Rescaling, Rotation
from lmctheory.strategies.trees import drawn_arrays, grouped_axes, with_arrays

Loss: TypeAlias = Callable[..., Any]
Options: TypeAlias = tuple[float | None, float | None, int, int]  # rtol, atol, max_examples, seed


def assert_permutation_invariant(
    loss: Loss,
    *,
    width: Size | None = None,
    input_dim: Size | None = None,
    unit_output: bool = False,
    params: Any = None,
    axes: Mapping[str, Sequence[str | None]] | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    max_examples: int = 200,
    seed: int = 0,
) -> None:
    """Check that renumbering units does not change the loss: ``loss(W[p], a[p]) = loss(W, a)`` for permutations p of the neurons.

    With `params` and `axes`, the loss takes other parameters: axes of one name are permuted together.

    Parameters
    ----------
    loss : callable
        ``loss(W, a) -> float``; see the top of this module. With `params`, ``loss(params) -> float``.
    width, input_dim : int or (int, int), optional
        Sizes of the networks tried, or the smallest and the largest of each; by default from 1 to `MAX_WIDTH` and `MAX_DIM`. A
        range lets a failure shrink to fewer neurons. The largest width must be at least 2.
    unit_output : bool
        Whether the networks tried have output weights one.
    params : pytree, optional
        An example of what the loss takes: arrays of NumPy, JAX or PyTorch in dictionaries, lists, tuples, named tuples and
        dataclasses. Structure, shapes, types and whole numbers are those of the example, real numbers are drawn.
    axes : dict of str to tuples of (str or None), optional
        For arrays of `params`, by path such as ``"layers/0/W"``, the name of each axis: axes of one name run over the same units.
        What is None or not listed is not permuted. A name must stand for at least two axes, of one length of at least 2.
    rtol, atol : float, optional
        Two values v and w are equal if ``|v - w| <= atol + rtol * max(|v|, |w|)``; NaN never is, and infinity only to itself. By
        default, `rtol` is 1e-8, or ``8 sqrt(n) 2^-24`` if all values of the loss are single precision numbers, where n is the
        longest axis of the weights, and `atol` is `rtol` times the change of the loss per relative change of the weights; see
        the notes.
    max_examples : int
        Networks tried that the permutation changes.
    seed : int
        Of all draws.

    Raises
    ------
    AssertionError
        If the loss changes or is NaN: a `BrokenSymmetryError`, which shows the smallest failure found, the units that the
        permutation moves, both values and, for large networks and for `params`, code that repeats it.
    InvalidInputError
        If an argument is out of its range, or the loss does not return one real number or not always the same one, or returns it
        in half precision and a tolerance is not given.
    LmcError
        If fewer than `max_examples` networks could be drawn.

    Notes
    -----
    Rounding changes a correctly computed loss by no more than relative changes of the weights by a multiple of the roundoff
    would. `atol` measures that: the loss is called at weights that are changed by random relative amounts of about 1/8. So the
    tolerance follows the scale of the loss and knows of terms that cancel, and a jump of the loss adds only ``8 rtol`` times
    its size to it.

    Examples
    --------
    >>> def loss(W, a):
    ...     return np.abs(a) @ np.linalg.norm(W, axis=1)
    >>> assert_permutation_invariant(loss, width=4, input_dim=3)
    >>> def with_biases(p):
    ...     return np.sum(np.maximum(p["W"] @ np.ones(2) + p["b"], 0) ** 2)
    >>> example = {"W": np.zeros((5, 2)), "b": np.zeros(5)}
    >>> assert_permutation_invariant(with_biases, params=example, axes={"W": ("hidden", None), "b": ("hidden",)})
    """
    options = rtol, atol, max_examples, seed
    if params is not None or axes is not None:
        if width is not None or input_dim is not None or unit_output:
            raise InvalidInputError("width, input_dim and unit_output must be left out where params and axes are given")
        if params is None or axes is None:
            raise InvalidInputError(f"params and axes must be given together, got {'axes' if params is None else 'params'} alone")
        _tree_check(loss, params, axes, options)
        return
    if (most := sizes("width", width, MAX_WIDTH)[1]) < 2:
        raise InvalidInputError(f"width must be at least 2, or reach it, for a permutation to change the network, got {width!r}")
    drawn = cases(
        width,
        input_dim,
        unit_output,
        st.integers(0, 4 * most),  # with few ties, which leave neurons where they are
        lambda ranks: {NEURONS: np.array(ranks)},
        lambda m, d: seeded.permutations(m, 1).map(lambda order: {NEURONS: np.argsort(order)}),
    )
    _network_check(loss, Permutation(), drawn, (width, input_dim), options)


def assert_rescaling_invariant(
    loss: Loss,
    *,
    width: Size | None = None,
    input_dim: Size | None = None,
    unit_output: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
    max_examples: int = 200,
    seed: int = 0,
) -> None:
    """Check that ``loss(s W, a / s) = loss(W, a)`` for positive factors s, one a neuron: relu(s z) = s relu(z).

    Losses of the network's function have this symmetry; a norm of the weights in the loss breaks it. Parameters and errors as for
    `assert_permutation_invariant`; `unit_output` concerns the networks before they are rescaled.

    Examples
    --------
    >>> def decay(W, a):
    ...     return np.sum(W**2) + np.sum(a**2)
    >>> assert_rescaling_invariant(decay, input_dim=1)
    Traceback (most recent call last):
        ...
    lmctheory.strategies.reports.BrokenSymmetryError: the loss is not invariant under positive rescaling of the neurons
    network:        W = [[0.0]], a = [1.0] (1 neuron, input dimension 1)
    transformation: factors [2.0]: W[i] times factor, a[i] divided by it
    changes:        neuron 0
    loss:           1.0 before, 0.25 after, 0.75 apart
    tolerance:      3.576e-08 = atol 2.576e-08 + rtol 1e-08 times 1
    """
    drawn = cases(
        width,
        input_dim,
        unit_output,
        factors(),
        lambda scales: {"factors": np.array(scales)},
        lambda m, d: seeded.factors(m, factors(), 1).map(lambda scales: {"factors": scales}),
    )
    _network_check(loss, Rescaling(), drawn, (width, input_dim), (rtol, atol, max_examples, seed))


def assert_rotation_invariant(
    loss: Loss,
    *,
    width: Size | None = None,
    input_dim: Size | None = None,
    fixing: ArrayLike | TwoLayerNet | None = None,
    unit_output: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
    max_examples: int = 200,
    seed: int = 0,
) -> None:
    """Check that ``loss(W Q', a) = loss(W, a)`` for orthogonal Q, reflections included.

    What is rotated is the student. A loss that prefers no direction of the inputs must not notice; a loss against a teacher
    must not notice rotations that leave the teacher's weights where they are, and `fixing` restricts the check to those. To
    rotate student and teacher together, see the notes.

    Parameters
    ----------
    fixing : array_like of shape (k, d), or TwoLayerNet, optional
        Vectors v with ``Q v = v``; of a network its hidden weights. They set the input dimension and must leave a direction
        free.
    loss, width, input_dim, unit_output, rtol, atol, max_examples, seed
        As for `assert_permutation_invariant`, and so are the errors.

    Notes
    -----
    For ``loss(W, a, V, b)``, student against a teacher of M neurons, pass ``lambda X, c: loss(X[M:], c[M:], X[:M], c[:M])`` with
    a width of more than M: the first M rows are then a teacher, drawn and rotated with the student.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(2, 4)
    >>> def loss(W, a):
    ...     return lmc.population_loss(lmc.TwoLayerNet(W, a), teacher)
    >>> assert_rotation_invariant(loss, width=3, fixing=teacher)
    """
    if fixing is not None:
        d = fixed_vectors(fixing).shape[1]
        if input_dim not in (None, d):
            raise InvalidInputError(f"input_dim must be that of the fixed vectors, {d}, or left out, got {input_dim!r}")
        input_dim = d
    most = sizes("input_dim", input_dim, MAX_DIM)[1]
    drawn = cases(width, input_dim, unit_output, st.none(), lambda _: {}, lambda m, d: st.just({}))
    if all_small(sizes("width", width, MAX_WIDTH), (1, most)) and most**2 <= MAX_ENTRIES:
        drawn = st.builds(_with_normals, drawn, st.lists(vectors(most), max_size=most).map(np.array))
    else:
        drawn = drawn.flatmap(
            lambda case: seeded.normals(case.weights["W"].shape[1], 1).map(lambda rows: _with_normals(case, rows))
        )
    symmetry = Rotation(None if fixing is None else free_projection(most, fixing))
    _network_check(loss, symmetry, drawn, (width, input_dim), (rtol, atol, max_examples, seed))


def _with_normals(case: Case, rows: FloatArray) -> Case:
    d = case.weights["W"].shape[1]
    return Case(case.weights, {"normals": rows.reshape(len(rows), -1)[:, -d:] if len(rows) else np.zeros((0, d))})


def _network_check(
    loss: Loss,
    symmetry: Permutation | Rescaling | Rotation,
    drawn: st.SearchStrategy[Case],
    asked: tuple[Size | None, Size | None],
    options: Options,
) -> None:
    """Check a loss of two-layer networks of the sizes that were asked for."""
    widths, dims = sizes("width", asked[0], MAX_WIDTH), sizes("input_dim", asked[1], MAX_DIM)

    def arguments(weights: Arrays) -> tuple[Any, ...]:
        return tuple(np.array(weights[name], dtype=np.float64) for name in ("W", "a"))

    least = {NEURONS: widths[0], INPUTS: dims[0]}
    _assert_holds(loss, "loss(W, a)", symmetry, drawn, arguments, least, network_report, all_small(widths, dims), options)


def _tree_check(loss: Loss, params: Any, axes: Any, options: Options) -> None:
    """Check a loss of parameters in a tree."""
    example = drawn_arrays(params)
    named = grouped_axes(example, axes)
    labels = {path: tuple(name or f"{path}, axis {k}" for k, name in enumerate(names)) for path, names in named.items()}
    sizes = lengths(example, labels)
    groups = tuple(dict.fromkeys(name for names in named.values() for name in names if name is not None))
    real = {path: axes for path, axes in labels.items() if example[path].dtype.kind == "f"}

    def case(weights: Arrays, orders: tuple[Any, ...]) -> Case:
        whole = {path: weights[path].astype(array.dtype) if path in real else array for path, array in example.items()}
        return Case(whole, {group: np.argsort(order) for group, order in zip(groups, orders, strict=True)})

    fewest = 1 if len(groups) == 1 else 0
    orders = st.tuples(*(seeded.permutations(sizes[group], fewest) for group in groups))
    drawn = st.builds(case, seeded.arrays(sizes, real, groups), orders)
    which = f"group {groups[0]!r}" if len(groups) == 1 else f"groups {', '.join(map(repr, groups))}"
    symmetry = Permutation(f"permutation of the units of {which}", labels, groups)
    _assert_holds(
        loss, "loss(params)", symmetry, drawn, lambda weights: (with_arrays(params, weights),), {}, tree_report, False, options
    )


def _assert_holds(
    loss: Loss,
    signature: str,
    symmetry: Symmetry,
    drawn: st.SearchStrategy[Case],
    arguments: Callable[[Arrays], tuple[Any, ...]],
    least: Mapping[str, int],
    report: Callable[..., str],
    minimal: bool,
    options: Options,
) -> None:
    """Search for a case that changes the loss, shrink it, and say what it is.

    `arguments` are those that the loss takes, made from weights; `least` the smallest lengths of what may be shortened.
    """
    rtol, atol, max_examples, seed = options
    if not callable(loss):
        raise InvalidInputError(f"loss must be a callable {signature}, got {loss!r}")
    rtol = None if rtol is None else _checks.real("rtol", rtol, non_negative=True)
    atol = None if atol is None else _checks.real("atol", atol, non_negative=True)
    max_examples, seed = _checks.integer("max_examples", max_examples, 1), _checks.integer("seed", seed, 0)
    search = Search(drawn, symmetry, Judge(lambda weights: loss(*arguments(weights)), rtol, atol), max_examples, seed, minimal)
    case = search.failure()
    if case is None:
        return
    search.stable(case)
    case, weights_seed = shrunk(case, search.fails, symmetry, least), None
    if many_numbers(case) and (filled := dense(case, search.fails, symmetry)) is not None:
        case, weights_seed = filled
    search.stable(case)
    after = symmetry.transform(case)
    search.judge.value(filled_weights(case.weights, seed=0))  # simple numbers look like any precision, these do not
    found = search.compare(case, complete=True)
    raise BrokenSymmetryError(report(symmetry, case, found, weights_seed), arguments(case.weights), arguments(after), found)
