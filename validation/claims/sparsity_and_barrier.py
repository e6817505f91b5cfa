"""What the sparsity that large learning rates bring does to the barrier, and whether it is the cause."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

import lmctheory as lmc
from lmctheory.bootstrap import bootstrap_log_means
from validation.cells.blocks import joined, joined_pairs, sweep_in_blocks
from validation.cells.minima import all_pairs
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json
from validation.evidence.rates import fit_record

KEY = 631
M = d = 4
WIDTH = 32
RATES = (0.25, 0.5, 0.75, 0.9, 1.05, 1.1, 1.15, 1.2)  # of the stability threshold of balanced classes
BELOW, ABOVE = 0.5, 1.15
WIDTHS_BELOW, WIDTHS_ABOVE = 0.5, 1.1  # rates of the sweeps over widths
EFFECT = 0.8  # ratio of mean barriers that counts as lower
LEVEL = 0.95
MAX_STEPS, LOSS_TOL, GLOBAL_LOSS = 20_000, 1e-8, 1e-6
DEAD = 1e-3  # of the largest weight, as in `lmctheory.sparsity`
VANISHING = 1e-9  # neurons that died leave barriers below this
RUNS_IN_BLOCK = 32
PER_RUN = ("losses", "settled", "oscillating", "dead_shares")
PER_MINIMUM = ("classes", "weights")

Group: TypeAlias = tuple[np.ndarray, np.ndarray | None]  # barriers, and the pairs of networks where they share them


def experiment(context: Context) -> Outcome:
    """Compare barriers below and above the threshold, then remove and restore sparsity along the manifold of minima."""
    n_runs = context.pick(quick=64, full=256)
    widths = [16, 24, 32, 48, *context.pick(quick=(), full=(64, 96, 128))]
    curve_cells = [{"width": WIDTH, "rate": rate, "n_runs": n_runs if rate in (BELOW, ABOVE) else 32} for rate in RATES]
    ladder_cells = [
        {"width": m, "rate": rate, "n_runs": context.pick(quick=32, full=96)}
        for rate in (WIDTHS_BELOW, WIDTHS_ABOVE)
        for m in widths
    ]
    found = _ensembles(context, [*curve_cells, *ladder_cells])
    curve, ladder = found[: len(RATES)], found[len(RATES) :]
    below, above = (next(e for e in curve if e["rate"] == rate) for rate in (BELOW, ABOVE))
    dead_share = float(above["minimum_dead_shares"].mean())
    groups: dict[str, Group] = {
        "dense": (below["height"], below["pairs"]),
        "sparse": (above["height"], above["pairs"]),
        "dense, pruned": _barriers([pruned(a, round(dead_share * WIDTH)) for a in _minima(below)]),
        "sparse, re-densified": _barriers(
            [densified(a, np.random.default_rng(context.rng(KEY, 1, k))) for k, a in enumerate(_minima(above))]
        ),
    }
    comparisons = compare(groups, context.rng(KEY, 2))
    n_pairs = context.pick(quick=1000, full=4000)
    same = {"M": M, "width": WIDTH, "matchings": "swaps"}
    requests = [
        same | {"n_pairs": 4 * n_pairs, "law": "uniform", "parameter": 0.0},
        same | {"n_pairs": n_pairs, "law": "sparse", "parameter": dead_share},
    ]
    uniform, sparse = (e["swaps_height"] for e in all_pairs(context, requests))
    roles: dict[str, Group] = {name: (quarter, None) for name, quarter in zip(groups, np.split(uniform, 4), strict=True)}
    control = compare(roles, context.rng(KEY, 3))
    fits = {
        rate: lmc.fit_rate(
            widths, [e["height"] for e in ensembles], pairs=[e["pairs"] for e in ensembles], rng=context.rng(KEY, 4, k)
        )
        for k, rate in enumerate((WIDTHS_BELOW, WIDTHS_ABOVE))
        if (ensembles := [e for e in ladder if e["rate"] == rate])
    }
    laws = {"uniform": uniform, f"SP({dead_share:.3f})": sparse}
    return Outcome(
        verdict=decide(comparisons),
        control=decide(control),
        headline=[
            *(Measurement(name, ratio, interval) for name, (ratio, interval) in comparisons.items()),
            Measurement(f"exponent at {WIDTHS_BELOW:g} eta_c", fits[WIDTHS_BELOW].exponent, fits[WIDTHS_BELOW].interval),
        ],
        findings=[
            f"Learning rate {ABOVE:g} eta_c, M = d = {M}, m = {WIDTH}: {above['minimum_dead_shares'].mean():.1%} of the neurons "
            f"are dead; at {BELOW:g} eta_c {below['minimum_dead_shares'].mean():.1%}. Mean barriers: "
            + ", ".join(f"{name} {heights.mean():.3g}" for name, (heights, _) in groups.items())
            + ".",
            "Minima drawn from laws of the same sparsity, swaps: "
            + ", ".join(f"{name} {heights.mean():.3g} ({np.mean(heights == 0):.0%} exactly 0)" for name, heights in laws.items())
            + f"; their ratio is {sparse.mean() / uniform.mean():.3g}, that of gradient descent "
            f"{above['height'].mean() / below['height'].mean():.3g}.",
            f"At {WIDTHS_ABOVE:g} eta_c most barriers vanish and those left decide the mean: no power law, "
            f"{Measurement('exponent', fits[WIDTHS_ABOVE].exponent, fits[WIDTHS_ABOVE].interval)}; means "
            + ", ".join(
                f"{e['height'].mean():.2g} at m={e['width']} ({np.mean(e['height'] < VANISHING):.0%} below {VANISHING:g})"
                for e in ladder
                if e["rate"] == WIDTHS_ABOVE
            )
            + ".",
            *(_describe_unsettled([e for e in curve if not e["settled"].all()])),
        ],
        data={
            "curve": [_record(e) for e in curve],
            "ladder": [_record(e) for e in ladder],
            "fits": {str(rate): fit_record(fit) for rate, fit in fits.items()},
            "groups": {name: as_json(heights) for name, (heights, _) in groups.items()},
            "comparisons": as_json(comparisons),
            "control": as_json(control),
            "laws": {name: as_json(heights) for name, heights in laws.items()},
            "intervals": {name: mean_interval(group, context.rng(KEY, 5)) for name, group in groups.items()},
        },
    )


def settled_minima(seed: int, width: int, rate: float, n_runs: int, block: int = 0) -> dict[str, Any]:
    """Return the minima next to gradient-descent solutions and the barriers of all their pairs, after swaps.

    The learning rate is `rate` times the stability threshold of balanced classes. Runs that did not reach a loss of 1e-6 are left
    out of the minima and counted.
    """
    teacher = lmc.orthonormal_teacher(M, d)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lmc.ConvergenceWarning)  # what each run was doing is in the results
        result = lmc.train(
            teacher, width=width, learning_rate=rate * lmc.stability_threshold(M, width), n_runs=n_runs, max_steps=MAX_STEPS,
            loss_tol=LOSS_TOL, gradient_tol=0.0, rng=np.random.SeedSequence([seed, KEY, width, round(1e6 * rate), block]),
        )  # fmt: skip
    reached = [net for net, loss in zip(result.networks, result.losses, strict=True) if loss <= GLOBAL_LOSS]
    minima = [lmc.project_to_minimum(net, teacher).minimum for net in reached]
    height, pairs = _barriers(minima)
    return {
        "losses": result.losses,
        "settled": np.array([behaviour == "converged" for behaviour in result.behaviour]),
        "oscillating": np.array(["oscillation" in behaviour for behaviour in result.behaviour]),
        "dead_shares": np.array([lmc.sparsity(net, dead=DEAD).dead_share for net in result.networks]),
        "classes": np.array([minimum.classes for minimum in minima]).reshape(-1, width),
        "weights": np.array([minimum.weights for minimum in minima]).reshape(-1, width),
        "pairs": pairs,
        "height": height,
    }


def _ensembles(context: Context, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return `settled_minima` for each request, trained in blocks; only pairs within a block have barriers."""

    def cost(cell: dict[str, Any]) -> float:
        return float(cell["n_runs"] * (cell["width"] ** 2 / min(cell["rate"], 1.0) + 2 * cell["n_runs"] * cell["width"]))

    found = sweep_in_blocks(context, settled_minima, requests, "n_runs", lambda _: RUNS_IN_BLOCK, cost)
    ensembles = []
    for request, parts in zip(requests, found, strict=True):
        ensemble = request | joined(parts, (*PER_RUN, *PER_MINIMUM, "height"))
        ensemble["pairs"] = joined_pairs(parts, "weights")
        ensemble["minimum_dead_shares"] = _dead(ensemble["weights"]).mean(axis=1)
        ensembles.append(ensemble)
    return ensembles


