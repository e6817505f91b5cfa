from itertools import pairwise

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from reference import (
    EPS,
    gradient_scale,
    hessian_scale,
    loss_and_gradient,
    mp_differences,
    mp_gradient,
    mp_loss,
    mp_path_loss,
    path_floor,
)

import lmctheory as lmc
from lmctheory.objectives import PopulationLoss, population, span_coordinates
from lmctheory.strategies import networks, permutations, rescalings, rotations, students_and_teachers, teachers

RNG = np.random.default_rng(7)
U, V = RNG.normal(size=(2, 3))
NEARLY = U * (1 + np.array([1e-15, -3e-12, 1e-8]))
Net = lmc.TwoLayerNet


def random_net(m, d, seed=0, signs=True):
    rng = np.random.default_rng([m, d, seed])
    return Net(rng.normal(size=(m, d)), rng.normal(size=m) if signs else None)


def minimum(m, M, d, seed=0):
    """A global minimum for the orthonormal teacher: Dirichlet weights on its axes."""
    rng = np.random.default_rng([m, M, d, seed])
    labels = np.concatenate([np.arange(M), rng.integers(M, size=m - M)])
    W = np.zeros((m, d))
    for j in range(M):
        W[labels == j, j] = rng.dirichlet(np.ones((labels == j).sum()))
    return Net(rng.permutation(W))


def perturbed(net, size, seed=0):
    return Net(net.W + size * np.random.default_rng(seed).normal(size=net.W.shape), net.a)


ORTHONORMAL = lmc.orthonormal_teacher(2, 3)
CASES = {
    "random": (random_net(4, 3), random_net(2, 3, 1)),
    "mixed signs": (Net(RNG.normal(size=(3, 2)), [1, -2, 0.5]), Net(RNG.normal(size=(2, 2)), [-1, 3])),
    "M = d": (random_net(2, 3), lmc.orthonormal_teacher(3, 3)),
    "m = 1": (random_net(1, 3), ORTHONORMAL),
    "d = 1": (Net([[2.0], [-3.0], [0.5]], [1, -1, 2]), Net([[1.0], [-1.0]])),
    "zero output weight": (Net([U, V], [0.0, 1.0]), ORTHONORMAL),
    "zero neuron": (Net([U, 0 * U, V], [1, 2, -1]), ORTHONORMAL),
    "all zero": (Net(np.zeros((2, 3))), ORTHONORMAL),
    "zero teacher neuron": (Net([U, V]), Net([V, 0 * V], [1, -1])),
    "duplicates": (Net([U, U, V], [1, -3, 2]), Net([U, V])),
    "exactly opposite": (Net([U, -U, V], [1, 1, -1]), Net([-V, U])),
    "nearly collinear": (Net([U, NEARLY, -NEARLY, 2 * NEARLY], [1, -1, 1, 2]), Net([NEARLY, -U])),
    "exact recovery": (ORTHONORMAL.permute([1, 0]), ORTHONORMAL),
    "near a minimum": (perturbed(minimum(5, 2, 3), 1e-9), ORTHONORMAL),
    "tiny and large": (Net([1e-100 * U, 1e5 * V], [1, -1e-5]), ORTHONORMAL),
}
SMOOTH = [name for name, (net, _) in CASES.items() if net.W.any(axis=1).all() and name != "tiny and large"]
cases = pytest.mark.parametrize(("net", "teacher"), CASES.values(), ids=CASES)


# --- oracles --------------------------------------------------------------------------------------------------------


@cases
def test_loss_agrees_with_high_precision_arithmetic(net, teacher):
    exact, found, floor = float(mp_loss(net, teacher)), lmc.population_loss(net, teacher), lmc.loss_floor(net, teacher)
    assert abs(found - exact) <= floor
    assert found >= 0
    assert floor < 1e-13 * max(1.0, exact) or floor < 1e-13 * max(1.0, path_floor(net, net, teacher) / EPS)


