"""Compare barriers with references: ``python tools/compare_barriers.py --out FILE``, by hand and outside CI.

Pairs are drawn from eleven families (`tests/pairs.py`). With ``--reference certified`` a barrier is underestimated if it is below
the lower end that `certify_barrier` proves, by more than 1e-6 of it and the rounding error that `barrier` declares; with
``--reference dense``, a hundred times as fast, if it is below the maximum on a very dense grid (`tests/dense.py`). References are
appended to FILE, one JSON object a line, so that the command may be interrupted and called again: those that FILE holds are not
computed once more, the barriers are. The exit status is 1 if anything was underestimated.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in (".", "tests")]

import pairs  # noqa: E402
from dense import dense_barrier  # noqa: E402

import lmctheory as lmc  # noqa: E402

TOLERANCE = 1e-6  # relative
SHOWN = 12  # pairs that are underestimated
Task = tuple[str, int, str]


def main() -> int:
    """Compute the references that are missing from the file, and all barriers; print the table."""
    arguments = _arguments()
    done = {_key(record): record for record in _read(arguments.out)}
    records = []
    with arguments.out.open("a") as out:
        for task in _tasks(arguments):
            pair = pairs.draw(*task[:2])
            if task not in done:
                done[task] = _reference(pair, *task)
                out.write(json.dumps(done[task]) + "\n")
                out.flush()
            records.append(done[task] | _measured(pair))
    return _report(records)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file of results, JSON lines")
    parser.add_argument("--count", type=int, default=20_000, help="pairs of all families together, default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="number of the first pair of each family, default %(default)s")
    parser.add_argument("--reference", choices=("certified", "dense"), default="certified", help="default %(default)s")
    parser.add_argument("--family", choices=pairs.FAMILIES, action="append", help="only pairs of this family")
    return parser.parse_args()


def _tasks(arguments: argparse.Namespace) -> Iterator[Task]:
    families = arguments.family or pairs.FAMILIES
    for n in range(arguments.count):
        step, k = divmod(n, len(families))
        yield families[k], arguments.seed + step, arguments.reference


def _reference(pair: pairs.Pair, family: str, seed: int, reference: str) -> dict[str, Any]:
    """Return the least that the barrier of a pair can be, with the rounding error and the position of that."""
    record: dict[str, Any] = {"family": family, "seed": seed, "reference": reference}
    started = time.perf_counter()
    if reference == "dense":
        record["least"], record["slack"], record["at"] = dense_barrier(*pair)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # the lower end is proved all the same
            proved = lmc.certify_barrier(*pair, rtol=TOLERANCE / 10)
        record |= {"least": float(proved.height.lower), "slack": 0.0, "at": proved.position, "most": float(proved.height.upper)}
    return record | {"reference seconds": time.perf_counter() - started}


def _measured(pair: pairs.Pair) -> dict[str, Any]:
    """Return the barrier of a pair, and its rounding error."""
    started = time.perf_counter()
    found = lmc.barrier(*pair)
    return {"height": found.height, "floor": found.loss_floor, "seconds": time.perf_counter() - started}


def _is_under(record: dict[str, Any]) -> bool:
    return bool(record["height"] < record["least"] * (1 - TOLERANCE) - record["floor"] - record["slack"])


def _is_over(record: dict[str, Any]) -> bool:
    return bool(record["height"] > record.get("most", float("inf")) * (1 + TOLERANCE) + record["floor"])


def _report(records: list[dict[str, Any]]) -> int:
    """Print counts by family and the first pairs that are underestimated; return the exit status."""
    heads = ("pairs", "positive", "under", "over", "barrier ms", "reference ms")
    print(f"{'family':10}" + "".join(f"{head:>14}" for head in heads))
    for family in (*dict.fromkeys(record["family"] for record in records), "all"):
        group = [record for record in records if family in (record["family"], "all")]
        counts = [len(group), sum(r["least"] > r["floor"] + r["slack"] for r in group)]
        counts += [sum(map(_is_under, group)), sum(map(_is_over, group))]
        times = [1e3 * sum(r[name] for r in group) / len(group) for name in ("seconds", "reference seconds")]
        print(f"{family:10}" + "".join(f"{count:14}" for count in counts) + "".join(f"{value:14.2f}" for value in times))
    wrong = [record for record in records if _is_under(record)]
    for r in wrong[:SHOWN]:
        print(f"  {r['family']} {r['seed']}: {r['height']!r} +/- {r['floor']:.1e}, at least {r['least']!r} near t = {r['at']!r}")
    return int(bool(wrong))


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []


def _key(record: dict[str, Any]) -> Task:
    return record["family"], record["seed"], record["reference"]


if __name__ == "__main__":
    sys.exit(main())
