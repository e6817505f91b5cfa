"""Property tests for code of one's own: Hypothesis strategies for networks, and checks that a loss has its symmetries.

The strategies draw degenerate cases on purpose: zero neurons, duplicate and exactly opposite neurons, a single neuron or
dimension. The checks take any callable ``loss(W, a)``:

- `W`, float64 array of shape (m, d), hidden weights, one neuron a row; `a`, float64 array of shape (m,), output weights;
- both are fresh NumPy arrays, which the loss may keep or overwrite; what PyTorch and JAX make of them is up to the loss;
- it returns one real number: a float, or anything that ``float`` accepts, such as a tensor with one element;
- the same arrays must always give the same number.

A check that fails raises an AssertionError that shows the smallest network found, the transformation, the neurons that it
changes, both values and the tolerance. Checks draw from `seed`: the same call in the same program finds the same failure. A
check called inside a ``@given`` test needs ``settings(suppress_health_check=[HealthCheck.nested_given])`` there.

Needs the extra ``testing``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError, MissingDependencyError
from lmctheory.networks import TwoLayerNet, orthonormal_teacher

try:
    from hypothesis import HealthCheck, Phase, Verbosity, find, settings
    from hypothesis import strategies as st
    from hypothesis.errors import Flaky, NoSuchExample
    from hypothesis.extra import numpy as npst
except ImportError as error:
    raise MissingDependencyError("strategies need hypothesis: pip install 'lmctheory[testing]'") from error

MAX_WIDTH = 6
MAX_DIM = 5
RTOL = 1e-8
ATOL = 1e-8  # drawn networks have terms up to 1e6 in a squared loss: rounding errors of 1e-9 where they cancel

Size: TypeAlias = int | tuple[int, int]
Loss: TypeAlias = Callable[[FloatArray, FloatArray], Any]
Case: TypeAlias = tuple[TwoLayerNet, Any]


def widths(max_width: int = MAX_WIDTH) -> st.SearchStrategy[int]:
    """Numbers of neurons from 1."""
    return st.integers(1, _checks.integer("max_width", max_width, 1))


def weights(shape: tuple[int, ...]) -> st.SearchStrategy[FloatArray]:
    """Weight arrays with entries that are 0 or of size 2^-10 to 10, so that failures shrink to simple numbers."""
    return npst.arrays(np.float64, shape, elements=_entries())


def _entries() -> st.SearchStrategy[float]:
    sizes = st.floats(2.0**-10, 10.0, allow_nan=False, width=32)
    return st.one_of(st.just(0.0), sizes, sizes.map(lambda x: -x))


def _vectors(d: int) -> st.SearchStrategy[list[float]]:
    return st.lists(_entries(), min_size=d, max_size=d)


def networks(
    width: Size | None = None, input_dim: Size | None = None, *, unit_output: bool = False
) -> st.SearchStrategy[TwoLayerNet]:
    """Networks in which a neuron may be zero, a copy of another, or exactly opposite to it.

    Parameters
    ----------
    width, input_dim : int or (int, int), optional
        The number m of neurons and the input dimension d, or the smallest and the largest; by default from 1 to
        `MAX_WIDTH` and `MAX_DIM`.
    unit_output : bool
        Whether all output weights are one; else they are drawn too, of either sign or zero.

    Raises
    ------
    InvalidInputError
        If a size is not a positive integer or an increasing pair of them.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(networks(width=3, input_dim=(1, 4)))
    ... def test_doubling_the_inputs_doubles_the_output(net):
    ...     x = np.ones((1, net.input_dim))
    ...     np.testing.assert_allclose(net(2 * x), 2 * net(x), rtol=1e-12)
    >>> test_doubling_the_inputs_doubles_the_output()
    """
    return _networks_and_shares(width, input_dim, unit_output, st.none()).map(lambda drawn: drawn[0])


def _networks_and_shares(
    width: Size | None, input_dim: Size | None, unit_output: bool, share: st.SearchStrategy[Any]
) -> st.SearchStrategy[tuple[TwoLayerNet, list[Any]]]:
    """Networks, and for each neuron its share in a transformation, drawn together: a failure then shrinks neuron by neuron."""
    (fewest, most), dims = _sizes("width", width, MAX_WIDTH), _sizes("input_dim", input_dim, MAX_DIM)
    relations = st.sampled_from(["free", "free", "free", "copy", "opposite"])
    output = st.just(1.0) if unit_output else _entries()
    neuron = st.tuples(_vectors(dims[1]), relations, st.integers(0, most - 1), output, share)
    return st.builds(_assemble, st.integers(*dims), st.lists(neuron, min_size=fewest, max_size=most))


def _assemble(d: int, neurons: list[tuple[list[float], str, int, float, Any]]) -> tuple[TwoLayerNet, list[Any]]:
    rows, _, _, a, shares = (list(column) for column in zip(*neurons, strict=True))
    W = np.array(rows)[:, -d:]  # shrinking moves what matters to the end
    for i, (_, relation, other, _, _) in enumerate(neurons):
        if i > 0 and relation != "free":
            W[i] = W[other % i] * (1.0 if relation == "copy" else -1.0)
    return TwoLayerNet(W, a), shares


@st.composite
def network_pairs(
    draw: st.DrawFn, width: Size | None = None, input_dim: Size | None = None, *, unit_output: bool = False
) -> tuple[TwoLayerNet, TwoLayerNet]:
    """Pairs of `networks` of one shape, as barriers and alignments need them."""
    first = draw(networks(width, input_dim, unit_output=unit_output))
    return first, draw(networks(first.width, first.input_dim, unit_output=unit_output))


@st.composite
def teachers(draw: st.DrawFn, input_dim: int) -> TwoLayerNet:
    """Orthonormal teachers and arbitrary ones, of the given input dimension."""
    if draw(st.booleans()):
        return orthonormal_teacher(draw(st.integers(1, input_dim)), input_dim)
    return draw(networks(input_dim=input_dim))


@st.composite
def students_and_teachers(draw: st.DrawFn, students: int = 1) -> tuple[TwoLayerNet, ...]:
    """Tuples of `students` networks of one shape, and a teacher of the same input dimension last."""
    m, d = draw(widths()), draw(st.integers(1, MAX_DIM))
    return (*(draw(networks(width=m, input_dim=d)) for _ in range(students)), draw(teachers(d)))


def permutations(width: int) -> st.SearchStrategy[IntArray]:
    """Gather indices of `width` neurons, for `TwoLayerNet.permute`; they shrink to the identity."""
    return st.permutations(range(_checks.integer("width", width, 1))).map(np.array)


def rescalings(width: int) -> st.SearchStrategy[FloatArray]:
    """Positive factors ``(m,)``: dividing a by them and multiplying the rows of W leaves the function unchanged."""
    width = _checks.integer("width", width, 1)
    return st.lists(_factors(), min_size=width, max_size=width).map(np.array)


def _factors() -> st.SearchStrategy[float]:
    return st.one_of(st.just(1.0), st.floats(0.125, 8.0, width=32))


def rotations(input_dim: int, fixing: ArrayLike | TwoLayerNet | None = None) -> st.SearchStrategy[FloatArray]:
    """Orthogonal matrices Q ``(d, d)`` of either determinant: products of up to d reflections, which shrink to the identity.

    Parameters
    ----------
    input_dim : int
        The dimension d.
    fixing : array_like of shape (k, d), or TwoLayerNet, optional
        Vectors v, or a teacher whose weights they are, that stay where they are: ``Q v = v``.

    Raises
    ------
    InvalidInputError
        If the fixed vectors have another dimension, or span the whole space: only the identity fixes them.
    """
    projection = _free_projection(_checks.integer("input_dim", input_dim, 1), fixing)
    return st.lists(_vectors(input_dim), max_size=input_dim).map(lambda normals: _reflections(normals, projection))


def _reflections(normals: list[list[float]], projection: FloatArray) -> FloatArray:
    """Return the product of the reflections along the projections of `normals`, of which the last d entries count."""
    d = len(projection)
    Q = np.eye(d)
    for entries in normals:
        normal = np.array(entries[-d:])
        free = projection @ normal
        length = np.linalg.norm(free)
        if length > 1e-6 * np.linalg.norm(normal):  # else there is nothing to reflect but rounding errors
            free = free / length
            Q = Q - 2 * np.outer(free, free @ Q)
    return Q


def _free_projection(d: int, fixing: ArrayLike | TwoLayerNet | None) -> FloatArray:
    """Return the orthogonal projection ``(d, d)`` onto the directions that a rotation may move."""
    if fixing is None:
        return np.eye(d)
    fixed = _fixed_vectors(fixing)
    _checks.same_dimension("fixing", fixed.shape[1], "the rotations", d)
    _, values, axes = np.linalg.svd(fixed)
    rank = int(np.sum(values > 1e-10 * values[0]))
    if rank == d:
        raise InvalidInputError(f"fixing must leave a direction free, got vectors that span all {d} dimensions")
    return axes[rank:].T @ axes[rank:]


def _fixed_vectors(fixing: ArrayLike | TwoLayerNet) -> FloatArray:
    return fixing.W if isinstance(fixing, TwoLayerNet) else _checks.real_array("fixing", fixing, 2)


def assert_permutation_invariant(
    loss: Loss,
    *,
    width: Size | None = None,
    input_dim: Size | None = None,
    unit_output: bool = False,
    rtol: float = RTOL,
    atol: float = ATOL,
    max_examples: int = 200,
    seed: int = 0,
) -> None:
    """Check that renumbering the neurons does not change the loss: ``loss(W[p], a[p]) = loss(W, a)`` for permutations p.

    Parameters
    ----------
    loss : callable
        ``loss(W, a) -> float``; see the top of this module.
    width, input_dim : int or (int, int), optional
        Sizes of the networks tried, or the smallest and the largest of each; by default from 1 to `MAX_WIDTH` and `MAX_DIM`. A
        range lets a failure shrink to fewer neurons.
    unit_output : bool
        Whether the networks tried have output weights one.
    rtol, atol : float
        Two values v and w are equal if ``|v - w| <= atol + rtol * max(|v|, |w|)``; NaN never is. A loss in single
        precision needs about 1e-4 for both, since weights go up to 10.
    max_examples : int
        Networks tried.
    seed : int
        Of all draws.

    Raises
    ------
    AssertionError
        If the loss changes; the message shows the smallest network found and the neurons that the permutation moves.
    InvalidInputError
        If an argument is out of its range, or the loss does not return one real number or not always the same one.

    Examples
    --------
    >>> def loss(W, a):
    ...     return np.abs(a) @ np.linalg.norm(W, axis=1)
    >>> assert_permutation_invariant(loss, width=4, input_dim=3)
    """

    def describe(net: TwoLayerNet, perm: IntArray) -> tuple[TwoLayerNet, str, list[int]]:
        text = f"permutation {perm.tolist()}: new neuron i is old neuron permutation[i]"
        return net.permute(perm), text, np.flatnonzero(perm != np.arange(len(perm))).tolist()

    ranks = st.integers(0, _sizes("width", width, MAX_WIDTH)[1] - 1)
    cases = _networks_and_shares(width, input_dim, unit_output, ranks).map(
        lambda drawn: (drawn[0], np.argsort(drawn[1], kind="stable"))
    )

    def smaller(perm: IntArray, neuron: int | None, axis: int | None) -> IntArray:
        return perm if neuron is None else np.array([p - (p > neuron) for p in perm if p != neuron])

    smallest = _sizes("width", width, MAX_WIDTH)[0], _sizes("input_dim", input_dim, MAX_DIM)[0]
    _assert_invariant("permutation of the neurons", loss, cases, describe, smaller, smallest, rtol, atol, max_examples, seed)


def assert_rescaling_invariant(
    loss: Loss,
    *,
    width: Size | None = None,
    input_dim: Size | None = None,
    unit_output: bool = False,
    rtol: float = RTOL,
    atol: float = ATOL,
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
    AssertionError: the loss is not invariant under positive rescaling of the neurons
    network:        W = [[0.0]], a = [1.0] (1 neuron, input dimension 1)
    transformation: factors [2.0]: W[i] times factor, a[i] divided by it
    changes:        neuron 0
    loss:           1.0 before, 0.25 after, 0.75 apart
    tolerance:      2e-08 = atol 1e-08 + rtol 1e-08 times 1
    """

    def describe(net: TwoLayerNet, factors: FloatArray) -> tuple[TwoLayerNet, str, list[int]]:
        text = f"factors {factors.tolist()}: W[i] times factor, a[i] divided by it"
        rescaled = TwoLayerNet(net.W * factors[:, None], net.a / factors)
        return rescaled, text, np.flatnonzero(factors != 1).tolist()

    cases = _networks_and_shares(width, input_dim, unit_output, _factors()).map(lambda drawn: (drawn[0], np.array(drawn[1])))

    def smaller(factors: FloatArray, neuron: int | None, axis: int | None) -> FloatArray:
        return factors if neuron is None else np.delete(factors, neuron)

    smallest = _sizes("width", width, MAX_WIDTH)[0], _sizes("input_dim", input_dim, MAX_DIM)[0]
    _assert_invariant(
        "positive rescaling of the neurons", loss, cases, describe, smaller, smallest, rtol, atol, max_examples, seed
    )


