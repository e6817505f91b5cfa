"""Forge certificates and count which are accepted: ``python tools/forge_certificates.py --out FILE``, by hand and outside CI.

Honest certificates of every kind are changed in one or two fields (`tests/forgery.py`), given a right digest, and handed to
`verify_certificate`. Whether what they state is true is decided without the library (`tests/judging.py`); what is undecided does
not count. No false statement may be accepted. Results are appended to FILE, one JSON object a line, so that the command may be
interrupted and called again. The exit status is 1 if a false statement was accepted, or less than a third are false.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in (".", "tests")]

import honest  # noqa: E402
import numpy as np  # noqa: E402
from forgery import forge  # noqa: E402
from judging import Judge  # noqa: E402

import lmctheory as lmc  # noqa: E402

BASE_SEED = 16
RARE = 500  # one in so many is the spurious minimum of eight neurons, which takes seconds to judge
TRUTHS = {True: "true", False: "false", None: "undecided"}


def main() -> int:
    """Forge what is missing from the file and print the table."""
    arguments = _arguments()
    done = {(record["seed"], record["number"]): record for record in _read(arguments.out)}
    missing = [n for n in range(arguments.count) if (arguments.seed, n) not in done]
    if missing:
        start, bases, spurious, judge = time.perf_counter(), honest.bases(arguments.per_family), honest.spurious(), Judge()
        print(f"{len(bases) + 1} honest certificates and planted forgeries in {time.perf_counter() - start:.0f} s", flush=True)
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, arguments.out.open("a") as out:
            for n in missing:
                base = spurious if n % RARE == RARE - 1 else bases[n % len(bases)]
                record = attempt(base, arguments.seed, n, judge, Path(folder) / "forged.json")
                done[arguments.seed, n] = record
                out.write(json.dumps(record) + "\n")
                out.flush()
        print(f"{len(missing) / (time.perf_counter() - start):.1f} forged certificates a second")
    return _report([done[arguments.seed, n] for n in range(arguments.count)])


def attempt(base: honest.Base, seed: int, number: int, judge: Judge, path: Path) -> dict[str, Any]:
    """Forge certificate `number` from an honest one, have it verified and judged; what is accepted though false is kept whole."""
    rng = np.random.default_rng([BASE_SEED, seed, number])
    body, field = forge(base, rng, judge)
    path.write_text(json.dumps(honest.with_digest(body)))
    start = time.perf_counter()
    try:
        lmc.verify_certificate(path)
        accepted, reason = True, ""
    except lmc.CertificateError as error:
        accepted, reason = False, str(error)[:200]
    except Exception as error:  # what no checker should raise
        accepted, reason = False, f"RAISED {error!r}"[:300]
    check, start = time.perf_counter() - start, time.perf_counter()
    truth = TRUTHS[judge.is_true(body)]
    record = {
        "seed": seed, "number": number, "kind": body["kind"], "base": base.name, "field": field, "truth": truth,
        "accepted": accepted, "reason": reason, "check": round(check, 4), "judging": round(time.perf_counter() - start, 4),
    }  # fmt: skip
    return {**record, "body": body} if accepted and truth == "false" else record


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="file of results, JSON lines")
    parser.add_argument("--count", type=int, default=20000, help="forged certificates, default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument(
        "--per-family", type=int, default=2, help="honest certificates of each family of pairs, default %(default)s"
    )
    return parser.parse_args()


def _report(records: list[dict[str, Any]]) -> int:
    """Print counts by kind, and by kind and field; return the exit status."""
    print(f"{'kind':18} {'field':26} {'forged':>7} {'false':>6} {'accepted':>8} {'true':>6} {'accepted':>8} {'undecided':>9}")
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in records:
        fields = {part.split(":")[0] for part in record["field"].split(" + ")}
        for name in ("all", *sorted(fields)):
            groups.setdefault((record["kind"], name), []).append(record)
    for (kind, name), group in [*sorted(groups.items()), (("all", "all"), records)]:
        count = Counter((r["truth"], r["accepted"]) for r in group)
        false, true = ((count[truth, False] + count[truth, True], count[truth, True]) for truth in ("false", "true"))
        undecided = len(group) - false[0] - true[0]
        print(f"{kind:18} {name:26} {len(group):7} {false[0]:6} {false[1]:8} {true[0]:6} {true[1]:8} {undecided:9}")
    accepted = [r for r in records if r["truth"] == "false" and r["accepted"]]
    raised = [r for r in records if r["reason"].startswith("RAISED")]
    share = sum(r["truth"] == "false" for r in records) / len(records)
    print(
        f"{len(accepted)} false statements accepted, {len(raised)} other errors raised; {share:.0%} of all state something false"
    )
    for r in [*accepted, *raised][:20]:
        print(f"  number {r['number']}: {r['base']}: {r['field']} {r['reason']}")
    return int(bool(accepted or raised) or share < 1 / 3)


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
