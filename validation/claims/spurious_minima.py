"""Gradient descent ends in spurious local minima from M = 6 on, which is proved, and one more neuron makes them rarer."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from scipy.optimize import brentq

import lmctheory as lmc
from lmctheory.errors import NotCertifiedError
from lmctheory.training.polishing import polish
from validation.cells.blocks import joined, sweep_in_blocks
from validation.cells.certificates import is_accepted
from validation.cells.ensembles import GLOBAL_LOSS
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.intervals import share_interval

LEVEL = 0.95
FIRST_COMPARED = 8  # below, fewer than one run in twenty ends in a spurious minimum even without the additional neuron
CURVED = 1e-8  # smallest eigenvalue of a Hessian that counts as positive in floating point
MAX_STEPS = 40_000
GRADIENT_TOL = 1e-7  # Newton steps follow
RUNS_IN_BLOCK = 256
GLOBAL, SPURIOUS, UNSETTLED = range(3)
COLUMNS = ("low", "high", "radius", "distance", "curvature", "confirmed")


def plan(context: Context) -> list[dict[str, Any]]:
    """Return the requests: runs by teacher width M, at m = M and m = M + 1."""
    quick = {6: (2048, 256), 7: (512, 256), **{M: (256, 256) for M in (8, 9)}, **{M: (128, 128) for M in (10, 11, 12)}}
    full = {6: (6144, 2048), 7: (4096, 2048), 8: (2048, 2048), 9: (2048, 6144), **{M: (1024, 2048) for M in range(10, 13)}}
    full |= {M: (256, 256) for M in range(13, 21)}
    runs = context.pick(quick=quick, full=full)
    most = context.pick(quick=1, full=2)
    return [{"M": M, "width": M + more, "n_runs": runs[M][more], "most": most} for M in runs for more in (0, 1)]


def experiment(context: Context) -> Outcome:
    """Train, count the runs that end in spurious minima, and certify some of these."""
    requests = plan(context)
    parts = sweep_in_blocks(context, descents, requests, "n_runs", lambda _: RUNS_IN_BLOCK, _cost)
    rows = [_summary(request, part, len(requests)) for request, part in zip(requests, parts, strict=True)]
    documents = [next((part["document"] for part in block if part["document"]), None) for block in parts]
    return Outcome(
        verdict=decide(rows),
        control=decide([row | {"candidates": row["planted"], "certified": row["planted_certified"]} for row in rows]),
        headline=_headline(rows),
        findings=[*(_describe(row) for row in rows), _describe_planted(rows)],
        data={"rows": as_json(rows), "certificates": [json.loads(document) for document in documents if document]},
    )


def descents(seed: int, M: int, width: int, n_runs: int, most: int, block: int) -> dict[str, Any]:
    """Train on the orthonormal teacher M = d, and certify spurious minima, at most so many, those of least loss.

    Weights start as N(0, 1/d) whatever the width. A run is spurious if Newton steps take it to a gradient norm of 1e-12 at
    positive loss with a positive definite Hessian, and unsettled if it is neither that nor at a global minimum.
    """
    teacher = lmc.orthonormal_teacher(M, M)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # unsettled runs are counted
        result = lmc.train(
            teacher, width=width, learning_rate=1 / width, rng=np.random.SeedSequence([seed, M, width, block]), n_runs=n_runs,
            init_scale=1.0, max_steps=MAX_STEPS, gradient_tol=GRADIENT_TOL, loss_tol=GLOBAL_LOSS,
        )  # fmt: skip
    losses, kinds = result.losses.copy(), np.full(n_runs, GLOBAL)
    found: dict[float, lmc.TwoLayerNet] = {}
    for k in np.flatnonzero(losses > GLOBAL_LOSS):
        net, report = polish(result.networks[k], teacher)
        losses[k] = lmc.population_loss(net, teacher)
        curved = report.success and _is_curved(lmc.population_hessian(net, teacher))
        kinds[k] = GLOBAL if losses[k] <= GLOBAL_LOSS else SPURIOUS if curved else UNSETTLED
        if kinds[k] == SPURIOUS:
            found.setdefault(round(float(losses[k]), 9), net)
    candidates = [found[loss] for loss in sorted(found)[:most]]
    certificates = [certificate for net in candidates for certificate in _certified(net, teacher)]
    plants = [plant for net in candidates for plant in non_minima(net, teacher)]
    return {
        "losses": losses,
        "kinds": kinds,
        "candidates": len(candidates),
        "certificates": np.array([_row(certificate) for certificate in certificates]).reshape(-1, len(COLUMNS)),
        "document": json.dumps(certificates[0].document()) if certificates else "",
        "planted": len(plants),
        "planted_certified": sum(1 for plant in plants for _ in _certified(*plant)),
    }


def _is_curved(hessian: np.ndarray) -> bool:
    try:
        np.linalg.cholesky(hessian - CURVED * np.eye(len(hessian)))
    except np.linalg.LinAlgError:
        return False
    return True


def _certified(net: lmc.TwoLayerNet, teacher: lmc.TwoLayerNet) -> Iterator[lmc.LocalMinimumCertificate]:
    """Yield the certificate, if there is one."""
    try:
        yield lmc.certify_local_minimum(net, teacher)
    except NotCertifiedError:
        return


def _row(certificate: lmc.LocalMinimumCertificate) -> list[float]:
    """Return the numbers of a certificate, the loss rounded outwards, and whether its checker confirms it."""
    ends = np.nextafter(float(certificate.loss.lower), -np.inf), np.nextafter(float(certificate.loss.upper), np.inf)
    confirmed = certificate.is_spurious and is_accepted(certificate)
    return [*ends, certificate.radius, certificate.distance, certificate.curvature, confirmed]


def non_minima(minimum: lmc.TwoLayerNet, teacher: lmc.TwoLayerNet) -> list[tuple[lmc.TwoLayerNet, lmc.TwoLayerNet]]:
    """Return students with their teachers that must not be certified.

    A global minimum, isolated or with a zero neuron, and one of a manifold; the saddle at which all neurons are the same; the
    critical point of one more neuron that comes of splitting one in two; the minimum, displaced by a hundredth in its
    softest direction; and a minimum of positive loss with a flat direction: two neurons on a line for ``f*(x) = x``.
    """
    m, M, W = minimum.width, teacher.width, minimum.W
    one_ray = np.zeros((m, M))
    one_ray[:M] = teacher.W
    spread = np.vstack([teacher.W[:1] / 4, teacher.W[:1] * 0.75, one_ray[1:]])

    def along_diagonal(scale: float) -> float:
        return float(lmc.population_gradient(lmc.TwoLayerNet(np.full((m, M), scale)), teacher)[0][0, 0])

    collapsed = np.full((m, M), brentq(along_diagonal, 1e-3, 10.0, xtol=1e-16))
    split = np.vstack([W[:1] / 2, W[:1] / 2, W[1:]])
    displaced = W + 0.01 * np.linalg.eigh(lmc.population_hessian(minimum, teacher))[1][:, 0].reshape(W.shape)
    plants = [(lmc.TwoLayerNet(plant), teacher) for plant in (one_ray, spread, collapsed, split, displaced)]
    return [*plants, (lmc.TwoLayerNet([[0.25], [0.75]]), lmc.TwoLayerNet([[1.0], [-1.0]], [1.0, -1.0]))]


def decide(rows: Sequence[dict[str, Any]]) -> Verdict:
    """Apply the rule: existence for every M at m = M, and a smaller share at m = M + 1 for every M >= 8."""
    conditions: list[bool | None] = []
    for exact, more in zip(rows[::2], rows[1::2], strict=True):
        conditions.append(exact["certified"] > 0 if exact["candidates"] else None)
        if exact["M"] >= FIRST_COMPARED:
            (low, high), (low_more, high_more) = exact["simultaneous"], more["simultaneous"]
            conditions.append(True if high_more < low else False if high < low_more else None)
    return Verdict.of(*conditions)


def _summary(request: dict[str, Any], parts: Sequence[dict[str, Any]], n_intervals: int) -> dict[str, Any]:
    """Counts, certificates and intervals of one width: unsettled runs count as spurious in the upper end alone."""
    arrays = joined(parts, ("losses", "kinds", "certificates"))
    n, spurious, unsettled = len(arrays["kinds"]), *(int((arrays["kinds"] == kind).sum()) for kind in (SPURIOUS, UNSETTLED))
    certificates = arrays["certificates"][np.argsort(arrays["certificates"][:, 0])]
    bounds = {
        name: (share_interval(spurious, n, level)[0], share_interval(spurious + unsettled, n, level)[1])
        for name, level in (("interval", LEVEL), ("simultaneous", 1 - (1 - LEVEL) / n_intervals))
    }
    counts = {name: sum(part[name] for part in parts) for name in ("candidates", "planted", "planted_certified")}
    return request | bounds | counts | {
        "spurious": spurious,
        "unsettled": unsettled,
        "share": spurious / n,
        "losses": arrays["losses"][arrays["kinds"] == SPURIOUS],
        "certificates": [dict(zip(COLUMNS, row, strict=True)) for row in certificates],
        "certified": int(certificates[:, -1].sum()),
    }  # fmt: skip


def _headline(rows: Sequence[dict[str, Any]]) -> list[Measurement]:
    proved = [row["M"] for row in rows[::2] if row["certified"]]
    widest = max((row for row in rows[::2] if row["certified"]), key=lambda row: int(row["M"]), default=None)
    shares = [
        Measurement(f"share M={row['M']}, m={row['width']}", row["share"], row["interval"])
        for row in rows
        if row["M"] in (FIRST_COMPARED, 12, 20)
    ]
    headline = [Measurement(f"teachers of {len(rows) // 2} with a certified one", len(proved), proved=True), *shares]
    if widest is not None:
        least = widest["certificates"][0]
        headline.append(
            Measurement(f"least certified loss, M={widest['M']}", least["low"], (least["low"], least["high"]), proved=True)
        )
    return headline


def _cost(cell: dict[str, Any]) -> float:
    return float(cell["n_runs"] * cell["width"] ** 3)


def _describe(row: dict[str, Any]) -> str:
    text = (
        f"M={row['M']}, m={row['width']}: {row['spurious']} of {row['n_runs']} runs end in spurious minima "
        f"({Measurement('share', row['share'], row['interval'])}), {row['unsettled']} unsettled; "
        f"{row['certified']} of {row['candidates']} certified"
    )
    if not row["certificates"]:
        return f"{text}."
    losses = sorted({f"{found['low']:.6f}" for found in row["certificates"]})
    curvature, radius = (min(found[name] for found in row["certificates"]) for name in ("curvature", "radius"))
    return (
        f"{text}, of losses {', '.join(losses[:6])}{', ...' if len(losses) > 6 else ''}; no eigenvalue of the Hessian below "
        f"{curvature:.2g} where weights differ by up to {radius:.1e}."
    )


def _describe_planted(rows: Sequence[dict[str, Any]]) -> str:
    planted, certified = (sum(row[name] for row in rows) for name in ("planted", "planted_certified"))
    return f"Of {planted} planted points that are no spurious minima {certified} were certified."


CLAIM = Claim(
    name="spurious-minima",
    statement="On orthonormal teachers of width M = d >= 6, gradient descent with m = M ends in spurious local minima: critical "
    "points of positive loss and positive definite Hessian, which is proved. With one more neuron fewer runs do.",
    source="[SS]",
    prediction="they exist for M = 6 to 20",
    rule="Runs from weights N(0, 1/d), m = M and m = M + 1, polished to a gradient norm of 1e-12. Existence at m = M is proved "
    "if a run that ends at positive loss is certified, by Krawczyk's test in ball arithmetic, and the certificate confirmed by "
    "the independent checker. Supported if that holds for every M and, for every M >= 8, the Clopper-Pearson interval of the "
    "share of runs in spurious minima at m = M lies above that at m = M + 1, at 95 % for all together, unsettled runs counted on "
    "either side. Refuted if at some M none of the candidates can be certified, or an order is reversed with certainty.",
    control="The same rule with planted candidates: global minima, isolated, with a zero neuron and on a manifold, the saddle at "
    "which all neurons are the same, the one that comes of splitting a neuron, displaced minima, and a minimum with a flat "
    "direction. None is certified.",
    experiment=experiment,
)