def assert_rotation_invariant(
    loss: Loss,
    *,
    width: Size | None = None,
    input_dim: Size | None = None,
    fixing: ArrayLike | TwoLayerNet | None = None,
    unit_output: bool = False,
    rtol: float = RTOL,
    atol: float = ATOL,
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
        _free_projection(d := _fixed_vectors(fixing).shape[1], fixing)
        if input_dim not in (None, d):
            raise InvalidInputError(f"input_dim must be that of the fixed vectors, {d}, or left out, got {input_dim!r}")
        input_dim = d

    def describe(net: TwoLayerNet, Q: FloatArray) -> tuple[TwoLayerNet, str, list[int]]:
        rotated = TwoLayerNet(net.W @ Q.T, net.a)
        return rotated, f"rotation W Q' with Q = {_numbers(Q)}", np.flatnonzero((rotated.W != net.W).any(axis=1)).tolist()

    most = _sizes("input_dim", input_dim, MAX_DIM)[1]
    cases = st.builds(
        lambda net, normals: (net, _reflections(normals, _free_projection(net.input_dim, fixing))),
        networks(width, input_dim, unit_output=unit_output),
        st.lists(_vectors(most), max_size=most),
    )

    def smaller(Q: FloatArray, neuron: int | None, axis: int | None) -> FloatArray | None:
        if axis is None:
            return Q
        return np.delete(np.delete(Q, axis, 0), axis, 1) if Q[axis, axis] == 1 else None

    smallest = _sizes("width", width, MAX_WIDTH)[0], _sizes("input_dim", input_dim, MAX_DIM)[0]
    _assert_invariant("rotation of the inputs", loss, cases, describe, smaller, smallest, rtol, atol, max_examples, seed)


def _assert_invariant(
    symmetry: str,
    loss: Loss,
    cases: st.SearchStrategy[Case],
    describe: Callable[[TwoLayerNet, Any], tuple[TwoLayerNet, str, list[int]]],
    smaller: Callable[[Any, int | None, int | None], Any],
    smallest: tuple[int, int],
    rtol: float,
    atol: float,
    max_examples: int,
    seed: int,
) -> None:
    """Search for a case (network, transformation) that changes the loss, shrink it, and say what it is.

    ``describe(net, transformation)`` returns the transformed network, a text, and the neurons that are changed;
    ``smaller(transformation, neuron, axis)`` what is left of it without that neuron or that axis, None if nothing sensible is.
    """
    if not callable(loss):
        raise InvalidInputError(f"loss must be a callable loss(W, a), got {loss!r}")
    rtol = _checks.real("rtol", rtol, non_negative=True)
    atol = _checks.real("atol", atol, non_negative=True)

    def compare(case: Case) -> tuple[float, float, float]:
        """Return the loss before and after, and the tolerance of their difference."""
        net, transformation = case
        before, after = _value(loss, net), _value(loss, describe(net, transformation)[0])
        return before, after, atol + rtol * max(abs(before), abs(after))

    def changes(case: Case) -> bool:
        before, after, tolerance = compare(case)
        return before != after and not abs(before - after) <= tolerance

    unstable = "loss must give the same value for the same network, got different ones"
    options = settings(
        max_examples=_checks.integer("max_examples", max_examples, 1),
        phases=(Phase.generate, Phase.shrink),
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        derandomize=False,  # the seed does that
        database=None,
        deadline=None,
    )
    try:
        case = find(cases, changes, settings=options, random=Random(_checks.integer("seed", seed, 0)))
    except NoSuchExample:
        return
    except Flaky:
        raise InvalidInputError(unstable) from None
    # Hypothesis shrinks numbers well but sometimes keeps a neuron that could go.
    while (smaller_case := next(filter(changes, _reductions(case, smaller, smallest)), None)) is not None:
        case = smaller_case
    net, transformation = case
    before, after, tolerance = compare(case)
    if before == before and not abs(_value(loss, net) - before) <= tolerance:
        raise InvalidInputError(unstable)
    _, text, changed = describe(net, transformation)
    finding = f"is not invariant under {symmetry}" if before == before and after == after else "is not a number"
    raise AssertionError(
        f"the loss {finding}\n"
        f"network:        W = {_numbers(net.W)}, a = {_numbers(net.a)} "
        f"({_count(net.width, 'neuron')}, input dimension {net.input_dim})\n"
        f"transformation: {text}\n"
        f"changes:        {_listed(changed)}\n"
        f"loss:           {before!r} before, {after!r} after, {abs(before - after):.4g} apart\n"
        f"tolerance:      {tolerance:.4g} = atol {atol:g} + rtol {rtol:g} times {max(abs(before), abs(after)):.4g}"
    )


def _reductions(case: Case, smaller: Callable[[Any, int | None, int | None], Any], smallest: tuple[int, int]) -> Iterator[Case]:
    """Yield the case without each neuron and without each axis, as far as sizes of at least `smallest` allow."""
    net, transformation = case
    if net.width > smallest[0]:
        for i in range(net.width):
            yield TwoLayerNet(np.delete(net.W, i, 0), np.delete(net.a, i)), smaller(transformation, i, None)
    if net.input_dim > smallest[1]:
        for j in range(net.input_dim):
            if (rest := smaller(transformation, None, j)) is not None:
                yield TwoLayerNet(np.delete(net.W, j, 1), net.a), rest


def _value(loss: Loss, net: TwoLayerNet) -> float:
    value = loss(net.W.copy(), net.a.copy())
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidInputError(f"loss must return one real number, got {value!r}") from None


def _numbers(array: FloatArray) -> str:
    """The entries in full, to be pasted into a test; 0 is not shown as -0."""
    return repr((array + 0.0).tolist())


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _listed(neurons: list[int]) -> str:
    if len(neurons) < 2:
        return f"neuron {neurons[0]}" if neurons else "no neuron"
    return f"neurons {', '.join(map(str, neurons[:-1]))} and {neurons[-1]}"


def _sizes(name: str, value: Size | None, largest: int) -> tuple[int, int]:
    """Return the smallest and the largest size that `value` asks for."""
    if value is None:
        return 1, largest
    if not isinstance(value, tuple):
        return (size := _checks.integer(name, value, 1)), size
    if len(value) != 2 or not all(isinstance(bound, int) for bound in value) or not 1 <= value[0] <= value[1]:
        raise InvalidInputError(f"{name} must be a positive integer, or the smallest and the largest of them, got {value!r}")
    return value
