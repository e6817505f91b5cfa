"""What was measured: cells with their results, and the samples that rules judge."""

from __future__ import annotations

import dataclasses
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory.claims.statistics import disjoint_pairs
from lmctheory.claims.stored import stored
from lmctheory.errors import InvalidInputError
from lmctheory.sweep.tables import LAYOUT, to_frame

BLOCK = "block"  # cells that differ in this parameter alone are joined


class Record(NamedTuple):
    """One cell and what was measured in it; ``record["width"]`` is a parameter, or a field of the result."""

    cell: dict[str, Any]
    result: Any

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return tuple.__getitem__(self, key)
        if key in self.cell:
            return self.cell[key]
        return field_of(self.result, key)

    def __repr__(self) -> str:
        return f"Record({self.cell}, {reprlib.repr(self.result)})"


@dataclass(frozen=True, eq=False)
class Sample:
    """What was measured in one cell, all blocks joined.

    Attributes
    ----------
    cell : dict
        Its parameters, without `block`.
    values : ndarray, shape (n,)
        Boolean values are kept as such.
    pairs : ndarray of int, shape (n, 2), or None
        The networks behind each value, numbered through all blocks; None where values are independent.
    """

    cell: dict[str, Any]
    values: Any
    pairs: IntArray | None

    @property
    def n_units(self) -> int:
        """Number of independent units: networks, or values where these are independent."""
        return len(self.values) if self.pairs is None else len(np.unique(self.pairs))

    def independent(self, rng: np.random.Generator) -> Any:
        """Return values that are independent: all, or those of pairs drawn so that no two share a network."""
        return self.values if self.pairs is None else self.values[disjoint_pairs(self.pairs, rng)]


class Measured(Sequence[Record]):
    """The data of a claim: the records of its cells, in order.

    Parameters
    ----------
    records : iterable of (cell, result)

    Examples
    --------
    >>> from lmctheory.claims import Measured
    >>> data = Measured([({"width": 8}, 0.5), ({"width": 16}, 0.25)])
    >>> [record["width"] * record.result for record in data]
    [4.0, 4.0]
    """

    def __init__(self, records: Iterable[tuple[Mapping[str, Any], Any]]) -> None:
        self._records = tuple(Record(dict(cell), result) for cell, result in records)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Measured: ...
    def __getitem__(self, index: int | slice) -> Record | Measured:
        return Measured(self._records[index]) if isinstance(index, slice) else self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)

    def __repr__(self) -> str:
        head = f"{self._records[0]!r}, ..." if self._records else ""
        return f"Measured({len(self)} cells: {head})"

    def samples(self, of: str) -> list[Sample]:
        """Return the values `of` in each cell; cells that differ in `block` alone are joined, with networks renumbered.

        `of` is a field of the result (``by_method.weights`` for one inside another); a result that is a number or an
        array is taken itself. Where the result has `pairs`, one a value, these are the networks behind the values.

        Raises
        ------
        InvalidInputError
            If a result has no such field, or a value is not a finite number.
        """
        return [self._sample([self._records[k] for k in rows], of) for rows in self._blocks()]

    def replace(self, of: str, transform: Callable[[int, Sample], Any]) -> Measured:
        """Return data in which the values `of` of the k-th sample are ``transform(k, sample)``, as many as before."""
        replaced = list(self._records)
        for k, rows in enumerate(self._blocks()):
            parts = [self._records[row] for row in rows]
            values = np.asarray(transform(k, self._sample(parts, of)))
            for row, record in zip(rows, parts, strict=True):
                n = len(_values(record, of))
                replaced[row] = Record(record.cell, _with_field(record.result, of, values[:n]))
                values = values[n:]
        return Measured(replaced)

    def columns(self) -> list[dict[str, Any]]:
        """Return one dict a cell: its parameters, and the numbers and arrays of its result by name."""
        return [record.cell | {name: value for name, value in stored(record.result).items() if name != LAYOUT} for record in self]

    def to_frame(self) -> Any:
        """Return a pandas DataFrame with one row a cell; arrays are entries.

        Raises
        ------
        MissingDependencyError
            If pandas is not installed.
        """
        return to_frame(self.columns())

    def varying(self, *without: str) -> list[str]:
        """Return the parameters that differ between cells, but for `block` and those named."""
        names = [name for record in self for name in record.cell if name not in (BLOCK, *without)]
        return [name for name in dict.fromkeys(names) if len({_hashable(record.cell.get(name)) for record in self}) > 1]

    def _blocks(self) -> list[list[int]]:
        """Rows of the records, those of one cell together."""
        found: dict[Any, list[int]] = {}
        for row, record in enumerate(self):
            found.setdefault(_hashable({k: v for k, v in record.cell.items() if k != BLOCK}), []).append(row)
        return list(found.values())

    def _sample(self, records: Sequence[Record], of: str) -> Sample:
        values = [_values(record, of) for record in records]
        pairs = [_pairs(record, len(part)) for record, part in zip(records, values, strict=True)]
        joined = None
        if len({part is None for part in pairs}) > 1:
            raise InvalidInputError(f"results must name the networks of {of}, as pairs, in all blocks of a cell or in none")
        if pairs[0] is not None:
            counts = np.cumsum([0, *(int(part.max()) + 1 for part in pairs if part is not None)])
            shifted = (part + offset for part, offset in zip(pairs, counts, strict=False) if part is not None)
            joined = np.concatenate(list(shifted))
        cell = {name: value for name, value in records[0].cell.items() if name != BLOCK}
        return Sample(cell, np.concatenate(values), joined)


