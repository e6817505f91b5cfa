import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from lmctheory.paths import maximise_excess


def bump(t):
    return np.exp(-100 * (t - 0.37) ** 2) + t


def found_on(function, *args, **options):
    """The maximum on one path, whose loss depends on the position alone."""
    found = maximise_excess(lambda paths, ts: function(ts), 1, *args, **options)
    return found.heights[0], found.positions[0], found


def highest(function):
    """An independent maximum on [0, 1]: a dense grid, then a bounded search round its best point."""
    ts = np.linspace(0, 1, 20_001)
    best = ts[np.argmax(function(ts))]
    bounds = max(best - 1e-4, 0), min(best + 1e-4, 1)
    search = minimize_scalar(lambda t: -function(t), bounds=bounds, method="bounded", options={"xatol": 1e-10})
    return max(-search.fun, function(best))


def over_chord(function):
    return lambda t: function(t) - (1 - t) * function(0.0) - t * function(1.0)


@pytest.mark.parametrize("grid_size", [9, 33, 34])
def test_smooth_maximum_is_refined(grid_size):
    height, position, found = found_on(bump, grid_size=grid_size)
    assert height == pytest.approx(highest(over_chord(bump)), abs=1e-12)
    assert height > over_chord(bump)(found.grid).max() + 1e-6
    assert height == pytest.approx(over_chord(bump)(position), abs=1e-15)
    np.testing.assert_array_equal(found.grid, np.linspace(0, 1, grid_size))
    np.testing.assert_array_equal(found.losses, [bump(found.grid)])


def test_kinds_agree_with_their_definitions():
    level = (bump(0.0) + bump(1.0)) / 2
    assert found_on(bump, "endpoint-mean")[0] == pytest.approx(highest(bump) - level, abs=1e-12)
    height, position, _ = found_on(bump, "midpoint", grid_size=4)
    assert height == bump(0.5) - level
    assert position == 0.5


def test_convex_path_has_no_excess():
    def parabola(t):
        return (t - 0.3) ** 2

    height, position, _ = found_on(parabola)
    assert height == 0.0
    assert position in (0.0, 1.0)
    assert found_on(parabola, "midpoint")[0] == pytest.approx(-0.25)
    assert found_on(parabola, "endpoint-mean")[0] == pytest.approx(0.49 - 0.29)


def test_affine_path_has_no_excess_beyond_rounding():
    assert 0 <= found_on(lambda t: 3 - 2 * t)[0] < 1e-14


def test_higher_of_two_close_maxima_is_found():
    """The higher one lies between grid points, so that the grid alone prefers the other."""

    def two(t):
        return 0.99 * np.exp(-400 * (t - 0.25) ** 2) + np.exp(-400 * (t - 0.75 - 1 / 64) ** 2)

    height, position, found = found_on(two)
    assert np.argmax(found.losses) == 8
    assert height == pytest.approx(highest(over_chord(two)), abs=1e-12)
    assert position == pytest.approx(0.75 + 1 / 64, abs=1e-4)


@pytest.mark.parametrize("position", [0.001, 0.999])
def test_maximum_in_the_first_or_last_interval_is_found(position):
    def early(t):
        return np.exp(-(((t - position) / 0.01) ** 2))

    assert found_on(early)[0] == pytest.approx(highest(over_chord(early)), abs=1e-10)


def test_paths_of_a_batch_do_not_affect_one_another():
    centres = np.array([0.1, 0.37, 0.5, 0.93])

    def losses(paths, ts):
        return np.exp(-50 * (ts - centres[paths][:, None]) ** 2)

    found = maximise_excess(losses, len(centres))
    for k, centre in enumerate(centres):
        height, position, alone = found_on(lambda t, centre=centre: np.exp(-50 * (t - centre) ** 2))
        assert (found.heights[k], found.positions[k]) == (height, position)
        np.testing.assert_array_equal(found.losses[k], alone.losses[0])
