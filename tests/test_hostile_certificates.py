"""Certificate files are untrusted input: whatever is in them, they are refused with one clear error, soon,
and in little room."""

import copy
import hashlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("flint")

import lmctheory as lmc
from lmctheory import cli
from lmctheory.errors import CertificateError, InvalidInputError

LINE = lmc.TwoLayerNet([[1.0], [-1.0]])
NET = lmc.TwoLayerNet([[0.5], [-1.25]], [2.0, 0.5])
OTHER = lmc.TwoLayerNet([[-0.75], [1.5]], [1.0, -1.0])
KINDS = ("loss", "gradient", "hessian", "barrier", "modulo-permutation", "local-minimum")
FLOATS = ("W", "a", "position", "cells", "rtol", "positions", "radius", "distance", "curvature", "moved")
LONG = "9" * 10**5

REPLACEMENTS = {
    "true": True, "false": False, "null": None, "0": 0, "1": 1, "-1": -1, "2**60": 2**60, "1.5": 1.5, "x": "x",
    "empty text": "", "[]": [], "{}": {}, "[[]]": [[]], "long text": LONG, "text of a number": "1e3",
    "nested": [[[[[["0x1.8p+0"]]]]]],
}  # fmt: skip
NO_FLOATS = [
    "1e30000000", "0x1p999999999", "0x1.0p+999999999", "0x1.0p-999999999", "0x1.0p+1024", "0x1.8p-1074", " 0x1.8p+1",
    "0x1.8p+1 ", "0x1.8p+1\n", "0x1_0.8p+1", "0x1.8p+٣", "0x١.8p+1", "nan", "inf", "-inf", "Infinity", "0.5", "1/2", "1",
    "--0x1.8p+1", "0x", "0x1.00000000000000001p+0", "0x1.8p+1\x00", "½", "0x" + "f" * 10**5 + "p+0",
    "0x1." + "0" * 10**5 + "p+0", "0x1.8p+" + LONG,
]  # fmt: skip
NO_FRACTIONS = [
    "1e30000000", "1e5", "0x1.8p+1", "1/0", "0/0", " 1", "1 ", "1\n", "1_0", "1/1_0", "٣", "١/٣", "+1", "--1", "1/-2", "nan",
    "inf", "0.5", "1/2/3", "/2", "1/", "-", "1 /2", "½", "1j", "1\x00", LONG, "1/" + LONG, "-" + LONG + "/7",
]  # fmt: skip


@cache
def _honest(kind):
    """Return the document of a small honest certificate, as text."""
    makers = {
        "loss": lambda: lmc.certify_loss(NET, LINE, digits=5),
        "gradient": lambda: lmc.certify_gradient(NET, LINE, digits=5),
        "hessian": lambda: lmc.certify_hessian(NET, LINE, digits=5),
        "barrier": lambda: lmc.certify_barrier(NET, OTHER, LINE),
        "modulo-permutation": lambda: lmc.certify_barrier_modulo_permutation(NET, NET.permute([1, 0]), LINE),
        "local-minimum": lambda: lmc.certify_local_minimum(lmc.TwoLayerNet([[1.0]]), LINE),
    }
    return json.dumps(makers[kind]().document())


def honest(kind):
    """Return the document without digest; its parts may be changed."""
    return {key: value for key, value in json.loads(_honest(kind)).items() if key != "digest"}


def with_digest(body):
    """Return the text of a file whose digest is right."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return json.dumps({**body, "digest": hashlib.sha256(text.encode()).hexdigest()})


def places(value, path=()):
    """Yield one path to every field, container and leaf of the document; of arrays, to the first and the last entry."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    entries = list(entries)
    for key, inner in entries if isinstance(value, dict) else dict([*entries[:1], *entries[-1:]]).items():
        yield (*path, key)
        yield from places(inner, (*path, key))


def replaced(body, path, value):
    """Return a copy of the document with another value at the path."""
    changed = copy.deepcopy(body)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed


def at(body, path):
    """Return the value at the path."""
    for key in path:
        body = body[key]
    return body


def refused(path, content):
    """Write the file; the checker and the reader must refuse it, with a message of one short line."""
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content, encoding="utf-8")
    for read in (lmc.verify_certificate, lmc.load_certificate):
        with pytest.raises(CertificateError) as caught:
            read(path)
        message = str(caught.value)
        assert "\n" not in message
        assert 0 < len(message) < 400


@pytest.mark.parametrize("kind", KINDS)
def test_the_honest_documents_are_accepted(tmp_path, kind):
    """Else nothing below would show anything."""
    path = tmp_path / "honest.json"
    path.write_text(with_digest(honest(kind)))
    lmc.verify_certificate(path)
    assert lmc.load_certificate(path).kind == kind


