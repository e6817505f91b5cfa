import matplotlib.pyplot as plt
import numpy as np
import pytest

import lmctheory as lmc

WIDTHS = [8, 16, 32]
SAMPLES = [np.random.default_rng(m).exponential(1 / m, 40) for m in WIDTHS]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_axes_are_logarithmic_and_labelled():
    ax = lmc.plotting.rate_plot(WIDTHS, SAMPLES)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_xlabel() == "width $m$"
    assert ax.get_ylabel() == "mean barrier"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "16", "32"]
    ax.figure.canvas.draw()


def test_means_fit_and_reference_are_drawn():
    fit = lmc.fit_rate(WIDTHS, SAMPLES, rng=0)
    ax = lmc.plotting.rate_plot(WIDTHS, SAMPLES, fit=fit, reference=-0.5, label="teachers")
    curves = [np.asarray(line.get_ydata(), dtype=float) for line in ax.lines if len(line.get_ydata()) == len(WIDTHS)]
    for expected in (fit.means, fit.predict(WIDTHS), fit.means[0] * (np.array(WIDTHS) / 8) ** -0.5):
        assert any(np.allclose(curve, expected, rtol=1e-12) for curve in curves)
    legend = " ".join(text.get_text() for text in ax.get_legend().get_texts())
    assert "teachers" in legend
    assert f"{fit.exponent:.2f}".replace("-", lmc.plotting.MINUS) in legend
    assert f"slope {lmc.plotting.MINUS}0.5" in legend


def test_error_bars_are_the_intervals_of_the_means():
    fit = lmc.fit_rate(WIDTHS, SAMPLES, rng=0)
    ax = lmc.plotting.rate_plot(WIDTHS, SAMPLES, fit=fit)
    segments = ax.containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in segments], fit.mean_intervals, rtol=1e-12)


def test_given_axes_are_used_and_the_reference_can_be_left_out():
    figure, axes = plt.subplots(1, 2)
    assert lmc.plotting.rate_plot(WIDTHS, SAMPLES, reference=None, ax=axes[1]) is axes[1]
    assert not axes[0].lines
    assert plt.get_fignums() == [figure.number]
    assert not any("slope" in text.get_text() for text in axes[1].get_legend().get_texts())


def test_global_style_is_left_alone():
    before = dict(plt.rcParams)
    lmc.plotting.rate_plot(WIDTHS, SAMPLES)
    assert dict(plt.rcParams) == before


def test_triangle_has_its_corners_labelled_and_its_values_inside():
    points = np.vstack([np.eye(3), np.full((1, 3), 1 / 3), [[0.5, 0.5, 0.0]]])
    ax = lmc.plotting.triangle_plot(points, [0.0, 0.0, 0.0, 1.0, 0.5], labels=("A", "B", "C"))
    assert [text.get_text() for text in ax.texts] == ["A", "B", "C"]
    assert ax.collections[-1].get_clim() == (0.0, 1.0)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[0, 0], [1, 0], [0.5, np.sqrt(0.75)], [0, 0]])
    ax.figure.canvas.draw()


def test_triangles_can_share_their_colours_and_flat_ones_are_drawn():
    _, axes = plt.subplots(1, 2)
    points = np.vstack([np.eye(3), np.full((1, 3), 1 / 3)])
    for ax, value in zip(axes, (1.0, 0.0), strict=True):
        found = lmc.plotting.triangle_plot(points, [0.0, 0.0, 0.0, value], ax, limits=(0.0, 2.0))
        assert found is ax
        assert found.collections[-1].get_clim() == (0.0, 2.0)
    lmc.plotting.triangle_plot(points, np.zeros(4)).figure.canvas.draw()


def test_accuracy_plot_shows_each_path_on_both_axes():
    t = np.linspace(0, 1, 33)
    losses, accuracies = {"naive": t * (1 - t), "aligned": 0 * t}, {"naive": 1 - t * (1 - t), "aligned": 0 * t + 1}
    upper, lower = lmc.plotting.accuracy_plot(t, losses, accuracies)
    for ax, values in ((upper, losses), (lower, accuracies)):
        assert [line.get_label() for line in ax.lines] == ["naive", "aligned"]
        for line, expected in zip(ax.lines, values.values(), strict=True):
            assert np.array_equal(line.get_xdata(), t)
            assert np.array_equal(line.get_ydata(), expected)
        assert len({line.get_color() for line in ax.lines}) == len({line.get_linestyle() for line in ax.lines}) == 2
    assert (upper.get_ylabel(), lower.get_ylabel()) == ("loss", "accuracy")
    again = lmc.plotting.accuracy_plot(t, losses, accuracies, (upper, lower))
    assert again == (upper, lower)
    assert len(upper.lines) == 4
    plt.close(upper.figure)
