"""Is the law that gradient descent induces on the manifold of minima the uniform one?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import kstest

import lmctheory as lmc
from validation.cells.minima import TEACHER, all_descended, descent_cells, draw_minimum
from validation.claim import Claim, Context, Measurement, Outcome, Verdict, as_json

KEY = 431
M, D = TEACHER
LEVEL = 0.01  # of all tests of one law together
POINTS = ("lightest", "middle", "heaviest")
N_REFERENCE, N_MEANS = 100_000, 4000


def experiment(context: Context) -> Outcome:
    """Train, project, and test class sizes and weights against the uniform law."""
    base, others = descent_cells(context)
    found = all_descended(context, [*base, *others])
    deciding = found[: len(base)]
    laws = {"gd": deciding}
    for name in ("multinomial", "uniform"):
        laws[name] = [synthetic(context, name, cell["width"], len(cell["sizes"])) for cell in deciding]
    tests = {name: [test for cell in law for test in test_law(context, cell)] for name, law in laws.items()}
    verdicts = {name: decide(found_tests) for name, found_tests in tests.items()}
    ratios = [spread(context, cell) for cell in found]
    farthest = max(float(cell["distances"].max()) for cell in deciding)
    smallest = min(tests["gd"], key=lambda test: test["p"])
    return Outcome(
        verdict=verdicts["gd"],
        control=verdicts["multinomial"] if verdicts["uniform"] is Verdict.SUPPORTED else Verdict.INCONCLUSIVE,
        headline=[
            Measurement(f"m={cell['width']}: size variance/uniform", r["sizes"], r["sizes_interval"])
            for cell, r in zip(deciding, ratios, strict=False)
        ],
        findings=[
            *(_describe(cell, r) for cell, r in zip(found, ratios, strict=True)),
            f"Smallest p-value {smallest['p']:.2g} ({smallest['test']}, m={smallest['width']}) of {len(tests['gd'])} tests; "
            f"rejected at {LEVEL:.0%} together: " + (", ".join(_rejected(tests["gd"])) or "none") + ".",
            f"Samples of the uniform law itself, as many: {verdicts['uniform']} by the same rule. "
            f"Solutions lie within {farthest:.2g} of their projections.",
        ],
        data={
            "laws": as_json({name: [_slim(cell) for cell in law] for name, law in laws.items()}),
            "class_size_laws": {
                str(cell["width"]): {
                    "uniform": lmc.class_size_law(M, cell["width"]).tolist(),
                    "multinomial": lmc.class_size_law(M, cell["width"], "sparse", r=0.0).tolist(),
                }
                for cell in deciding
            },
            "tests": as_json(tests),
            "spread": as_json([_slim(cell) | r for cell, r in zip(found, ratios, strict=True)]),
        },
    )


def synthetic(context: Context, name: str, width: int, n: int) -> dict[str, Any]:
    """Return `n` minima with multinomial or uniform class sizes and Dirichlet(1) weights, as a cell of descent has them."""
    law, parameter = {"multinomial": ("sparse", 0.0), "uniform": ("uniform", 0.0)}[name]
    draw = np.random.default_rng(context.rng(KEY, width, ("multinomial", "uniform").index(name)))
    minima = [draw_minimum(M, width, law, parameter, draw) for _ in range(n)]
    return {
        "width": width,
        "sizes": np.array([minimum.class_sizes for minimum in minima]),
        "classes": np.array([minimum.classes for minimum in minima]),
        "weights": np.array([minimum.weights for minimum in minima]),
    }


def test_law(context: Context, cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the tests of one width: dispersion of class sizes, and three order statistics of the weights.

    Sizes: the mean over networks of ``sum_j (n_j - mean)^2`` among means of as many networks of the uniform law (two-sided
    Monte Carlo p-value). Weights: under Dirichlet(1, ..., 1) each normalised gap of the ordered weights,
    ``(n - k + 1) (alpha_(k) - alpha_(k-1))``, has ``P(gap > x) = (1 - x)^(n-1)``; Kolmogorov-Smirnov over all classes.
    """
    m, sizes = cell["width"], cell["sizes"]
    draw = np.random.default_rng(context.rng(KEY, m, 2))
    reference = dispersion(draw_class_sizes(M, m, N_REFERENCE, draw))
    means = draw.choice(reference, size=(N_MEANS, len(sizes))).mean(axis=1)
    observed = dispersion(sizes).mean()
    tail = min((means <= observed).sum(), (means >= observed).sum())
    found = [
        {
            "test": "class sizes",
            "width": m,
            "p": min(1.0, 2 * (1 + tail) / (1 + N_MEANS)),
            "statistic": observed / means.mean(),
        }
    ]
    for point, values in gap_levels(cell["classes"], cell["weights"]).items():
        result = kstest(values, "uniform")
        found.append({"test": f"{point} gap", "width": m, "p": float(result.pvalue), "statistic": float(result.statistic)})
    return found