@pytest.mark.parametrize("seed", range(40))
def test_loss_of_random_networks_is_right_to_the_floor(seed):
    rng = np.random.default_rng([seed, 5])
    m, d, M = rng.integers(1, 9, size=3)
    net, teacher = random_net(m, d, seed), random_net(M, d, seed + 1000)
    exact = float(mp_loss(net, teacher))
    assert abs(lmc.population_loss(net, teacher) - exact) <= lmc.loss_floor(net, teacher)
    assert lmc.population_loss(net, teacher) == pytest.approx(exact, rel=1e-13, abs=lmc.loss_floor(net, teacher))


@pytest.mark.parametrize(("m", "M", "d"), [(128, 4, 8), (128, 4, 4)])
@pytest.mark.parametrize("noise", [0.0, 1e-8, 1e-3, 0.3])
def test_wide_networks_near_a_minimum_are_right_to_the_floor(m, M, d, noise):
    net, teacher = perturbed(minimum(m, M, d), noise / m), lmc.orthonormal_teacher(M, d)
    exact = float(mp_loss(net, teacher))
    assert abs(lmc.population_loss(net, teacher) - exact) <= lmc.loss_floor(net, teacher) < 1e-13


@pytest.mark.parametrize(("d", "seed"), [*((100, seed) for seed in range(5)), (10_000, 0)])
def test_loss_in_many_dimensions_is_right_to_the_floor(d, seed):
    net, teacher = random_net(3, d, seed), random_net(2, d, seed + 10)
    assert abs(lmc.population_loss(net, teacher) - float(mp_loss(net, teacher))) <= lmc.loss_floor(net, teacher)
    assert lmc.population_loss(net, net) <= lmc.loss_floor(net, net)


@pytest.mark.parametrize("name", ["random", "mixed signs", "exactly opposite"])
def test_loss_is_13_digits_right_where_it_is_not_small(name):
    net, teacher = CASES[name]
    assert lmc.population_loss(net, teacher) == pytest.approx(float(mp_loss(net, teacher)), rel=1e-13)


@pytest.mark.parametrize("name", ["random", "mixed signs", "duplicates", "m = 1"])
def test_loss_and_output_gradient_are_the_means_over_inputs(name):
    net, teacher = CASES[name]
    inputs = np.random.default_rng(3).normal(size=(400_000, net.input_dim))
    residual = net(inputs) - teacher(inputs)
    draws = np.column_stack([residual**2, 2 * residual[:, None] * np.maximum(inputs @ net.W.T, 0)])
    exact = [lmc.population_loss(net, teacher), *lmc.population_gradient(net, teacher)[1]]
    z = (draws.mean(axis=0) - exact) / (draws.std(axis=0) / np.sqrt(len(inputs)))
    assert np.abs(z).max() < 3.9  # 14 comparisons in all: exceeded by chance in 0.13 % of seeds


@pytest.mark.parametrize("name", ["random", "mixed signs", "M = d"])
def test_sphere_is_the_mean_over_the_sphere(name):
    net, teacher = CASES[name]
    inputs = np.random.default_rng(4).normal(size=(400_000, net.input_dim))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    draws = (net(inputs) - teacher(inputs)) ** 2
    z = (draws.mean() - lmc.population_loss(net, teacher, inputs="sphere")) / (draws.std() / np.sqrt(len(draws)))
    assert abs(z) < 3.5


@cases
def test_gradient_agrees_with_high_precision_arithmetic(net, teacher):
    grad_W, grad_a = lmc.population_gradient(net, teacher)
    exact_W, exact_a = mp_gradient(net, teacher)
    scale = gradient_scale(net, teacher)
    assert (np.abs(grad_W - exact_W) <= 8 * EPS * scale).all()
    norms = np.linalg.norm(net.W, axis=1)
    masses = np.abs(net.a) @ norms + np.abs(teacher.a) @ np.linalg.norm(teacher.W, axis=1)
    assert (np.abs(grad_a - exact_a) <= 8 * EPS * norms * masses).all()


