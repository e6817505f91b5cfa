"""Power laws of barriers in any unit, of barriers that are all the same, and of too few."""

import numpy as np
import pytest

import lmctheory as lmc
from lmctheory.rates import LEAST_STEP

WIDTHS = np.array([8, 16, 32, 64])
SCALES = [1e-300, 1e-200, 1e-160, 1e-155, 1e-20, 7.0, 1e100, 1e154, 1e155, 1e200, 1e300]


def samples_of(seed, n=12, zeros=0):
    rng = np.random.default_rng(seed)
    samples = [rng.lognormal(-np.log(m), 0.7, n) for m in WIDTHS]
    for values in samples:
        values[:zeros] = 0
    return samples


def all_pairs(n):
    return np.stack(np.triu_indices(n, 1), axis=1)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("resampled", ["samples", "networks"])
def test_units_change_the_intercept_alone(scale, resampled):
    samples = samples_of(0, n=28, zeros=2)
    pairs = None if resampled == "samples" else [all_pairs(8)] * 4
    here, there = (lmc.fit_rate(WIDTHS, [unit * s for s in samples], pairs=pairs, rng=0) for unit in (1.0, scale))
    for name in ("exponent", "interval", "curvature", "curvature_interval", "lack_of_fit", "local_slopes", "local_intervals"):
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=1e-11)
    assert there.intercept == pytest.approx(here.intercept + np.log(scale), rel=1e-12)
    np.testing.assert_allclose(there.means, here.means * scale, rtol=1e-13)
    np.testing.assert_allclose(there.mean_intervals, here.mean_intervals * scale, rtol=1e-11)
    np.testing.assert_allclose(there.predict(WIDTHS), here.predict(WIDTHS) * scale, rtol=1e-11)
    assert there.interval[0] < there.exponent < there.interval[1]


def test_each_width_may_have_a_scale_of_its_own():
    """Barriers that fall from 1e200 to 1e-200 within one fit."""
    factors = 10.0 ** np.array([200, 70, -70, -200])
    fit = lmc.fit_rate(WIDTHS, [f * s for f, s in zip(factors, samples_of(1), strict=True)], rng=0)
    plain = lmc.fit_rate(WIDTHS, samples_of(1), rng=0)
    slope = np.polyfit(np.log(WIDTHS), np.log(factors), 1)[0]
    assert fit.exponent == pytest.approx(plain.exponent + slope, rel=1e-12)
    assert np.ptp(fit.interval) == pytest.approx(np.ptp(plain.interval), rel=1e-9)


def test_barriers_at_the_ends_of_the_range_of_numbers():
    for values in ([5e-324, 1e-310, 3e-308], [1e308, 1.5e308, 1.7e308]):
        fit = lmc.fit_rate([8, 16], [values, values], rng=0, n_resamples=200)
        assert fit.exponent == pytest.approx(0, abs=1e-12)
        assert 0 < fit.interval[1] < np.inf


@pytest.mark.parametrize("constant", [0, 1, 2, 3])
def test_one_width_without_spread(constant):
    """Also the middle of three, on which the slope does not depend: nothing is known of its error."""
    samples = samples_of(2)
    samples[constant] = np.full(12, 0.1 * 3)
    for widths, some in ((WIDTHS, samples), (WIDTHS[constant : constant + 2], samples[constant : constant + 2])):
        if len(widths) < 2:
            continue
        with pytest.warns(lmc.ConvergenceWarning, match=f"barriers at width {WIDTHS[constant]} show no spread"):
            fit = lmc.fit_rate(widths, some, rng=0)
        assert np.isnan(fit.interval).all()
        assert np.isnan(fit.curvature_interval).all()
        assert np.isnan(fit.lack_of_fit)
        without = widths == WIDTHS[constant]
        np.testing.assert_array_equal(np.isnan(fit.mean_intervals).all(axis=1), without)
        np.testing.assert_array_equal(np.isnan(fit.local_intervals).all(axis=1), without[1:] | without[:-1])
        assert np.isfinite(fit.exponent)


def test_the_middle_of_three_widths_counts():
    samples = samples_of(3)[:3]
    samples[1][:] = 0.02
    with pytest.warns(lmc.ConvergenceWarning, match="width 16 show no spread"):
        assert np.isnan(lmc.fit_rate(WIDTHS[:3], samples, rng=0).interval).all()


@pytest.mark.parametrize("scale", [1e-250, 1.0, 3e250])
@pytest.mark.parametrize("n", [2, 3, 30])
def test_equal_barriers_are_no_certainty(scale, n):
    with pytest.warns(lmc.ConvergenceWarning, match="at width 8, 16 show no spread, which is no certainty"):
        fit = lmc.fit_rate([8, 16], [np.full(n, 0.02 * scale), np.full(n, 0.01 * scale)], rng=0)
    assert fit.exponent == pytest.approx(-1, rel=1e-12)
    assert np.isnan(fit.interval).all()
    assert np.isnan(fit.mean_intervals).all()


def test_networks_without_spread():
    with pytest.warns(lmc.ConvergenceWarning, match="show no spread"):
        fit = lmc.fit_rate([8, 16], [np.full(28, 0.2), np.full(28, 0.1)], pairs=[all_pairs(8)] * 2, rng=0)
    assert np.isnan(fit.interval).all()


def test_two_different_barriers_a_width_are_too_few_and_three_are_enough():
    with pytest.warns(
        lmc.ConvergenceWarning, match="2[0-9]% of the resamples .* level 0.95: at least 3 different barriers at each"
    ):
        fit = lmc.fit_rate([8, 16], [[0.02, 0.03], [0.01, 0.02]], rng=0)
    assert fit.interval == (-np.inf, np.inf)
    enough = lmc.fit_rate([8, 16], [[0.02, 0.025, 0.03], [0.01, 0.015, 0.02]], rng=0)
    assert np.isfinite(enough.interval).all()
    with pytest.warns(lmc.ConvergenceWarning, match="more networks at each width are needed"), pytest.warns(match="mean of zero"):
        lmc.fit_rate([8, 16], [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], pairs=[all_pairs(3)] * 2, rng=0)


@pytest.mark.parametrize("first", [1.0, 8.0, 1e6, 1e-3])
def test_widths_that_hardly_differ(first):
    samples = samples_of(4)[:2]
    for gap in (0, 2e-16, 1e-15, LEAST_STEP / 2):
        with pytest.raises(
            lmc.InvalidInputError, match=r"widths must (be positive and increasing|differ by more than a part 1e-09)"
        ):
            lmc.fit_rate([first, first * (1 + gap)], samples)
    close = np.array([first, first * (1 + 1e-8)])
    fit = lmc.fit_rate(close, samples, rng=0)
    step = np.log1p((close[1] - close[0]) / close[0])
    assert fit.exponent == pytest.approx(np.log(samples[1].mean() / samples[0].mean()) / step, rel=1e-12)
    assert fit.local_slopes[0] == pytest.approx(fit.exponent, rel=1e-12)
    assert fit.interval == pytest.approx(fit.local_intervals[0], rel=1e-12)


def test_widths_of_every_size():
    for widths in ([1e-300, 1e300], [5e-324, 1.0], [1.0, 1.7e308]):
        fit = lmc.fit_rate(widths, samples_of(5)[:2], rng=0)
        ratio = np.log(widths[1]) - np.log(widths[0])
        assert fit.exponent == pytest.approx(np.log(samples_of(5)[1].mean() / samples_of(5)[0].mean()) / ratio, rel=1e-12)
