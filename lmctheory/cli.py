"""The console command `lmctheory`: barriers, training, alignment, sharpness and rates for networks and data in files.

A subcommand is one function from parsed options to a `Report`; `main` prints it, as lines or as JSON. Mistakes are one line on
standard error and exit status 2. The library is loaded on first use, so that ``--help`` is immediate.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import math
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import lmctheory as lmc
from lmctheory._files import atomic_file, atomic_folder
from lmctheory.errors import ConvergenceWarning, InvalidInputError, LmcError

OK, FAILED, INTERRUPTED = 0, 2, 130
BAR = 40  # characters of the longest bar of a path
ROWS = 16  # intervals of a path shown
NETWORK_COLUMNS = ("network_a", "network_b")


@dataclasses.dataclass(frozen=True)
class Report:
    """What a subcommand has to say: `result`, library objects and all, for scripts; `lines` for people."""

    result: dict[str, Any]
    lines: list[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status: 0, 2 after a mistake, 130 after an interrupt."""
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:  # --help, --version, a wrong argument
        return int(stop.code or 0)
    prog = f"{parser.prog} {options.command}"
    try:
        with _warnings_in_one_line(prog) as messages:
            report = options.run(options)
        if options.json:
            given = {key: value for key, value in vars(options).items() if key not in ("command", "json", "run")}
            envelope = {"command": options.command, "version": lmc.__version__, "arguments": given}
            document = _plain({**envelope, "result": report.result, "warnings": messages})
            print(json.dumps(document, indent=2, allow_nan=False))
        else:
            print("\n".join(report.lines))
        sys.stdout.flush()
    except (LmcError, MemoryError) as error:
        _complain(prog, "error", str(error) or "out of memory")
        return FAILED
    except OSError as error:
        _complain(prog, "error", f"standard output cannot be written: {error.strerror or error}")
        _abandon_stdout()
        return FAILED
    except KeyboardInterrupt:
        _complain(prog, "error", "interrupted")
        return INTERRUPTED
    return OK