def draw_class_sizes(classes: int, width: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw class sizes of the uniform law, shape ``(n, classes)``, class by class from the exact marginals."""
    if classes == 1:
        return np.full((n, 1), width)
    first = rng.choice(width + 1, size=n, p=lmc.class_size_law(classes, width))
    sizes = np.empty((n, classes), dtype=int)
    sizes[:, 0] = first
    for value in np.unique(first):
        mine = first == value
        sizes[mine, 1:] = draw_class_sizes(classes - 1, width - int(value), int(mine.sum()), rng)
    return sizes


def dispersion(sizes: np.ndarray) -> np.ndarray:
    """Return ``sum_j (n_j - mean_j n_j)^2`` of each network."""
    return np.asarray(((sizes - sizes.mean(axis=1, keepdims=True)) ** 2).sum(axis=1))


def gap_levels(classes: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return ``(1 - gap)^(n-1)``, uniform under Dirichlet(1), at three order statistics of each class of two neurons or more."""
    levels: dict[str, list[float]] = {point: [] for point in POINTS}
    for labels, alphas in zip(classes, weights, strict=True):
        for j in range(M):
            alpha = np.sort(alphas[labels == j])
            n = len(alpha)
            if n < 2:
                continue
            gaps = np.arange(n, 0, -1) * np.diff(alpha, prepend=0.0)
            for point, k in zip(POINTS, (0, n // 2, n - 1), strict=True):
                levels[point].append(max(0.0, 1 - gaps[k]) ** (n - 1))
    return {point: np.array(values) for point, values in levels.items()}


def decide(tests: Sequence[dict[str, Any]]) -> Verdict:
    """Refuted if any test rejects at the level of all together, else supported."""
    return Verdict.of(not _rejected(tests))


def _rejected(tests: Sequence[dict[str, Any]]) -> list[str]:
    return [f"{test['test']} (m={test['width']})" for test in tests if test["p"] < LEVEL / len(tests)]


def spread(context: Context, cell: dict[str, Any]) -> dict[str, Any]:
    """Return the variance of class sizes and the mean of ``sum alpha^2`` over those of the uniform law, with 95 % intervals."""
    m = cell["width"]
    law = lmc.class_size_law(M, m)
    variance = float(law @ (np.arange(m + 1) - m / M) ** 2)
    sizes = ((cell["sizes"] - m / M) ** 2).mean(axis=1) / variance
    squares = np.array([_squares(labels, alphas) for labels, alphas in zip(cell["classes"], cell["weights"], strict=True)])
    draw = np.random.default_rng(context.rng(KEY, m, 3))
    result: dict[str, Any] = {"reached": len(sizes), "zeros": float((cell["weights"] == 0).mean())}
    for name, values in (("sizes", sizes), ("squares", squares)):
        means = draw.choice(values, size=(2000, len(values))).mean(axis=1)
        result |= {name: values.mean(), f"{name}_interval": tuple(np.quantile(means, (0.025, 0.975)))}
    return result


def _squares(labels: np.ndarray, alphas: np.ndarray) -> float:
    """Mean over the classes of ``sum alpha^2 (n + 1) / 2``, whose mean is 1 under Dirichlet(1)."""
    return float(np.mean([(alphas[labels == j] ** 2).sum() * (np.sum(labels == j) + 1) / 2 for j in range(M)]))


def _slim(cell: dict[str, Any]) -> dict[str, Any]:
    return {name: cell[name] for name in ("width", "d", "init_scale", "rate", "sizes", "classes", "weights") if name in cell}


def _describe(cell: dict[str, Any], ratio: dict[str, Any]) -> str:
    sizes = Measurement("variance of class sizes over uniform", ratio["sizes"], ratio["sizes_interval"])
    squares = Measurement("sum of squared weights over Dirichlet(1)", ratio["squares"], ratio["squares_interval"])
    scale = cell["init_scale"] * M / cell["width"]
    return (
        f"m={cell['width']}, d={cell['d']}, initial scale {scale:.3g} ({cell['init_scale']:g} M/m), "
        f"learning rate {cell['rate']:g}/m: {sizes}, {squares}, "
        f"{ratio['reached']}/{len(cell['losses'])} runs at a global minimum, zero neurons {ratio['zeros']:.1%}."
    )


CLAIM = Claim(
    name="gd-law",
    statement="The law that gradient descent induces on the manifold of global minima is the uniform law.",
    source="hypothesis of [LLW] and [ZLW], abstract: typical minima are those of the uniform law",
    prediction="class sizes and weights as under the uniform law",
    rule="M = d = 4, learning rate 1/m, initial scale M/m, independent runs projected on the manifold. At each width: "
    "dispersion of class sizes against the exact uniform law (Monte Carlo test), and Kolmogorov-Smirnov tests of the "
    "lightest, the middle and the heaviest normalised gap of the ordered weights in a class against Dirichlet(1). "
    "Refuted if any p-value is below 1 % over the number of tests, else supported. Other initial scales, learning rates "
    "and dimensions are reported.",
    control="Multinomial class sizes with Dirichlet(1) weights, as many, are refuted; samples of the uniform law itself "
    "are not (if they are, the control is inconclusive).",
    experiment=experiment,
)