@pytest.mark.parametrize("name", SMOOTH)
def test_gradient_and_hessian_agree_with_differences(name):
    net, teacher = CASES[name]
    gradient, hessian = mp_differences(net, teacher)
    assert (np.abs(lmc.population_gradient(net, teacher)[0] - gradient) <= 8 * EPS * gradient_scale(net, teacher)).all()
    assert np.abs(lmc.population_hessian(net, teacher) - hessian).max() <= 8 * EPS * hessian_scale(net, teacher)


def product_columns(net, teacher):
    """The Hessian, column by column, from products with unit directions."""
    product = PopulationLoss(teacher).hessian_product(net)
    return np.stack([product(unit.reshape(net.W.shape)).ravel() for unit in np.eye(net.W.size)], axis=1)


@cases
def test_hessian_products_with_unit_directions_are_its_columns(net, teacher):
    difference = product_columns(net, teacher) - lmc.population_hessian(net, teacher)
    assert np.abs(difference).max() <= 8 * EPS * hessian_scale(net, teacher)


@given(st.data())
def test_hessian_products_are_those_of_the_matrix(data):
    net, teacher = data.draw(students_and_teachers())
    difference = product_columns(net, teacher) - lmc.population_hessian(net, teacher)
    assert np.abs(difference).max() <= 8 * EPS * hessian_scale(net, teacher)


@pytest.mark.parametrize("angle", 10.0 ** np.arange(-18, 0))
def test_hessian_products_are_right_however_close_to_collinear_neurons_are(angle):
    turned = np.array([[1.0, angle, 0.0], [-3.0, angle, angle], [0.5, 0.0, -angle]])
    net, teacher = Net(turned, [1.0, 2.0, -1.0]), lmc.orthonormal_teacher(1, 3)
    difference = product_columns(net, teacher) - lmc.population_hessian(net, teacher)
    assert np.abs(difference).max() <= 8 * EPS * hessian_scale(net, teacher)


def test_hessian_product_is_the_directional_derivative_of_the_gradient():
    """Central differences in double precision, where the Hessian has 800 columns: a zero, two equal and two opposite neurons."""
    net, teacher = random_net(40, 20), random_net(3, 20, 1)
    W = net.W.copy()
    W[0], W[1], W[2] = 0.0, W[3], -W[3]
    direction = np.random.default_rng(5).normal(size=W.shape) * W.any(axis=1)[:, None]  # the loss has a cone at the zero neuron
    direction[[1, 2]] = direction[3], -direction[3]  # and Lipschitz derivatives elsewhere
    h = 1e-5
    gradients = [PopulationLoss(teacher, "sphere").value_and_gradient(Net(W + s * h * direction, net.a))[1] for s in (1, -1)]
    product = PopulationLoss(teacher, "sphere").hessian_product(Net(W, net.a))(direction)
    assert np.abs((gradients[0] - gradients[1]) / (2 * h) - product).max() < 1e-8 * np.abs(product).max()


def gauss_newton_matrix(net, teacher):
    product = PopulationLoss(teacher).hessian_product(net, gauss_newton=True)
    return np.stack([product(unit.reshape(net.W.shape)).ravel() for unit in np.eye(net.W.size)], axis=1)


def test_gauss_newton_matrix_is_twice_the_second_moment_of_the_gradient_of_the_network():
    """``2 E[g g']`` with ``g_i = a_i 1{w_i . x > 0} x``, in the plane by the midpoint rule over angles."""
    net = Net([[1.0, 0.2], [-0.3, 0.8], [0.0, 0.0], [-2.0, -0.4]], [1.0, -2.0, 1.0, 0.5])
    n = 200_000
    angles = 2 * np.pi * (np.arange(n) + 0.5) / n
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    g = ((x @ net.W.T > 0) * net.a)[:, :, None] * x[:, None, :]
    moments = 2 * 2 * np.einsum("nik,njl->ikjl", g, g).reshape(8, 8) / n  # E|x|^2 = 2
    np.testing.assert_allclose(gauss_newton_matrix(net, lmc.orthonormal_teacher(1, 2)), moments, rtol=0, atol=1e-4)


