import numpy as np
import pytest
from scipy.stats import binomtest

import lmctheory as lmc
from lmctheory.bootstrap import bootstrap_log_means

WIDTHS = np.array([4, 8, 16, 32, 64, 128, 256, 512])
EXPONENT = -0.75


def lognormal(means, n, rng, sigma=0.5, zeros=0.0):
    """Lognormal samples of the given means, a share `zeros` of them replaced by exact zeros."""
    return [rng.lognormal(np.log(mean) - sigma**2 / 2, sigma, n) * (rng.random(n) >= zeros) / (1 - zeros) for mean in means]


def holds(interval, value):
    return interval[0] <= value <= interval[1]


def significantly_below(hits, n, level=0.93):
    return binomtest(hits, n, level, alternative="less").pvalue < 0.01


# --- point estimates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1.1, 1e-12])
def test_exact_power_law_is_recovered(scale):
    """Samples without any spread, which say nothing about the error."""
    means = scale * WIDTHS**EXPONENT
    with pytest.warns(lmc.ConvergenceWarning, match="at width 4, 8, 16, 32, 64, 128, 256, 512 show no spread"):
        fit = lmc.fit_rate(WIDTHS, [np.full(5, mean) for mean in means], rng=0, n_resamples=100)
    assert fit.exponent == pytest.approx(EXPONENT, abs=1e-13)
    assert np.exp(fit.intercept) == pytest.approx(scale, rel=1e-12)
    for intervals in (fit.interval, fit.curvature_interval, fit.mean_intervals, fit.local_intervals):
        assert np.isnan(intervals).all()
    assert fit.curvature == pytest.approx(0, abs=1e-13)
    np.testing.assert_allclose(fit.means, means, rtol=1e-14)
    np.testing.assert_allclose(fit.local_slopes, EXPONENT, rtol=1e-12)
    np.testing.assert_allclose(fit.predict([1, 1000]), scale * np.array([1, 1000.0**EXPONENT]), rtol=1e-11)


def test_exponent_is_the_least_squares_slope_of_the_log_means():
    samples = lognormal(WIDTHS**EXPONENT, 20, np.random.default_rng(0), zeros=0.2)
    fit = lmc.fit_rate(WIDTHS, samples, rng=0, n_resamples=100)
    log_means = np.log([np.mean(values) for values in samples])
    slope, intercept = np.polyfit(np.log(WIDTHS), log_means, 1)
    assert (fit.exponent, fit.intercept) == pytest.approx((slope, intercept), rel=1e-12)
    assert fit.curvature == pytest.approx(np.polyfit(np.log(WIDTHS), log_means, 2)[0], rel=1e-10)
    np.testing.assert_allclose(fit.local_slopes, np.diff(log_means) / np.diff(np.log(WIDTHS)), rtol=1e-12)
    assert fit.local_intervals.shape == (7, 2)
    assert (fit.resampled, fit.n_resamples, fit.level) == ("samples", 100, 0.95)


def test_units_of_the_samples_do_not_matter():
    samples = lognormal(WIDTHS**EXPONENT, 20, np.random.default_rng(0))
    fits = [lmc.fit_rate(WIDTHS, [scale * values for values in samples], rng=0) for scale in (1.0, 2.0**-40)]
    assert fits[0].interval == pytest.approx(fits[1].interval, rel=1e-12)
    assert fits[0].lack_of_fit == pytest.approx(fits[1].lack_of_fit, rel=1e-10)


@pytest.mark.parametrize("n_widths", [2, 3])
def test_fewest_widths(n_widths):
    samples = lognormal(WIDTHS[:n_widths] ** EXPONENT, 30, np.random.default_rng(0))
    fit = lmc.fit_rate(WIDTHS[:n_widths], samples, rng=0)
    assert holds(fit.interval, fit.exponent)
    assert np.isnan(fit.curvature) == np.isnan(fit.lack_of_fit) == (n_widths == 2)
    assert fit.local_slopes.shape == (n_widths - 1,)


def test_two_samples_a_width_do_not_break_the_bootstrap():
    """Replicates without spread are common here. An honest interval may be infinite, but not undefined."""
    with pytest.warns(lmc.ConvergenceWarning, match="1[0-9]% of the resamples show no spread.* at least 3 different barriers"):
        fit = lmc.fit_rate([4, 8, 16], [[1.0, 2.0], [0.5, 0.9], [0.3, 0.4]], rng=0)
    assert not np.isnan(fit.interval).any()
    assert holds(fit.interval, fit.exponent)


# --- evidence -------------------------------------------------------------------------------------------------------


def test_bent_law_is_detected():
    x = np.log(WIDTHS / 4)
    bent = lmc.fit_rate(WIDTHS, lognormal(np.exp(-0.2 * x - 0.15 * x**2), 50, np.random.default_rng(0)), rng=0)
    assert bent.curvature == pytest.approx(-0.15, abs=0.05)
    assert bent.curvature_interval[1] < 0
    assert bent.lack_of_fit <= 0.001
    assert bent.local_intervals[-1, 1] < bent.local_intervals[0, 0]