def _minima(ensemble: dict[str, Any]) -> list[lmc.Minimum]:
    return [lmc.Minimum(*both) for both in zip(ensemble["classes"], ensemble["weights"], strict=True)]


def _barriers(minima: Sequence[lmc.Minimum]) -> Group:
    pairs = np.stack(np.triu_indices(len(minima), 1), axis=1)
    return np.array([lmc.minima_barrier(minima[i], minima[j], "swaps").height for i, j in pairs]), pairs


def _dead(weights: np.ndarray) -> np.ndarray:
    return np.asarray(weights < DEAD * weights.max(axis=-1, keepdims=True))


def pruned(minimum: lmc.Minimum, n_dead: int) -> lmc.Minimum:
    """Return the minimum with its lightest neurons set to zero until `n_dead` are, their class scaled up to make up for them.

    The last neuron of a class stays.
    """
    classes, weights = minimum.classes.copy(), minimum.weights.copy()
    for i in np.argsort(weights, kind="stable"):
        if np.sum(classes < 0) >= n_dead:
            break
        if classes[i] >= 0 and np.sum(classes == classes[i]) > 1:
            mine = classes == classes[i]
            weights[mine] *= 1 / (1 - weights[i])
            classes[i], weights[i] = -1, 0.0
    return lmc.Minimum(classes, weights)