@given(st.data())
def test_gauss_newton_matrix_is_the_hessian_without_what_bends_single_neurons(data):
    net, teacher = data.draw(students_and_teachers())
    rest = (lmc.population_hessian(net, teacher) - gauss_newton_matrix(net, teacher)).reshape(*net.W.shape, *net.W.shape)
    for i in range(net.width):
        rest[i, :, i] = 0.0
    assert np.abs(rest).max() <= 8 * EPS * hessian_scale(net, teacher)
    eigenvalues = np.linalg.eigvalsh(gauss_newton_matrix(net, teacher))
    assert eigenvalues[0] >= -64 * EPS * max(eigenvalues[-1], 1.0)


def test_gauss_newton_matrix_is_the_hessian_where_the_loss_is_zero():
    minimum = Net(np.eye(3)[[0, 1, 2, 1, 0]] * np.array([[0.4, 0.3, 1.0, 0.7, 0.6]]).T)
    teacher = lmc.orthonormal_teacher(3, 3)
    np.testing.assert_allclose(
        gauss_newton_matrix(minimum, teacher), lmc.population_hessian(minimum, teacher), rtol=0, atol=1e-14
    )


@pytest.mark.parametrize("d", [2, 3])
def test_derivatives_agree_with_symbolic_differentiation(d):
    gradient, same, cross, u, v = lmc.symbolic.kernel_derivatives(d)
    derive = sp.lambdify([u, v], [gradient, same, cross], "numpy", cse=True)
    (w1, w2), a = np.random.default_rng(d).normal(size=(2, d)), np.array([1.5, -0.7])
    net, nothing = Net([w1, w2], a), Net(np.zeros((1, d)))
    (g12, same12, cross12), (g21, same21, _) = derive(w1, w2), derive(w2, w1)
    hessian = np.block([
        [a[0] ** 2 * np.eye(d) + 2 * a[0] * a[1] * same12, 2 * a[0] * a[1] * cross12],
        [2 * a[0] * a[1] * cross12.T, a[1] ** 2 * np.eye(d) + 2 * a[0] * a[1] * same21],
    ])  # fmt: skip
    expected = np.stack([a[0] ** 2 * w1 + 2 * a[0] * a[1] * g12[:, 0], a[1] ** 2 * w2 + 2 * a[0] * a[1] * g21[:, 0]])
    # The derived expressions go through an arccosine in double precision, with angles that are far from 0 and pi here.
    np.testing.assert_allclose(lmc.population_gradient(net, nothing)[0], expected, rtol=1e-13)
    np.testing.assert_allclose(lmc.population_hessian(net, nothing), hessian, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("m", "M", "d"), [(1, 1, 2), (5, 3, 4), (32, 8, 16), (7, 2, 150), (261, 3, 2), (1030, 1, 1)])
def test_compiled_loss_and_gradient_agree_with_plain_numpy(m, M, d):
    net, teacher = random_net(m, d), random_net(M, d, 1)
    value, gradient = PopulationLoss(teacher).value_and_gradient(net)
    expected, expected_gradient = loss_and_gradient(net.W, net.a, teacher.W, teacher.a)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=0, atol=1e-12 * np.abs(expected_gradient).max())