def test_straight_law_is_not_called_bent():
    """Each of the two tests may reject a true law in 5 % of data sets; 60 sets, judged at the 0.1 % level."""
    fits = [
        lmc.fit_rate(WIDTHS, lognormal(WIDTHS**EXPONENT, 200, np.random.default_rng([seed, 1]), 0.3), rng=seed, n_resamples=300)
        for seed in range(60)
    ]
    for rejected in (
        sum(not holds(fit.curvature_interval, 0) for fit in fits),
        sum(fit.lack_of_fit < 0.05 for fit in fits),
    ):
        assert binomtest(rejected, 60, 0.05, alternative="greater").pvalue > 0.001


def test_intervals_narrow_with_more_samples_and_widen_with_the_level():
    def width(n, level=0.95):
        fit = lmc.fit_rate(WIDTHS, lognormal(WIDTHS**EXPONENT, n, np.random.default_rng(1)), rng=0, level=level)
        return np.diff(fit.interval)[0]

    assert width(1600) == pytest.approx(width(100) / 4, rel=0.3)
    assert width(100, 0.99) > 1.15 * width(100)


# --- coverage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [0.0, 0.3])
def test_intervals_cover(zeros):
    """1000 data sets of 30 skew samples at each of 8 widths."""
    n, hits, together = 1000, 0, 0
    means = WIDTHS**EXPONENT
    for seed in range(n):
        samples = lognormal(means, 30, np.random.default_rng([seed, 2]), sigma=1.0, zeros=zeros)
        hits += holds(lmc.fit_rate(WIDTHS, samples, rng=seed, n_resamples=300).interval, EXPONENT)
        boot = bootstrap_log_means(samples, None, n_resamples=300, root=np.random.SeedSequence(seed))
        low, high = boot.simultaneous_intervals(0.95).T
        together += bool((low <= means).all() and (means <= high).all())
    assert not significantly_below(hits, n)
    assert not significantly_below(together, n)


def network_effects(n_networks, rng, effect=0.5):
    """Barriers of all pairs among networks that make all their barriers high or low."""
    pairs = np.stack(np.triu_indices(n_networks, 1), axis=1)
    samples = []
    for m in WIDTHS:
        effects = rng.normal(scale=effect, size=n_networks)
        samples.append(m**EXPONENT * np.exp(effects[pairs].sum(axis=1) + rng.normal(scale=0.3, size=len(pairs))))
    return samples, [pairs] * len(WIDTHS)


def test_intervals_cover_where_pairs_share_networks():
    """Resampling networks covers; resampling pairs as if they were independent does not."""
    n, hits, naive_hits, ratios = 400, 0, 0, []
    for seed in range(n):
        samples, pairs = network_effects(10, np.random.default_rng([seed, 3]))
        fit = lmc.fit_rate(WIDTHS, samples, rng=seed, pairs=pairs, n_resamples=300)
        naive = lmc.fit_rate(WIDTHS, samples, rng=seed, n_resamples=300)
        assert fit.exponent == pytest.approx(naive.exponent)
        assert fit.resampled == "networks"
        hits += holds(fit.interval, EXPONENT)
        naive_hits += holds(naive.interval, EXPONENT)
        ratios.append(np.diff(fit.interval)[0] / np.diff(naive.interval)[0])
    assert not significantly_below(hits, n)
    assert significantly_below(naive_hits, n)
    assert np.median(ratios) > 1.5


def test_names_of_networks_and_order_within_pairs_do_not_matter():
    samples, pairs = network_effects(6, np.random.default_rng(0))
    fit = lmc.fit_rate(WIDTHS, samples, rng=0, pairs=pairs)
    other = lmc.fit_rate(WIDTHS, samples, rng=0, pairs=[100 + 7 * indices[:, ::-1] for indices in pairs])
    assert fit.interval == pytest.approx(other.interval, rel=1e-12)


# --- bookkeeping ----------------------------------------------------------------------------------------------------


def test_dropped_resamples_are_counted_and_warned_about():
    """One non-zero barrier in three: a resample misses it with probability 8/27."""
    with pytest.warns(lmc.ConvergenceWarning, match="resamples have a mean of zero"):
        fit = lmc.fit_rate([4, 8], [[0, 0, 1.0], [1, 1.5, 2, 2.5]], rng=0, n_resamples=1000)
    assert binomtest(fit.dropped_resamples, 1000, 8 / 27).pvalue > 0.001


def test_single_zeros_are_legitimate():
    samples = lognormal(WIDTHS**EXPONENT, 30, np.random.default_rng(0), zeros=0.3)
    assert any((values == 0).any() for values in samples)
    assert lmc.fit_rate(WIDTHS, samples, rng=0).dropped_resamples == 0


def test_fit_is_reproducible():
    samples = lognormal(WIDTHS**EXPONENT, 10, np.random.default_rng(0))

    def interval(rng):
        return lmc.fit_rate(WIDTHS, samples, rng=rng, n_resamples=100).interval

    assert interval(5) == interval(5) != interval(6)
    assert interval(np.random.SeedSequence(5)) == interval(5)
    generator = np.random.default_rng(5)
    assert interval(generator) != interval(generator)
    assert lmc.fit_rate(WIDTHS, samples, rng=5).seed == (5, ())
