"""Make a failing case small: fewer moves, fewer units, zeros, then simple numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from lmctheory._checks import FloatArray
from lmctheory.strategies.cases import Arrays, Case, Symmetry, cleared, deleted, lengths, size

MAX_CALLS = 1500  # of the comparison, in all
FEW = 64  # entries that are looked at one by one

Fails = Callable[[Case], bool]


def shrunk(case: Case, fails: Fails, symmetry: Symmetry, least: Mapping[str, int]) -> Case:
    """Return a case that fails, too, and is as simple as could be found.

    `least` are the smallest lengths of the labels that may be shortened. The search is greedy: it takes a simpler case wherever
    that fails.
    """
    calls = 0

    def still_fails(candidate: Case) -> bool:
        nonlocal calls
        calls += 1
        return calls <= MAX_CALLS and fails(candidate)

    for _ in range(4):
        before = calls, case
        case = _fewer_moves(case, still_fails, symmetry)
        case = _fewer_units(case, still_fails, symmetry, least)
        case = _more_zeros(case, still_fails, symmetry)
        case = _simple_numbers(case, still_fails, symmetry)
        if case is before[1] or calls > MAX_CALLS:
            break
    return case


def _fewer_moves(case: Case, fails: Fails, symmetry: Symmetry) -> Case:
    """Halve the transformation as long as one half of it changes the loss."""
    while True:
        for pair in symmetry.steps(case):
            found = next(filter(fails, pair), None)
            if found is not None:
                case = found
                break
        else:
            return case


def _fewer_units(case: Case, fails: Fails, symmetry: Symmetry, least: Mapping[str, int]) -> Case:
    for label, minimum in least.items():
        length = lengths(case.weights, symmetry.labels)[label]

        def without(case: Case, indices: list[int], label: str = label, minimum: int = minimum) -> Case | None:
            if lengths(case.weights, symmetry.labels)[label] - len(indices) < minimum:
                return None
            return Case(
                deleted(case.weights, symmetry.labels, label, indices), deleted(case.moves, symmetry.move_labels, label, indices)
            )

        if length > minimum:
            case = _removed(case, list(range(length)), without, fails, shifting=True)
    return case


def _more_zeros(case: Case, fails: Fails, symmetry: Symmetry) -> Case:
    """Put zeros into all that belongs to one unit, then into one array's units, then entry by entry."""
    for label, length in lengths(case.weights, symmetry.labels).items():

        def clear(case: Case, indices: list[int], label: str = label) -> Case | None:
            weights = cleared(case.weights, symmetry.labels, label, indices, 0.0)
            moves = case.moves
            if symmetry.neutral is not None:
                moves = cleared(moves, symmetry.move_labels, label, indices, symmetry.neutral)
            return Case(weights, moves)

        case = _removed(case, list(range(length)), clear, fails)
    for part, labels in enumerate((symmetry.labels, symmetry.move_labels)):
        neutral = 0.0 if part == 0 else symmetry.neutral
        if neutral is None:
            continue
        for name, array in case[part].items():
            for label in dict.fromkeys(labels[name]):

                def clear_one(case: Case, indices: list[int], name: str = name, label: str = label) -> Case | None:
                    edited = cleared({name: case[part][name]}, labels, label, indices, neutral)  # noqa: B023
                    return _replaced(case, part, name, edited[name])  # noqa: B023

                case = _removed(case, list(range(lengths({name: array}, labels)[label])), clear_one, fails)
            entries = np.flatnonzero(case[part][name] != neutral).tolist()
            if array.dtype.kind == "f" and len(entries) <= FEW:

                def clear_entry(case: Case, indices: list[int], name: str = name) -> Case | None:
                    edited = case[part][name].copy()  # noqa: B023
                    edited.flat[indices] = neutral  # noqa: B023
                    return _replaced(case, part, name, edited)  # noqa: B023

                case = _removed(case, entries, clear_entry, fails)
    return case