@pytest.mark.parametrize("name", [name for name, (net, _) in CASES.items() if not net.W.any(axis=1).all()])
def test_zero_neurons_stay_where_they_are(name):
    net, teacher = CASES[name]
    zero = ~net.W.any(axis=1)
    assert (lmc.population_gradient(net, teacher)[0][zero] == 0).all()
    rows = np.repeat(zero, net.input_dim)
    hessian = lmc.population_hessian(net, teacher)
    assert (hessian[rows] == 0).all()
    assert (hessian[:, rows] == 0).all()
    active = Net(net.W[~zero], net.a[~zero]) if not zero.all() else None
    if active:
        np.testing.assert_allclose(hessian[np.ix_(~rows, ~rows)], lmc.population_hessian(active, teacher), rtol=0, atol=1e-14)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize("W", [[[1e200, 0, 0]], [[1e200, 0, 0], [0, 1, 0]], [[1e200, 0, 0], [-1e200, 0, 0]]])
def test_overflow_is_not_reported_as_a_small_loss(W):
    """The squares of these weights overflow: an infinite or undefined loss is right, a finite one is not."""
    assert not np.isfinite(lmc.population_loss(Net(W), ORTHONORMAL))


# --- invariances ----------------------------------------------------------------------------------------------------


@given(st.data())
def test_loss_gradient_and_spectrum_do_not_depend_on_the_order_of_neurons(data):
    net, teacher = data.draw(students_and_teachers())
    perm, teacher_perm = data.draw(permutations(net.width)), data.draw(permutations(teacher.width))
    permuted, other = net.permute(perm), teacher.permute(teacher_perm)
    floor = lmc.loss_floor(net, teacher)
    assert lmc.loss_floor(permuted, other) == pytest.approx(floor)
    assert abs(lmc.population_loss(permuted, other) - lmc.population_loss(net, teacher)) <= 2 * floor
    grad_W, grad_a = lmc.population_gradient(net, teacher)
    permuted_W, permuted_a = lmc.population_gradient(permuted, other)
    scale = gradient_scale(net, teacher)[perm]
    assert (np.abs(permuted_W - grad_W[perm]) <= 16 * EPS * scale).all()
    norms = np.linalg.norm(permuted.W, axis=1)
    masses = np.abs(net.a) @ np.linalg.norm(net.W, axis=1) + np.abs(teacher.a) @ np.linalg.norm(teacher.W, axis=1)
    assert (np.abs(permuted_a - grad_a[perm]) <= 16 * EPS * norms * masses).all()
    spectra = [np.linalg.eigvalsh(lmc.population_hessian(*pair)) for pair in ((net, teacher), (permuted, other))]
    assert np.abs(spectra[0] - spectra[1]).max() <= 64 * EPS * hessian_scale(net, teacher)


@given(st.data())
def test_hessian_is_symmetric(data):
    net, teacher = data.draw(students_and_teachers())
    hessian = lmc.population_hessian(net, teacher)
    assert np.abs(hessian - hessian.T).max() <= 8 * EPS * hessian_scale(net, teacher)


@given(st.data())
def test_loss_is_invariant_under_positive_rescaling(data):
    net, teacher = data.draw(students_and_teachers())
    factors = data.draw(rescalings(net.width))
    rescaled = Net(factors[:, None] * net.W, net.a / factors)
    # The rescaled weights are rounded: 2 eps of every term, half a floor, on top of the two computed losses' floors.
    assert abs(lmc.population_loss(rescaled, teacher) - lmc.population_loss(net, teacher)) <= 2.5 * lmc.loss_floor(net, teacher)


@given(st.data())
def test_loss_is_invariant_and_gradient_equivariant_under_rotation(data):
    net, teacher = data.draw(students_and_teachers())
    d = net.input_dim
    Q = data.draw(rotations(d))
    rotated, rotated_teacher = Net(net.W @ Q, net.a), Net(teacher.W @ Q, teacher.a)
    # Rotated rows carry errors of up to d eps of their norms, each of them up to 1.6 d floors of loss.
    tolerance = (2 + 2 * d) * lmc.loss_floor(net, teacher)
    assert abs(lmc.population_loss(rotated, rotated_teacher) - lmc.population_loss(net, teacher)) <= tolerance
    gradient, rotated_gradient = (lmc.population_gradient(*pair)[0] for pair in ((net, teacher), (rotated, rotated_teacher)))
    norms = np.linalg.norm(net.W, axis=1)
    assert (rotated_gradient[norms == 0] == 0).all()
    assert (np.abs(rotated_gradient - gradient @ Q) <= (16 + 8 * d) * EPS * gradient_scale(net, teacher)).all()


