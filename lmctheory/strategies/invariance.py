"""Checks that a loss has its symmetries, by property tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeAlias

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, find, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, NoSuchExample
from numpy.typing import ArrayLike

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.errors import InvalidInputError
from lmctheory.networks import TwoLayerNet
from lmctheory.strategies.draws import (
    MAX_DIM,
    MAX_WIDTH,
    Size,
    factors,
    fixed_vectors,
    free_projection,
    networks,
    networks_and_shares,
    reflections,
    sizes,
    vectors,
)

RTOL = 1e-8
ATOL = 1e-8  # drawn networks have terms up to 1e6 in a squared loss: rounding errors of 1e-9 where they cancel

Loss: TypeAlias = Callable[[FloatArray, FloatArray], Any]
Case: TypeAlias = tuple[TwoLayerNet, Any]


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

    ranks = st.integers(0, sizes("width", width, MAX_WIDTH)[1] - 1)
    cases = networks_and_shares(width, input_dim, unit_output, ranks).map(
        lambda drawn: (drawn[0], np.argsort(drawn[1], kind="stable"))
    )

    def smaller(perm: IntArray, neuron: int | None, axis: int | None) -> IntArray:
        return perm if neuron is None else np.array([p - (p > neuron) for p in perm if p != neuron])

    _assert_holds(
        "permutation of the neurons", loss, cases, describe, smaller, (width, input_dim), rtol, atol, max_examples, seed
    )


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

    def describe(net: TwoLayerNet, scales: FloatArray) -> tuple[TwoLayerNet, str, list[int]]:
        text = f"factors {scales.tolist()}: W[i] times factor, a[i] divided by it"
        rescaled = TwoLayerNet(net.W * scales[:, None], net.a / scales)
        return rescaled, text, np.flatnonzero(scales != 1).tolist()

    cases = networks_and_shares(width, input_dim, unit_output, factors()).map(lambda drawn: (drawn[0], np.array(drawn[1])))

    def smaller(scales: FloatArray, neuron: int | None, axis: int | None) -> FloatArray:
        return scales if neuron is None else np.delete(scales, neuron)

    _assert_holds(
        "positive rescaling of the neurons", loss, cases, describe, smaller, (width, input_dim), rtol, atol, max_examples, seed
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
        free_projection(d := fixed_vectors(fixing).shape[1], fixing)
        if input_dim not in (None, d):
            raise InvalidInputError(f"input_dim must be that of the fixed vectors, {d}, or left out, got {input_dim!r}")
        input_dim = d

    def describe(net: TwoLayerNet, Q: FloatArray) -> tuple[TwoLayerNet, str, list[int]]:
        rotated = TwoLayerNet(net.W @ Q.T, net.a)
        return rotated, f"rotation W Q' with Q = {_numbers(Q)}", np.flatnonzero((rotated.W != net.W).any(axis=1)).tolist()

    most = sizes("input_dim", input_dim, MAX_DIM)[1]
    cases = st.builds(
        lambda net, normals: (net, reflections(normals, free_projection(net.input_dim, fixing))),
        networks(width, input_dim, unit_output=unit_output),
        st.lists(vectors(most), max_size=most),
    )

    def smaller(Q: FloatArray, neuron: int | None, axis: int | None) -> FloatArray | None:
        if axis is None:
            return Q
        return np.delete(np.delete(Q, axis, 0), axis, 1) if Q[axis, axis] == 1 else None

    _assert_holds("rotation of the inputs", loss, cases, describe, smaller, (width, input_dim), rtol, atol, max_examples, seed)


def _assert_holds(
    symmetry: str,
    loss: Loss,
    cases: st.SearchStrategy[Case],
    describe: Callable[[TwoLayerNet, Any], tuple[TwoLayerNet, str, list[int]]],
    smaller: Callable[[Any, int | None, int | None], Any],
    asked: tuple[Size | None, Size | None],
    rtol: float,
    atol: float,
    max_examples: int,
    seed: int,
) -> None:
    """Search for a case (network, transformation) that changes the loss, shrink it, and say what it is.

    ``describe(net, transformation)`` returns the transformed network, a text, and the neurons that are changed;
    ``smaller(transformation, neuron, axis)`` what is left of it without that neuron or that axis, None if nothing sensible is;
    `asked` are the sizes that the user asked for.
    """
    if not callable(loss):
        raise InvalidInputError(f"loss must be a callable loss(W, a), got {loss!r}")
    smallest = sizes("width", asked[0], MAX_WIDTH)[0], sizes("input_dim", asked[1], MAX_DIM)[0]
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