def _simple_numbers(case: Case, fails: Fails, symmetry: Symmetry) -> Case:
    """Round all numbers that are left, then make them one or a whole number, one by one where they are few."""
    for part, neutral in ((0, 0.0), (1, symmetry.neutral)):
        if neutral is None:
            continue
        for name, array in case[part].items():
            if array.dtype.kind != "f":
                continue
            for simple in _simplified(array, neutral):
                if not np.array_equal(simple, array) and fails(candidate := _replaced(case, part, name, simple)):
                    case = candidate
                    break
            entries = np.flatnonzero(case[part][name] != neutral)
            for k in entries if len(entries) <= FEW else ():
                value = float(case[part][name].flat[k])
                for number in _simpler(value, neutral):
                    edited = case[part][name].copy()
                    edited.flat[k] = number
                    if fails(candidate := _replaced(case, part, name, edited)):
                        case = candidate
                        break
    return case


def _simplified(array: FloatArray, neutral: float) -> Iterator[FloatArray]:
    apart = array != neutral
    yield np.where(apart, neutral + 1.0, array)
    if neutral == 0:
        yield np.sign(array)
    for digits in (0, 1, 2):
        rounded = np.round(array, digits)
        if neutral == 0 or (rounded > 0).all():
            yield rounded


def _simpler(value: float, neutral: float) -> Iterator[float]:
    """Yield simpler numbers than `value`, the simplest first."""
    candidates = [neutral + 1.0, 2.0]
    if neutral == 0:
        candidates += [-1.0, -2.0]
    candidates += [float(np.round(value, digits)) for digits in (0, 1, 2)]
    for candidate in dict.fromkeys(candidates):
        if candidate == value:
            return
        if candidate != neutral and (neutral == 0 or candidate > 0):
            yield candidate


def _removed(
    case: Case, items: list[int], remove: Callable[[Case, list[int]], Case | None], fails: Fails, shifting: bool = False
) -> Case:
    """Remove as many items as the failure can do without, in ever smaller runs; `shifting` if the later ones then move up.

    If no eighth of many items can go, the failure is taken to need them all.
    """
    chunk = len(items)
    while chunk >= 1 and items:
        start, removed = 0, False
        while start < len(items):
            run = items[start : start + chunk]
            candidate = remove(case, run)
            if candidate is not None and _differs(candidate, case) and fails(candidate):
                case, removed = candidate, True
                items = items[:start] + ([k - len(run) for k in items[start + chunk :]] if shifting else items[start + chunk :])
            else:
                start += chunk
        if not removed and len(items) > FEW and chunk * 8 <= len(items):
            break
        chunk = chunk // 2 if chunk > 1 else 0
    return case


def _differs(first: Case, second: Case) -> bool:
    return any(
        one.shape != other.shape or not np.array_equal(one, other)
        for arrays, others in zip(first, second, strict=True)
        for one, other in zip(arrays.values(), others.values(), strict=True)
    )


def _replaced(case: Case, part: int, name: str, array: FloatArray) -> Case:
    edited: Arrays = {**case[part], name: array}
    return Case(edited, case.moves) if part == 0 else Case(case.weights, edited)


def dense(case: Case, fails: Fails, symmetry: Symmetry) -> tuple[Case, int] | None:
    """Return a failing case with the same moves and weights that a seed stands for, and the seed, if one is found."""
    for seed in range(5):
        candidate = Case(seeded(case.weights, seed), case.moves)
        if fails(candidate):
            return candidate, seed
    return None


def seeded(weights: Arrays, seed: int) -> Arrays:
    """Return weights of these shapes from a seed, in the order of their names; whole numbers stay as they are."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=array.shape).astype(array.dtype) if array.dtype.kind == "f" else array
        for name, array in weights.items()
    }


def many_numbers(case: Case) -> bool:
    return size(case.weights) > FEW and sum(int(np.count_nonzero(array)) for array in case.weights.values()) > FEW
