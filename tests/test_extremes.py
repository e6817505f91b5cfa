"""Neurons close to collinear or opposite, of any norm, in one dimension, alone: what docs/numerics.md guarantees."""

import numpy as np
import pytest
from reference import (
    EPS,
    angles,
    gradient_scale,
    hessian_scale,
    mp_gradient,
    mp_hessian,
    mp_kernel,
    mp_loss,
    mp_path_loss,
    mp_rows,
)

import lmctheory as lmc
from lmctheory.objectives import PopulationLoss

pytestmark = pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")  # silent in compiled loops

ANGLES = 10.0 ** np.arange(-12, 0)
NORMS = [(1.0, 1.0, 1.0), (1e-150, 1.0, 1e150), (1e150, 1e-150, 1e-150), (1e-150, 1e-150, 1e-150), (1e150, 1e150, 1e150)]


def turned(angle, side, norms):
    """Two students at this angle, or this angle short of opposite, and a teacher close to the first, in general position."""
    basis = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    plane = [[1.0, 0.0, 0.0], [side * np.cos(angle), np.sin(angle), 0.0], [np.cos(angle / 2), 0.0, np.sin(angle / 2)]]
    rows = (np.array(plane) @ basis) * np.array(norms)[:, None]
    return lmc.TwoLayerNet(rows[:2], [1.0, -0.7]), lmc.TwoLayerNet(rows[2:], [0.9])


def line(signs, norms):
    """One dimension, where all angles are 0 or pi."""
    rows = np.array(signs)[:, None] * np.array(norms[: len(signs)])[:, None]
    return lmc.TwoLayerNet(rows[:-1], np.linspace(1.0, -0.5, len(rows) - 1)), lmc.TwoLayerNet(rows[-1:])


CASES = {
    **{f"{side:+d}, {angle:.0e}, {norms}": turned(angle, side, norms) for side in (1, -1) for angle in ANGLES for norms in NORMS},
    **{f"d = 1, {signs}, {norms}": line(signs, norms) for signs in ((1, 1, 1), (1, -1, 1)) for norms in NORMS},
    **{f"d = m = 1, {signs}, {norms}": line(signs, norms) for signs in ((1, 1), (1, -1)) for norms in NORMS},
}
cases = pytest.mark.parametrize(("net", "teacher"), CASES.values(), ids=CASES)


def masses(net):
    return np.abs(net.a) * np.linalg.norm(net.W, axis=1)


@cases
def test_values_and_derivatives_are_right_at_the_extremes(net, teacher):
    rows = np.vstack([net.W, teacher.W])
    norms = np.linalg.norm(rows, axis=1)
    kernel = [[float(mp_kernel(u, v)) for v in mp_rows(rows)] for u in mp_rows(rows)]
    assert (np.abs(lmc.relu_kernel(rows, rows) - kernel) <= 8 * EPS * np.outer(norms, norms)).all()

    total = (masses(net).sum() + masses(teacher).sum()) ** 2
    assert abs(lmc.population_loss(net, teacher) - float(mp_loss(net, teacher))) <= 4 * EPS * total

    (grad_W, grad_a), (exact_W, exact_a) = lmc.population_gradient(net, teacher), mp_gradient(net, teacher)
    assert (np.abs(grad_W - exact_W) <= 8 * EPS * gradient_scale(net, teacher)).all()
    assert (np.abs(grad_a - exact_a) <= 8 * EPS * norms[: net.width] * (masses(net).sum() + masses(teacher).sum())).all()

    difference = np.abs(lmc.population_hessian(net, teacher) - mp_hessian(net, teacher))
    assert difference.max() <= 8 * EPS * hessian_scale(net, teacher)


@pytest.mark.parametrize("norms", NORMS)
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("angle", ANGLES[::4])
def test_losses_along_segments_are_right_at_the_extremes(angle, side, norms):
    net, teacher = turned(angle, side, norms)
    other = net.permute([1, 0])
    positions = np.array([[0.0, 1e-12, 0.3, 0.5, 1.0]])
    found = PopulationLoss(teacher).segments([net], [other])(np.array([0]), positions)[0]
    size = max(masses(net).max(), masses(other).max()) * 2 + masses(teacher).sum()
    # Opposite neurons of 1e-150 cross 0 at a distance whose square is no double: there 1e-12 of the norm is lost.
    tolerance = 1e-12 if max(norms) < 1e-140 and side < 0 else 16 * EPS
    for t, value in zip(positions[0], found, strict=True):
        assert abs(value - float(mp_path_loss(net, other, teacher, t))) <= tolerance * size**2


@pytest.mark.parametrize("scale", [1e-290, 1e-200, 1e-150, 1e150, 1e200, 1e290])
def test_weight_gradient_does_not_depend_on_the_scale_of_one_neuron(scale):
    """``dL/dw_i - a_i^2 w_i`` depends on the direction of w_i, not its norm, also where the square of that is out of range."""
    net, teacher = turned(0.3, 1, (1.0, 1.0, 1.0))
    alone = lmc.TwoLayerNet(net.W[:1], [1.0])
    scaled = lmc.TwoLayerNet(net.W[:1] * scale, [1.0])
    expected = lmc.population_gradient(alone, teacher)[0] - net.W[:1]
    found = lmc.population_gradient(scaled, teacher)[0] - scaled.W
    np.testing.assert_allclose(found, expected, rtol=0, atol=8 * EPS * (1 + scale))


def test_hessian_products_are_right_at_the_extremes():
    for net, teacher in CASES.values():
        direction = np.random.default_rng(0).normal(size=net.W.shape)
        exact = mp_hessian(net, teacher) @ direction.ravel()
        found = PopulationLoss(teacher).hessian_product(net)(direction).ravel()
        assert np.abs(found - exact).max() <= 32 * EPS * hessian_scale(net, teacher)


def test_angles_that_the_cases_are_made_of():
    """The oracle sees the angles that are meant: rounding of the rows moves them by no more than some units of rounding."""
    for angle in ANGLES:
        net, _ = turned(angle, 1, NORMS[1])
        assert abs(angles(net.W[:1], net.W[1:])[0, 0] - angle) < 4 * EPS