@pytest.mark.parametrize("replacement", REPLACEMENTS)
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_types_are_refused_in_every_field(tmp_path, kind, replacement):
    body, value = honest(kind), REPLACEMENTS[replacement]
    tried = 0
    for path in places(body):
        old = at(body, path)
        if type(old) is type(value) and not isinstance(value, str | list | dict):
            continue  # another value of the right type
        if isinstance(value, list | dict) and (old == value or (path[-1] == "positions" and value == [])):
            continue
        refused(tmp_path / "forged.json", with_digest(replaced(body, path, value)))
        tried += 1
    assert tried > 5


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_unknown_names_are_refused(tmp_path, kind):
    body = honest(kind)
    objects = [(), *(path for path in places(body) if isinstance(at(body, path), dict))]
    for path in objects:
        for name in at(body, path):
            changed = copy.deepcopy(body)
            del at(changed, path)[name]
            refused(tmp_path / "forged.json", with_digest(changed))
        for name in ("extra", "", "W ", "Kind", "digest\u200b", "x" * 10**5):
            changed = copy.deepcopy(body)
            at(changed, path)[name] = "0x1.0p+0"
            refused(tmp_path / "forged.json", with_digest(changed))


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_names_are_refused(tmp_path, kind):
    """Which of them counts is not said by the digest."""
    body, names = json.loads(_honest(kind)), set()
    for path in places(body):
        if isinstance(path[-1], int) or path[-1] in names:
            continue
        names.add(path[-1])
        text, name = _honest(kind), json.dumps(path[-1]) + ": "
        start = text.index(name)
        for value in ('"0x1.0p+10", ', "null, ", json.dumps(at(body, path)) + ", "):
            refused(tmp_path / "forged.json", text[:start] + name + value + text[start:])
    assert {"kind", "digest", "version"} <= names


@pytest.mark.parametrize("kind", KINDS)
def test_texts_that_are_no_numbers_are_refused(tmp_path, kind):
    body = honest(kind)
    tried = 0
    for path in places(body):
        if not isinstance(at(body, path), str) or path[0] in ("format", "kind"):
            continue
        enclosure = kind in ("gradient",) and path[0] in ("W", "a")
        is_float = not enclosure and any(key in FLOATS for key in path)
        for text in NO_FLOATS if is_float else NO_FRACTIONS:
            refused(tmp_path / "forged.json", with_digest(replaced(body, path, text)))
            tried += 1
    assert tried > 50


def _changes(kind):
    """Yield names of malformed changes and the documents."""
    body = honest(kind)
    nets = [path for path in places(body) if path[-1] in ("net", "net_a", "net_b", "teacher")]
    for path in nets:
        net = at(body, path)
        for name, W, a in (
            ("empty", [], []), ("no inputs", [[] for _ in net["a"]], net["a"]),
            ("ragged", [[*net["W"][0], "0x1.0p+0"], *net["W"][1:]], net["a"]),
            ("a longer", net["W"], [*net["a"], "0x1.0p+0"]), ("a shorter", net["W"], net["a"][1:]),
            ("W longer", [*net["W"], net["W"][0]], net["a"]), ("wide", net["W"] * 10**4, net["a"]),
            ("more inputs", [[*row, "0x1.0p+0"] for row in net["W"]], net["a"]),
        ):  # fmt: skip
            if len(net["a"]) > 1 or name not in ("ragged",):
                yield f"{path} {name}", replaced(body, path, {"W": W, "a": a})
    place = ("best",) if kind == "modulo-permutation" else ()
    inner = at(body, place)
    for name, values in (("precision", (-1, 0, 2**31, 10**8)), ("digits", (-1, 10**8)), ("version", (0, 2, -1))):
        for value in values if name in (body if name == "version" else inner) else ():
            where = (name,) if name == "version" else (*place, name)
            yield f"{name} {value}", replaced(body, where, value)
    for name in ("height", "loss"):
        if name in inner:
            middle, radius = inner[name]
            for values in ([middle], [], [middle, radius, radius], [middle, "-1"], [radius, middle + "0" * 9000]):
                yield f"{name} {len(values)}", replaced(body, (*place, name), values)
    if "cells" in inner:
        zero, half, one = (x.hex() for x in (0.0, 0.5, 1.0))
        for cells in (
            [], [zero], [one], [one, zero], [zero, one, half], [half, one], [zero, half], [zero, half, half, one],
            [zero, one, one], [zero, zero, one],
            ["-0x1.0p-1", zero, one], [zero, one, "0x1.8p+0"], [zero, "0x1.8p+0", one], [zero, half, (0.25).hex(), one],
        ):  # fmt: skip
            yield f"cells {cells}", replaced(body, (*place, "cells"), cells)
        for order in (
            [0], [0, 0], [1, 1], [0, 2], [-1, 0], [1, 2], [0, 1, 2], [], [True, False], ["0", "1"], [0.0, 1.0], [[0], [1]],
            "01", {"0": 1},
        ):  # fmt: skip
            yield f"permutation {order}", replaced(body, (*place, "permutation"), order)
        for t in ("-0x1.0p-1", "0x1.0000000000001p+0"):
            yield f"position {t}", replaced(body, (*place, "position"), t)
        for rtol in ("0x0.0p+0", "-0x1.0p-20"):
            yield f"rtol {rtol}", replaced(body, (*place, "rtol"), rtol)
    if kind == "modulo-permutation":
        yield (
            "best of another kind",
            replaced(body, ("best",), {k: v for k, v in honest("loss").items() if k in ("net", "teacher")}),
        )
        yield "best in best", replaced(body, ("best",), body)
    if kind in ("gradient", "hessian"):
        name = "W" if kind == "gradient" else "hessian"
        for entries in (
            [],
            body[name][1:],
            [*body[name], body[name][0]],
            [row[1:] for row in body[name]],
            [row * 2 for row in body[name]],
        ):
            yield f"{name} {len(entries)}", replaced(body, (name,), entries)