def barrier(options: argparse.Namespace) -> Report:
    """The loss on the segment between two networks."""
    net_a, net_b, teacher = map(_network, (options.A, options.B, options.teacher))
    align = None if options.align == "none" else options.align
    found = lmc.barrier(net_a, net_b, teacher, align, options.kind, inputs=options.inputs, grid_size=options.grid_size)
    if options.plot is not None:
        with _writing(options.plot):
            lmc.plotting.save_plot(lmc.plotting.path_plot(found), options.plot)
    step = max(1, (len(found.grid) - 1) // ROWS)
    top = max(float(found.losses.max()), found.loss_floor)
    path = [
        f"{t:8.4f}  {value:11.5g}  {'#' * round(BAR * max(value, 0.0) / top)}".rstrip()
        for t, value in zip(found.grid[::step], found.losses[::step], strict=True)
    ]
    return Report(
        {"barrier": found},
        [
            f"barrier     {found.height:.6g}, at t = {found.position:.4f}",
            f"rounding    {found.loss_floor:.1e}: a lower barrier cannot be told from 0",
            f"kind        {found.kind}, {options.inputs} inputs",
            f"permutation {_permutation(found.permutation)}, method {found.method}",
            "",
            "       t         loss",
            *path,
            *_written(options.plot),
        ],
    )


def train(options: argparse.Namespace) -> Report:
    """Gradient descent from random initial weights; the networks go into a folder."""
    if (options.teacher is None) == (options.M is None and options.d is None):
        raise InvalidInputError("the teacher must be given as --teacher FILE, or as --M and --d")
    if options.teacher is None and None in (options.M, options.d):
        raise InvalidInputError("--M and --d must be given together")
    teacher = lmc.orthonormal_teacher(options.M, options.d) if options.teacher is None else _network(options.teacher)
    rate = 1 / max(options.width, 1) if options.learning_rate is None else options.learning_rate
    with _writing(options.out), atomic_folder(options.out) as folder:  # first: a folder that is refused costs no training
        result = lmc.train(
            teacher,
            options.width,
            learning_rate=rate,
            max_steps=options.max_steps,
            rng=options.seed,
            n_runs=options.runs,
            init_scale=options.init_scale,
            gradient_tol=options.gradient_tol,
            loss_tol=options.loss_tol,
            polish=options.polish,
            progress=None if options.quiet else _progress,
        )
        teacher.save(folder / "teacher.npz")
        names = [f"network-{k:0{len(str(options.runs - 1))}d}.npz" for k in range(options.runs)]
        for name, net in zip(names, result.networks, strict=True):
            net.save(folder / name)
    files = [str(Path(options.out) / name) for name in names]
    evidence = {field.name: getattr(result, field.name) for field in dataclasses.fields(result) if field.name != "networks"}
    rows = zip(names, result.losses, result.gradient_norms, result.steps, result.stopped_by, strict=True)
    return Report(
        {"teacher": str(Path(options.out) / "teacher.npz"), "networks": files, "training": evidence},
        [
            f"{'network':16}{'loss':>12}{'gradient':>12}{'steps':>9}  stopped by",
            *(f"{name:16}{loss:12.4g}{norm:12.2e}{steps:9d}  {reason}" for name, loss, norm, steps, reason in rows),
            "",
            f"written to {options.out}, with teacher.npz",
        ],
    )


def align(options: argparse.Namespace) -> Report:
    """The permutation that matches one network to another."""
    net_a, net_b = map(_network, (options.A, options.B))
    if options.teacher is None and options.method in ("barrier", "exact"):
        raise InvalidInputError(f"--teacher must be given with --method {options.method}, which minimises the barrier")
    teacher = None if options.teacher is None else _network(options.teacher)
    found = lmc.align(net_a, net_b, options.method, objective=teacher, inputs=options.inputs, time_limit=options.time_limit)
    if options.out is not None:
        with _writing(options.out):
            net_b.permute(found.permutation).save(options.out)
    if options.permutation is not None:
        import numpy as np

        with _writing(options.permutation), atomic_file(options.permutation) as file:
            np.save(file, found.permutation)
    return Report(
        {"alignment": found},
        [
            f"permutation {_permutation(found.permutation)}",
            f"method      {found.method}",
            *_evidence(found),
            *_written(options.out),
            *_written(options.permutation),
        ],
    )


def _evidence(found: lmc.Alignment) -> list[str]:
    """Return what the method knows about its permutation."""
    if isinstance(found, lmc.Assignment):
        return [f"similarity  {found.similarity:.6g}, without permutation {found.unaligned_similarity:.6g}"]
    assert isinstance(found, lmc.SwapAlignment | lmc.ExactAlignment)
    lines = [
        f"barrier     {found.height:.6g}, at t = {found.position:.4f}",
        f"rounding    {found.loss_floor:.1e}: a lower barrier cannot be told from 0",
    ]
    if isinstance(found, lmc.SwapAlignment):
        start = f"{found.started_from} with barrier {found.trace[0]:.6g}"
        return [*lines, f"swaps       {found.swaps} of {found.trial_swaps} tried, from {start}"]
    verdict = "optimal" if found.is_optimal else "not complete"
    return [*lines, f"proof       {verdict}: no permutation is below {found.lower_bound:.6g} (nodes: {found.nodes})"]


def sharpness(options: argparse.Namespace) -> Report:
    """The largest Hessian eigenvalue at each network."""
    teacher = _network(options.teacher)
    found = []
    for path in options.networks:
        net = _network(path)
        with _about(path):
            value = lmc.sharpness(net, teacher, options.inputs)
            found.append(
                {
                    "network": path,
                    "loss": lmc.population_loss(net, teacher, options.inputs),
                    "loss_floor": lmc.loss_floor(net, teacher, options.inputs),
                    "sharpness": value,
                    "largest_stable_learning_rate": 2 / value if value > 0 else math.inf,
                }
            )
    width = max(len("network"), *map(len, options.networks)) + 2
    return Report(
        {"networks": found},
        [
            f"{'network':{width}}{'loss':>12}{'sharpness':>12}  stable up to learning rate",
            *(
                f"{row['network']:{width}}{row['loss']:12.4g}{row['sharpness']:12.6g}  {row['largest_stable_learning_rate']:.6g}"
                for row in found
            ),
        ],
    )


def rate(options: argparse.Namespace) -> Report:
    """A power law fitted to a table of barriers."""
    widths, samples, pairs = _read_barriers(options.data)
    with _about(options.data):
        fit = lmc.fit_rate(
            widths, samples, rng=options.seed, pairs=pairs, level=options.level, n_resamples=options.resamples
        )  # fmt: skip
    if options.plot is not None:
        with _writing(options.plot):
            lmc.plotting.save_plot(lmc.plotting.rate_plot(widths, samples, fit=fit, reference=options.reference), options.plot)
    rows = zip(fit.widths, map(len, samples), fit.means, fit.mean_intervals, strict=True)
    return Report(
        {"fit": fit},
        [
            f"exponent    {fit.exponent:.4f} {_interval(fit.interval)} at level {fit.level:g}, resampling {fit.resampled}",
            f"curvature   {fit.curvature:.4f} {_interval(fit.curvature_interval)}, p-value of a power law {fit.lack_of_fit:.3g}",
            "",
            f"{'width':>8}{'values':>8}{'mean':>12}  interval",
            *(f"{m:8g}{n:8d}{mean:12.4g}  {_interval(bounds)}" for m, n, mean, bounds in rows),
            *_written(options.plot),
        ],
    )


def _read_barriers(path: str) -> tuple[list[float], list[list[float]], list[list[list[int]]] | None]:
    """Return widths in order, the values at each, and the pairs of networks behind them if the table names any."""
    with _about(path):
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                groups, labelled = _parse_barriers(csv.reader(file, strict=True, skipinitialspace=True))
        except UnicodeDecodeError as error:
            raise InvalidInputError(f"must be UTF-8 text ({error.reason} at byte {error.start})") from None
        widths = sorted(groups)
        for width in widths:
            if len(groups[width]) < 2:
                raise InvalidInputError(f"width {width:g} must have at least two rows, got 1")
    samples = [[value for value, _ in groups[width]] for width in widths]
    if not labelled:
        return widths, samples, None
    pairs = []
    for width in widths:
        labels: dict[str, int] = {}
        pairs.append([[labels.setdefault(name, len(labels)) for name in names] for _, names in groups[width]])
    return widths, samples, pairs


def _parse_barriers(reader: Any) -> tuple[dict[float, list[tuple[float, list[str]]]], bool]:
    groups: dict[float, list[tuple[float, list[str]]]] = {}
    try:
        header = [name.strip() for name in next(reader, [])]
        labelled = any(name in header for name in NETWORK_COLUMNS)
        needed = ("width", "value", *NETWORK_COLUMNS) if labelled else ("width", "value")
        if not set(needed) <= set(header):
            raise InvalidInputError(f"the header must name the columns {', '.join(needed)}, got {','.join(header) or 'nothing'}")
        if len(set(header)) < len(header):
            raise InvalidInputError(f"the header must name each column once, got {','.join(header)}")
        for fields in reader:
            if not fields:
                continue
            if len(fields) != len(header):
                raise InvalidInputError(f"a row must have {len(header)} fields, got {len(fields)}")
            row = dict(zip(header, map(str.strip, fields), strict=True))
            width, value = _number("width", row["width"], positive=True), _number("value", row["value"])
            names = [row[name] for name in NETWORK_COLUMNS] if labelled else []
            if names and ("" in names or names[0] == names[1]):
                raise InvalidInputError(
                    f"network_a and network_b must name two different networks, got {names[0]!r} and {names[1]!r}"
                )
            groups.setdefault(width, []).append((value, names))
    except (InvalidInputError, csv.Error) as error:
        raise InvalidInputError(f"line {max(reader.line_num, 1)}: {error}") from None
    if not groups:
        raise InvalidInputError("must hold at least one row below the header, got none")
    return groups, labelled


def _number(name: str, text: str, positive: bool = False) -> float:
    try:
        number = float(text)
    except ValueError:
        raise InvalidInputError(f"{name} must be a number, got {text!r}") from None
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        raise InvalidInputError(f"{name} must be finite and {'positive' if positive else 'not negative'}, got {text}")
    return number


def _network(path: str) -> lmc.TwoLayerNet:
    with _about(path):
        return lmc.TwoLayerNet.load(path)


@contextmanager
def _about(path: str) -> Iterator[None]:
    """Say which file an error is about."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from None
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from None


@contextmanager
def _writing(path: str) -> Iterator[None]:
    """Say which file could not be written: the system's errors name temporary ones."""
    try:
        yield
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error.strerror or error}") from None