@given(st.data())
def test_sphere_is_the_gaussian_divided_by_the_dimension(data):
    net, teacher = data.draw(students_and_teachers())
    d = net.input_dim
    for function in (lmc.population_loss, lmc.loss_floor, lmc.population_hessian, lmc.sharpness):
        np.testing.assert_allclose(function(net, teacher, "sphere"), function(net, teacher, "gaussian") / d, rtol=1e-14)
    for sphere, gaussian in zip(
        *(lmc.population_gradient(net, teacher, inputs) for inputs in ("sphere", "gaussian")), strict=True
    ):
        np.testing.assert_allclose(sphere, gaussian / d, rtol=1e-14)


@given(st.data())
def test_loss_of_a_network_against_itself_is_below_the_floor(data):
    net = data.draw(networks())
    assert lmc.population_loss(net, net.permute(data.draw(permutations(net.width)))) <= lmc.loss_floor(net, net)


def test_loss_sees_a_permutation_of_weights_without_output_weights():
    """Not every shuffle is a symmetry: with unequal output weights the rows of W alone may not be permuted."""
    net = random_net(3, 3)
    shuffled = Net(net.W[[1, 2, 0]], net.a)
    assert lmc.population_loss(shuffled, net) > 0.1


# --- segments -------------------------------------------------------------------------------------------------------

TS = np.array([0.0, 0.1, 1 / 3, 0.5, 0.77, 1.0])


def path_losses(net_a, net_b, teacher, inputs="gaussian"):
    return PopulationLoss(teacher, inputs).segments([net_a], [net_b])(np.array([0]), TS[None])[0]


@given(st.data())
def test_segment_agrees_with_interpolated_networks(data):
    net_a, net_b, teacher = data.draw(students_and_teachers(students=2))
    perm = data.draw(permutations(net_a.width))
    permuted = net_b.permute(perm)
    expected = [
        lmc.population_loss(Net((1 - t) * net_a.W + t * permuted.W, (1 - t) * net_a.a + t * permuted.a), teacher) for t in TS
    ]
    assert np.abs(path_losses(net_a, permuted, teacher) - expected).max() <= 2 * path_floor(net_a, permuted, teacher)


SEGMENTS = {
    "random": (random_net(4, 3), random_net(4, 3, 1), random_net(2, 3, 2)),
    "crossing zero in the middle": (Net([U, V], [1, 2]), Net([-U, V], [1, -1]), ORTHONORMAL),
    "crossing zero elsewhere": (Net([U, V]), Net([-2 * U, -V / 7]), ORTHONORMAL),
    "nearly crossing zero": (Net([U, V]), Net([-NEARLY, 2 * V]), ORTHONORMAL),
    "to the origin": (Net([U, V]), Net([0 * U, 0 * V]), ORTHONORMAL),
    "constant": (Net([U, V]), Net([U, V]), ORTHONORMAL),
    "nearly constant": (Net([U, V]), Net([NEARLY, V * (1 + 1e-12)]), ORTHONORMAL),
    "between minima": (minimum(6, 2, 3), minimum(6, 2, 3, 1), ORTHONORMAL),
    "many dimensions": (random_net(2, 1000), random_net(2, 1000, 1), random_net(2, 1000, 2)),
}