@pytest.mark.parametrize("kind", KINDS)
def test_malformed_data_are_refused(tmp_path, kind):
    tried = 0
    for name, body in _changes(kind):
        try:
            refused(tmp_path / "forged.json", with_digest(body))
        except BaseException:
            print("accepted, or refused badly:", name)
            raise
        tried += 1
    assert tried > 15


def _files():
    text = _honest("loss")
    number = text.replace('"digits": 5', '"digits": {}')
    return {
        "empty": b"", "spaces": b" \n\t", "a zero byte": b"\x00", "latin-1": text.replace("loss", "l\xf6ss").encode("latin-1"),
        "byte order mark": b"\xef\xbb\xbf" + text.encode(), "utf-16": text.encode("utf-16"), "utf-32": text.encode("utf-32"),
        "an array": b"[]", "a number": b"1", "a text": b'"x"', "null": b"null", "an empty object": b"{}",
        "two objects": (text + text).encode(),
        "text after": (text + "x").encode(), "cut short": text.encode()[:-1], "half": text.encode()[: len(text) // 2],
        "a surrogate": text.replace('"loss"', '"\\ud800"').encode(), "a lone byte": text.encode() + b"\xff",
        "a comma": text.replace("}", ",}").encode(),
        "single quotes": text.replace('"', "'").encode(), "a comment": (text + "// x").encode(), "brackets": b"[" * 200_000,
        "nested arrays": b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        "nested objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000,
        "deep digits": number.replace("{}", "[" * 100_000 + "]" * 100_000).encode(),
        **{f"digits {x}": number.replace("{}", x).encode() for x in ("NaN", "Infinity", "-Infinity", "1e400", "1e5", "5.0",
        "05", "+5", "0x5", "1" * 5000, "-5")},
    }  # fmt: skip


@pytest.mark.parametrize("name", _files())
def test_files_that_are_no_certificates_are_refused(tmp_path, capsys, name):
    path = tmp_path / "forged.json"
    refused(path, _files()[name])
    assert cli.main(["verify-certificate", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"lmctheory verify-certificate: error: {path}")
    assert err.count("\n") == 1


def test_what_cannot_be_read_is_an_invalid_input(tmp_path, capsys):
    for path in (tmp_path, tmp_path / "missing.json", tmp_path / ("x" * 300), tmp_path / "missing" / "certificate.json"):
        for read in (lmc.verify_certificate, lmc.load_certificate):
            with pytest.raises(InvalidInputError):
                read(path)
        assert cli.main(["verify-certificate", str(path)]) == 2
        assert capsys.readouterr().err.count("\n") == 1


HUGE = 10**7  # bytes


def _heavy():
    """Yield names and contents of files of up to 10 MB that ask for time or room before their form is known to be wrong."""
    loss, hessian = honest("loss"), honest("hessian")
    nested = "[" * 300 + "]" * 300
    yield "many arrays", '{"a": [' + ",".join(["[]"] * (HUGE // 3)) + "]}"
    yield "many objects", with_digest({**loss, "loss": [{}] * (HUGE // 4)})
    yield "many pairs", with_digest({**loss, "loss": [["1", "0"]] * (HUGE // 12)})
    yield "many integers", '{"a": [' + ",".join(["1"] * (HUGE // 2)) + "]}"
    yield "many texts", '{"a": [' + ",".join(['""'] * (HUGE // 3)) + "]}"
    yield "many names", with_digest({**loss, "net": {f"{k:x}": 0 for k in range(HUGE // 13)}})
    yield "many nested arrays", '{"a": [' + ",".join([nested] * (HUGE // 601)) + "]}"
    yield "brackets", "[" * HUGE
    yield "nested objects", '{"a":' * (HUGE // 5)
    yield "spaces", "{" + " " * HUGE + "}"
    yield "one text", '{"a": "' + "\\u0661" * (HUGE // 6) + '"}'
    yield "one integer", '{"a": ' + "9" * HUGE + "}"
    yield "one exponent", '{"a": 1e' + "9" * HUGE + "}"
    yield "one fraction", with_digest({**loss, "loss": ["1/" + "9" * (HUGE - 2000), "0"]})
    yield "one weight", with_digest({**loss, "net": {"W": [["0x1." + "f" * (HUGE - 2000) + "p+0"]], "a": ["0x1.0p+0"]}})
    yield "huge exponents", with_digest({**loss, "loss": ["1e30000000", "1e30000000"]})
    yield "huge digits", with_digest({**loss, "digits": 10**8})
    yield "huge precision", with_digest({**loss, "precision": 10**8})
    yield "fractions of many digits", with_digest({**hessian, "hessian": [[["1/" + "9" * 4000, "0"]] * (HUGE // 4020)]})
    yield "a large Hessian of a small net", with_digest({**hessian, "hessian": [[["1/3", "0"]] * 800] * 800})


def _wide():
    """Yield names and contents of files of the right form whose check would take days: they are refused by their sizes."""

    def net(n):
        return {"W": [["0x1.0000000000000p+0"]] * n, "a": ["0x1.0000000000000p+0"] * n}

    n, barrier, modulo = HUGE // 160, honest("barrier"), honest("modulo-permutation")
    yield "a wide net", with_digest({**honest("loss"), "net": net(HUGE // 60)})
    yield "a wide minimum", with_digest({**honest("local-minimum"), "net": net(HUGE // 60)})
    yield "a wide barrier", with_digest({**barrier, "net_a": net(n), "net_b": net(n), "permutation": list(range(n))})
    best = {**modulo["best"], "net_a": net(14), "net_b": net(14), "permutation": list(range(14))}
    yield (
        "many permutations and positions",
        with_digest({**modulo, "best": best, "positions": ["0x1.0000000000000p-1"] * (HUGE // 30)}),
    )


CHILD = """
import json, os, resource, sys, time
import lmctheory as lmc

lmc.verify_certificate(sys.argv[1])  # everything is loaded
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
for line in sys.stdin:
    path, reader = json.loads(line)
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (used + 500 * 10**6,) * 2)
        resource.setrlimit(resource.RLIMIT_CPU, (2, 3))
        outcome = "accepted"
        try:
            getattr(lmc, reader)(path)
        except lmc.CertificateError:
            outcome = "refused"
        except BaseException as error:
            outcome = repr(error)[:200]
        print(json.dumps([path, reader, outcome, time.process_time()]), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        print(json.dumps([path, reader, "killed", 2.0]), flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="limits of memory are set and measured as on Linux")
def test_heavy_files_are_refused_in_two_seconds_and_500_megabytes(tmp_path):
    """Seconds of the processor, not of the clock, and address space on top of what is taken without a file."""
    small = tmp_path / "honest.json"
    small.write_text(with_digest(honest("loss")))
    tasks = [("/dev/zero", "verify_certificate"), ("/dev/zero", "load_certificate"), ("/dev/null", "verify_certificate")]
    for group, readers in ((_heavy, ("verify_certificate", "load_certificate")), (_wide, ("verify_certificate",))):
        for name, text in group():
            assert len(text) <= 1.01 * HUGE, name
            path = tmp_path / f"{name}.json"
            path.write_text(text)
            tasks += [(str(path), reader) for reader in readers]
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(small)], input="\n".join(map(json.dumps, tasks)), capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, check=True,
    )  # fmt: skip
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(found) == len(tasks)
    assert [(Path(path).stem, reader, outcome, s) for path, reader, outcome, s in found if outcome != "refused"] == []


def test_numbers_of_networks_in_memory_are_checked_too():
    """A certificate built by hand is judged like a file."""
    found = lmc.certify_loss(NET, LINE, digits=5)
    found.net.W.flags.writeable = True
    found.net.W[0, 0] = np.nan
    with pytest.raises(CertificateError):
        lmc.verify_certificate(found)