@contextmanager
def _warnings_in_one_line(prog: str) -> Iterator[list[str]]:
    """Print warnings as errors are printed, and collect them."""
    messages: list[str] = []

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        messages.append(str(message))
        _complain(prog, "warning", str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", ConvergenceWarning)
        warnings.showwarning = show
        yield messages


def _complain(prog: str, kind: str, message: str) -> None:
    print(f"{prog}: {kind}: {' '.join(message.split())}", file=sys.stderr)


def _abandon_stdout() -> None:
    """Keep the interpreter from writing again, at exit, what standard output has just refused."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _progress(done: int, total: int) -> None:
    """Rewrite one line on a terminal; elsewhere print a line for every tenth of the runs."""
    if sys.stderr.isatty():
        print(f"\rtrained {done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done * 10 // total > (done - 1) * 10 // total:
        print(f"trained {done} of {total}", file=sys.stderr, flush=True)


def _permutation(permutation: Any) -> str:
    return " ".join(map(str, permutation))


def _interval(bounds: Sequence[float]) -> str:
    return f"[{bounds[0]:.4g}, {bounds[1]:.4g}]"


def _written(path: str | None) -> list[str]:
    return [] if path is None else [f"written to {path}"]


def _plain(value: Any) -> Any:
    """Return `value` in the types of JSON; numbers that JSON does not know (NaN, infinities) become null."""
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if hasattr(value, "tolist"):  # arrays and scalars of NumPy
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        _complain(self.prog, "error", message)
        raise SystemExit(FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lmctheory",
        description="Linear mode connectivity modulo permutation, for networks of one's own.",
        epilog="Networks are NumPy .npz files with arrays W (m, d) and a (m,). 'lmctheory COMMAND --help' shows examples.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {lmc.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(run: Any, description: str, examples: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(
            run.__name__,
            help=description,
            description=description,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        sub.set_defaults(run=run)
        sub.add_argument(
            "--json", action="store_true", help="print the result and its evidence as JSON; NaN and infinities are null"
        )
        return sub

    def inputs(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--inputs", default="gaussian", metavar="LAW", help="gaussian (default) or sphere")

    def plot(sub: argparse.ArgumentParser, name: str) -> None:
        text = f"also draw to FILE, a PNG, PDF or SVG (default: {name}); needs matplotlib"
        sub.add_argument("--plot", nargs="?", const=name, metavar="FILE", help=text)

    def seed(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--seed", type=int, default=0, help="of all random draws (default: 0)")

    sub = command(
        barrier,
        "Print and plot the loss on the straight line from A to B, permuted if asked for.",
        "  lmctheory barrier A.npz B.npz --teacher T.npz\n"
        "  lmctheory barrier A.npz B.npz --teacher T.npz --align weights --plot path.png\n"
        "  lmctheory barrier A.npz B.npz --teacher T.npz --json > barrier.json",
    )
    sub.add_argument("A", help="network at t = 0")
    sub.add_argument("B", help="network at t = 1, permuted")
    sub.add_argument("--teacher", required=True, metavar="T", help="the target network")
    sub.add_argument("--align", default="none", metavar="METHOD", help="none (default), weights, activations, barrier or exact")
    sub.add_argument("--kind", default="chord", help="chord (default), endpoint-mean or midpoint")
    sub.add_argument(
        "--grid-size", type=int, default=33, metavar="N", help="points on which the maximum is located (default: 33)"
    )
    inputs(sub)
    plot(sub, "barrier.png")

    sub = command(
        train,
        "Train networks on the exact loss by gradient descent, from random weights, and write them to a folder.",
        "  lmctheory train --M 4 --d 8 --width 16 --runs 8 --out networks\n"
        "  lmctheory train --teacher T.npz --width 16 --learning-rate 0.05 --loss-tol 1e-8 --out networks\n\n"
        "The folder must be new or empty; it appears when all runs have ended.",
    )
    sub.add_argument("--teacher", metavar="T", help="the target network")
    sub.add_argument("--M", type=int, help="instead: an orthonormal target of M neurons ...")
    sub.add_argument("--d", type=int, help="... in d dimensions")
    sub.add_argument("--width", type=int, required=True, metavar="m", help="neurons of the students")
    sub.add_argument("--learning-rate", type=float, metavar="ETA", help="default: 1/m")
    sub.add_argument("--runs", type=int, default=2, help="networks to train (default: 2)")
    sub.add_argument("--max-steps", type=int, default=20_000, metavar="N", help="default: 20000")
    sub.add_argument("--gradient-tol", type=float, default=1e-9, metavar="TOL", help="stop at this gradient norm (default: 1e-9)")
    sub.add_argument("--loss-tol", type=float, metavar="TOL", help="stop at this loss (default: never)")
    sub.add_argument("--init-scale", type=float, metavar="S", help="initial weights are N(0, S^2/d) (default: min(1, M/m))")
    sub.add_argument("--polish", action="store_true", help="follow descent by a second-order phase")
    sub.add_argument("--out", required=True, metavar="FOLDER", help="for teacher.npz and network-*.npz")
    sub.add_argument("--quiet", action="store_true", help="no progress on standard error")
    seed(sub)

    sub = command(
        align,
        "Print and save the permutation of the neurons of B that matches them to those of A.",
        "  lmctheory align A.npz B.npz\n"
        "  lmctheory align A.npz B.npz --method activations --out aligned.npz --permutation permutation.npy\n"
        "  lmctheory align A.npz B.npz --method exact --teacher T.npz --time-limit 60",
    )
    sub.add_argument("A", help="network that stays as it is")
    sub.add_argument("B", help="network to permute")
    sub.add_argument("--method", default="weights", help="weights (default), activations, barrier or exact")
    sub.add_argument("--teacher", metavar="T", help="the target network, needed by barrier and exact")
    inputs(sub)
    sub.add_argument("--time-limit", type=float, metavar="SECONDS", help="of exact (default: none)")
    sub.add_argument("--out", metavar="FILE", help="write B, permuted, as .npz")
    sub.add_argument(
        "--permutation", metavar="FILE", help="write the gather indices as .npy: new neuron i is old neuron permutation[i]"
    )

    sub = command(
        sharpness,
        "Print the largest eigenvalue of the Hessian at networks, and the learning rate up to which descent is stable there.",
        "  lmctheory sharpness A.npz --teacher T.npz\n  lmctheory sharpness networks/network-*.npz --teacher T.npz --json",
    )
    sub.add_argument("networks", nargs="+", metavar="NETWORK")
    sub.add_argument("--teacher", required=True, metavar="T", help="the target network")
    inputs(sub)

    sub = command(
        rate,
        "Fit a power law in the width to barriers, with an interval, and plot it.",
        "  lmctheory rate data.csv\n"
        "  lmctheory rate data.csv --plot rate.pdf --reference -1\n\n"
        "data.csv has a header and the columns width and value, one barrier a row. With columns network_a and network_b, the\n"
        "names of the networks behind each barrier, networks are resampled instead of barriers.",
    )
    sub.add_argument("data", metavar="data.csv")
    sub.add_argument("--level", type=float, default=0.95, help="confidence of the intervals (default: 0.95)")
    sub.add_argument("--resamples", type=int, default=2000, metavar="N", help="bootstrap replicates (default: 2000)")
    sub.add_argument(
        "--reference", type=float, default=-0.5, metavar="SLOPE", help="slope of the dashed line drawn (default: -0.5)"
    )
    seed(sub)
    plot(sub, "rate.png")
    return parser
