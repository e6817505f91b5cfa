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