def densified(minimum: lmc.Minimum, rng: np.random.Generator) -> lmc.Minimum:
    """Return the minimum with every dead neuron revived: it takes a uniform share of a neuron drawn in proportion to its weight.

    If the weights of a class are Dirichlet(1, ..., 1) they stay so, with one part more.
    """
    classes, weights = minimum.classes.copy(), minimum.weights.copy()
    for i in np.flatnonzero(_dead(weights)):
        if classes[i] >= 0:
            weights[classes == classes[i]] *= 1 / (1 - weights[i])
            weights[i] = 0.0
        donor = rng.choice(len(weights), p=weights / weights.sum())
        share = rng.uniform()
        classes[i], weights[i] = classes[donor], share * weights[donor]
        weights[donor] *= 1 - share
    return lmc.Minimum(classes, weights)


def compare(groups: Mapping[str, Group], root: np.random.SeedSequence) -> dict[str, tuple[float, tuple[float, float]]]:
    """Return ratios of mean barriers with intervals that hold together; networks are resampled, or pairs if these share none.

    Groups made from the same networks count as independent, which widens the interval.
    """
    wanted = (("sparse", "dense"), ("dense, pruned", "dense"), ("sparse", "sparse, re-densified"))
    level = 1 - (1 - LEVEL) / len(wanted)
    ratios = {}
    for numerator, denominator in wanted:
        (heights, pairs), (others, other_pairs) = groups[numerator], groups[denominator]
        if heights.max() == 0:
            ratios[f"{numerator} / {denominator}"] = (0.0, (0.0, 0.0))
            continue
        indices = None if pairs is None or other_pairs is None else [pairs, other_pairs]
        boot = bootstrap_log_means([heights, others], indices, n_resamples=2000, root=root)
        estimate, (low, high) = boot.interval(np.array([1.0, -1.0]), level)
        ratios[f"{numerator} / {denominator}"] = (float(np.exp(estimate)), (float(np.exp(low)), float(np.exp(high))))
    return ratios


def mean_interval(group: Group, root: np.random.SeedSequence) -> list[float]:
    """Return the 95 % interval of the mean barrier of a group; zeros if every pair has barrier 0."""
    heights, pairs = group
    if heights.max() == 0:
        return [0.0, 0.0]
    boot = bootstrap_log_means([heights], None if pairs is None else [pairs], n_resamples=2000, root=root)
    return boot.simultaneous_intervals(LEVEL)[0].tolist()


def decide(ratios: dict[str, tuple[float, tuple[float, float]]]) -> Verdict:
    """Every ratio at most 0.8 with certainty: supported; one above it with certainty: refuted."""

    def lower(interval: tuple[float, float]) -> bool | None:
        if interval[1] <= EFFECT:
            return True
        return False if interval[0] > EFFECT else None

    return Verdict.of(*(lower(interval) for _, interval in ratios.values()))


def _describe_unsettled(ensembles: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"At {e['rate']:g} eta_c {np.mean(~e['settled']):.0%} of the runs met no tolerance in {MAX_STEPS} steps "
        f"({np.mean(e['oscillating']):.0%} oscillate); {np.mean(e['losses'] <= GLOBAL_LOSS):.0%} are within a loss of "
        f"{GLOBAL_LOSS:g} and counted."
        for e in ensembles
    ]


def _record(ensemble: dict[str, Any]) -> dict[str, Any]:
    names = ("width", "rate", "losses", "settled", "oscillating", "dead_shares", "minimum_dead_shares", "height", "pairs")
    return as_json({name: ensemble[name] for name in names})


CLAIM = Claim(
    name="sparsity-and-barrier",
    statement="Beyond the stability threshold gradient descent finds sparse solutions, and their sparsity lowers the barrier "
    "modulo permutation.",
    source="[ZLW], abstract, on sparsity; direction, size and cause: ours",
    prediction="lower by a fifth at least; pruning dense solutions lowers it, reviving dead neurons raises it",
    rule="M = d = 4, m = 32, learning rates 0.5 and 1.15 times the threshold of balanced classes, runs projected on the manifold "
    "of minima, swap matching. Three ratios of mean barriers, simultaneous 95 % intervals: sparse to dense; dense solutions with "
    "as many of their lightest neurons set to zero to the same solutions as they were; sparse solutions to the same with "
    "dead neurons revived by splitting active ones. Supported if all three intervals end at or below 0.8, refuted if one "
    "starts above it. Exponents in m at 0.5 and 1.1 times the threshold are reported.",
    control="Minima of the uniform law in all four roles: the rule must refute it.",
    experiment=experiment,
)