def label(cell: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the named parameters of a cell as text: "width=8, d=4"."""
    return ", ".join(f"{name}={cell[name]}" for name in names if name in cell)


def field_of(result: Any, path: str) -> Any:
    """Return a field of a result, or of one inside it: ``by_method.weights``."""
    value = result
    for part in path.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif not isinstance(value, Mapping) and not part.startswith("_") and part in _fields(value):
            value = getattr(value, part)
        else:
            names = list(value) if isinstance(value, Mapping) else _fields(value)
            kind = "dict" if isinstance(value, Mapping) else type(value).__name__
            there = f"{kind} with {', '.join(names)}" if names else _checks.describe(value)
            raise InvalidInputError(f"a result must have the field {path!r} that the rule judges, got a {there}")
    return value


def _fields(value: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []


def _is_plain(result: Any) -> bool:
    return isinstance(result, (int, float, list, tuple, np.ndarray, np.generic)) and not isinstance(result, Record)


def _values(record: Record, of: str) -> Any:
    raw = np.asarray(record.result if _is_plain(record.result) else field_of(record.result, of)).reshape(-1)
    where = f"{of} of the cell {label(record.cell, list(record.cell))}"
    if raw.dtype.kind == "b" and len(raw):
        return raw
    return _checks.real_array(where, raw, 1)


def _pairs(record: Record, n: int) -> IntArray | None:
    """The networks behind the values of a record, if its result names them."""
    try:
        pairs = np.asarray(field_of(record.result, "pairs"))
    except InvalidInputError:
        return None
    return pairs.astype(np.intp) if pairs.shape == (n, 2) and pairs.dtype.kind in "iu" else None


def _with_field(result: Any, path: str, values: FloatArray) -> Any:
    if _is_plain(result):
        return values[0].item() if np.ndim(result) == 0 else values
    first, _, rest = path.partition(".")
    now = result[first] if isinstance(result, Mapping) else getattr(result, first)
    if rest:
        new: Any = _with_field(now, rest, values)
    else:
        new = values.reshape(now.shape) if isinstance(now, np.ndarray) else values[0].item() if np.ndim(now) == 0 else values
    return {**result, first: new} if isinstance(result, Mapping) else dataclasses.replace(result, **{first: new})


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(sorted((name, _hashable(part)) for name, part in value.items()))
    return (type(value).__name__, value) if not isinstance(value, (int, float)) or isinstance(value, bool) else ("number", value)