@pytest.mark.parametrize(("net_a", "net_b", "teacher"), SEGMENTS.values(), ids=SEGMENTS)
def test_segment_agrees_with_high_precision_arithmetic(net_a, net_b, teacher):
    exact = np.array([float(mp_path_loss(net_a, net_b, teacher, t)) for t in TS])
    floor = path_floor(net_a, net_b, teacher)
    assert np.abs(path_losses(net_a, net_b, teacher) - exact).max() <= floor
    assert np.abs(path_losses(net_a, net_b, teacher, "sphere") * net_a.input_dim - exact).max() <= floor


@pytest.mark.parametrize(("m", "share"), [(3, 256), (100, 256), (40, 16), (33, 3)])
def test_many_segments_are_evaluated_as_single_ones(m, share, monkeypatch):
    """Any selection of paths, in any order, each with positions of its own; also where threads share the students."""
    monkeypatch.setattr(population, "SHARE", share)
    ends = [[random_net(m, 5, seed, signs=False) for seed in (k, k + 10)] for k in range(3)]
    teacher = lmc.orthonormal_teacher(2, 5)
    segments = PopulationLoss(teacher).segments(*zip(*ends, strict=True))
    paths, ts = np.array([2, 0, 2]), np.array([[0.1, 0.9], [0.0, 0.4], [1.0, 0.6]])
    found = segments(paths, ts)
    assert len(segments) == 3
    for p, positions, losses in zip(paths, ts, found, strict=True):
        (net_a, net_b), floor = ends[p], path_floor(*ends[p], teacher)
        for t, value in zip(positions, losses, strict=True):
            expected = lmc.population_loss(Net((1 - t) * net_a.W + t * net_b.W), teacher)
            assert abs(value - expected) <= 2 * floor


def test_number_of_threads_changes_no_bit_of_a_segment(monkeypatch):
    monkeypatch.setattr(population, "SHARE", 8)
    net_a, net_b, teacher = random_net(60, 3), random_net(60, 3, 1), random_net(2, 3, 2)
    found = []
    for count in ("1", "2", "5"):
        monkeypatch.setenv("LMCTHEORY_THREADS", count)
        found.append(path_losses(net_a, net_b, teacher))
    np.testing.assert_array_equal(found[1:], [found[0]] * 2)


@given(st.integers(1, 5000))
def test_shares_of_students_cover_all_and_begin_with_whole_vectors(m):
    edges = population._equal_shares(m)
    assert edges[0] == 0
    assert edges[-1] == m
    assert all(start < stop and start % 8 == 0 for start, stop in pairwise(edges))
    pairs = [(m - start) ** 2 - (m - stop) ** 2 for start, stop in pairwise(edges)]
    assert max(pairs) <= 1.2 * min(pairs)


# --- span -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "M", "d"), [(2, 2, 30), (3, 1, 5), (2, 2, 4), (2, 2, 3)])
def test_span_coordinates_keep_all_inner_products(m, M, d):
    net, teacher = random_net(m, d), random_net(M, d, 1)
    reduced, reduced_teacher, basis = span_coordinates(net, teacher)
    assert (basis is None) == (d <= m + M)
    assert reduced.input_dim == min(d, m + M)
    X, Y = np.vstack([net.W, teacher.W]), np.vstack([reduced.W, reduced_teacher.W])
    np.testing.assert_allclose(Y @ Y.T, X @ X.T, rtol=0, atol=4 * EPS * d)
    if basis is not None:
        np.testing.assert_allclose(reduced.W[:, : m + M] @ basis.T, net.W, rtol=0, atol=20 * EPS)


@given(st.data())
def test_reduced_coordinates_have_the_same_loss(data):
    teacher = data.draw(teachers(12))
    net = data.draw(networks(width=2, input_dim=12))
    reduced, reduced_teacher, _ = span_coordinates(net, teacher)
    difference = lmc.population_loss(reduced, reduced_teacher) - lmc.population_loss(net, teacher)
    assert abs(difference) <= (2 + 2 * 12) * lmc.loss_floor(net, teacher)
