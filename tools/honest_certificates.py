"""Certify honestly, verify, count what is refused: ``python tools/honest_certificates.py --out FILE``, by hand and outside CI.

Barriers of pairs of eleven families (`tests/pairs.py`) are certified, saved, and verified from the file; so are barriers modulo
permutation, of up to 6 neurons, a few of 7 and 8. A pair at which the search raises or warns counts as refused, like one whose
certificate the checker refuses. Results are appended to FILE, one JSON object a line, so that the command may be interrupted and
called again: what FILE holds is not computed once more. The exit status is 1 if anything was refused.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in (".", "tests")]

import pairs  # noqa: E402

import lmctheory as lmc  # noqa: E402

SHOWN = 12  # reasons
WIDTHS = (2, 3, 4, 5, 6, 3, 4, 5, 2, 6)
WIDE = (7, 8)
WIDE_EVERY = 50  # modulo certificates


def main() -> int:
    """Run what is missing from the file and print the table."""
    arguments = _arguments()
    done = {_key(record): record for record in _read(arguments.out)}
    records = []
    with tempfile.TemporaryDirectory() as folder, arguments.out.open("a") as out:
        for task in _tasks(arguments):
            if _key(task) not in done:
                done[_key(task)] = {**task, **_attempt(task, Path(folder) / "certificate.json")}
                out.write(json.dumps(done[_key(task)]) + "\n")
                out.flush()
            records.append(done[_key(task)])
    _report(records)
    return int(any(record["outcome"] != "verified" for record in records))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file of results, JSON lines")
    parser.add_argument("--barriers", type=int, default=5000, help="certificates of barriers, default %(default)s")
    parser.add_argument("--modulo", type=int, default=500, help="certificates modulo permutation, default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="number of the first pair of each family, default %(default)s")
    parser.add_argument("--family", choices=pairs.FAMILIES, action="append", help="only pairs of this family")
    return parser.parse_args()


def _tasks(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    families = arguments.family or pairs.FAMILIES
    for n in range(arguments.barriers):
        step, k = divmod(n, len(families))
        yield {"kind": "barrier", "family": families[k], "seed": arguments.seed + step, "width": None}
    for n in range(arguments.modulo):
        step, k = divmod(n, len(families))
        width = WIDE[n // WIDE_EVERY % len(WIDE)] if n % WIDE_EVERY == WIDE_EVERY - 1 else WIDTHS[step % len(WIDTHS)]
        yield {"kind": "modulo-permutation", "family": families[k], "seed": arguments.seed + step, "width": width}


def _attempt(task: dict[str, Any], path: Path) -> dict[str, Any]:
    """Certify, save and verify one pair; return what came of it."""
    pair = pairs.draw(task["family"], task["seed"], task["width"])
    certify = lmc.certify_barrier if task["kind"] == "barrier" else lmc.certify_barrier_modulo_permutation
    record: dict[str, Any] = {"outcome": "verified", "reason": ""}
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = certify(*pair)
        except Exception as error:
            return {**record, "outcome": "search raised", "reason": repr(error)[:300], "search": time.perf_counter() - start}
    record["search"], record["upper"] = time.perf_counter() - start, float(found.height.upper)
    if caught:
        record |= {"outcome": "search warned", "reason": str(caught[0].message)[:300]}
    found.save(path)
    start = time.perf_counter()
    try:
        lmc.verify_certificate(path)
    except Exception as error:  # also what no checker should raise
        record |= {"outcome": "checker refused", "reason": f"{record['reason']} {error!r}"[:400].strip()}
    record["check"] = time.perf_counter() - start
    return record


def _report(records: list[dict[str, Any]]) -> None:
    """Print counts by kind and family, then the reasons of the first that were refused."""
    heads = f"{'number':>6} {'positive':>8} {'raised':>6} {'warned':>6} {'refused':>7} {'search s':>9} {'check s':>9}"
    print(f"{'kind':20} {'family':10} {heads}")
    for kind in dict.fromkeys(record["kind"] for record in records):
        for family in (*dict.fromkeys(record["family"] for record in records), "all"):
            group = [r for r in records if r["kind"] == kind and family in (r["family"], "all")]
            count = Counter(r["outcome"] for r in group)
            positive = sum(r.get("upper", 0) > 0 for r in group)
            search, check = (sum(r.get(name, 0) for r in group) for name in ("search", "check"))
            print(
                f"{kind:20} {family:10} {len(group):6} {positive:8} {count['search raised']:6} {count['search warned']:6} "
                f"{count['checker refused']:7} {search:9.1f} {check:9.1f}"
            )
    refused = [r for r in records if r["outcome"] != "verified"]
    print(f"{len(refused)} of {len(records)} were not certified and verified")
    for r in refused[:SHOWN]:
        print(f"  {r['kind']} {r['family']} seed {r['seed']} width {r['width']}: {r['outcome']}: {r['reason']}")


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []


def _key(record: dict[str, Any]) -> tuple[Any, ...]:
    return record["kind"], record["family"], record["seed"], record["width"]


if __name__ == "__main__":
    sys.exit(main())
