"""Which minima gradient descent can rest at: sharpness, the stability threshold of dense minima, and the sparsity of networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, eigsh

from lmctheory import _checks
from lmctheory._checks import FloatArray, IntArray
from lmctheory._parallel import blas
from lmctheory.errors import InvalidInputError
from lmctheory.networks import TwoLayerNet
from lmctheory.objectives import PopulationLoss, SampleLoss, span_coordinates

DENSE_LIMIT = 128  # weights up to which a dense eigenvalue is faster than Lanczos (half a millisecond each there)
LANCZOS_TOL = 1e-10  # of the residual, relative to the eigenvalue: bounds its error, which is of the order of the square
DEAD = 1e-3  # share of the largest mass below which a neuron counts as dead; see `sparsity`


def sharpness(net: TwoLayerNet, teacher: TwoLayerNet, inputs: str = "gaussian", samples: ArrayLike | None = None) -> float:
    """Return the largest eigenvalue of `population_hessian`, or of the Hessian of the loss on a finite sample.

    Gradient descent with learning rate eta is linearly stable at a minimum iff its sharpness is at most ``2 / eta``.

    Parameters
    ----------
    net, teacher, inputs
        As for `population_loss`.
    samples : array_like, shape (n, d), optional
        Inputs of the loss, instead of all; see `SampleLoss.hessian_product`.

    Returns
    -------
    float

    Raises
    ------
    InvalidInputError
        If input dimensions differ or `inputs` is unknown.

    Notes
    -----
    Every Hessian block is a multiple of the identity plus a traceless matrix that lives on the span of student and teacher rows.
    Averaged over an orthonormal basis of the span the quadratic form therefore takes its value off the span, so the
    largest eigenvalue belongs to the span, of dimension ``min(d, m + M)``. Up to 128 weights there the Hessian is formed;
    beyond, Lanczos iterations on exact Hessian-vector products take memory ``O(m (m + M))`` and about thirty products (2 ms at
    m = 64, d = 8). They start from a fixed vector, so the result is reproducible, and end at a relative residual of 1e-10.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> teacher = lmc.orthonormal_teacher(1, 3)
    >>> round(lmc.sharpness(teacher, teacher), 12)
    1.0
    """
    loss = PopulationLoss(teacher, inputs)
    loss.stack(net)  # validates
    if samples is not None:
        return _top_eigenvalue(SampleLoss(teacher, samples).hessian_product(net), net.W.shape)
    reduced, reduced_teacher, _ = span_coordinates(net, teacher)
    reduced_loss = PopulationLoss(reduced_teacher)
    if reduced.W.size <= DENSE_LIMIT:
        return loss.scale * _largest_eigenvalue(reduced_loss.hessian(reduced))
    return loss.scale * _lanczos(reduced_loss.hessian_product(reduced), reduced.W.shape)


def stability_threshold(M: int, width: int, class_sizes: ArrayLike | None = None) -> float:
    """Return the largest learning rate at which gradient descent is linearly stable at minima with these class sizes.

    ``eta_c = 2 / lambda_max`` of the Hessian. For balanced classes, ``n_j = m / M``, it is ``M / (m mu)`` with mu the larger
    eigenvalue of ``[[1/2 + (M-1)/(2 pi), (M-1)/4], [1/4, M/4 + 1/(2 pi)]]``:

        mu = 1/4 + M/8 + M/(4 pi) + sqrt((M/4 - M/(2 pi) + 1/pi - 1/2)^2 + (M - 1)/4) / 2

    Parameters
    ----------
    M : int
        Width of the teacher: orthonormal, output weights one.
    width : int
        Width m of the student, at least M; output weights one.
    class_sizes : array_like of int, shape (M,), optional
        Numbers ``n_j >= 1`` of neurons on each teacher axis, zero neurons not counted: their sum is at most `width`. By default
        ``n_j = m / M``, also where that is not an integer: eta_c is then the least upper bound that class sizes allow.

    Returns
    -------
    float
        For Gaussian inputs, whatever d; on the unit sphere the threshold is d times as large.

    Raises
    ------
    InvalidInputError
        If an argument is out of its range.

    Notes
    -----
    At a minimum with classes n the nonzero spectrum of the Hessian is that of the blocks, a and b in ``1..M``,

        H_ab = 2 sqrt(n_a n_b) E[1{x_a > 0} 1{x_b > 0} x x'],
        E[...] = I/2 for a = b,  I/4 + (e_a e_b' + e_b e_a') / (2 pi) otherwise,

    whatever the weights within classes. Beyond the multiple of the identity each block is traceless on the teacher's span, so
    directions off the span never dominate, and d does not enter. On the span, H maps matrices Z ``(M, M)``, a row a class, in
    ``O(M^2)`` operations; its entries are non-negative. For equal classes the top eigenvector can therefore be taken
    invariant under permutations of the axes: one value on the diagonal, one off it, which is the problem in two
    dimensions. As lambda_max is convex and symmetric in n, balanced classes minimise it: for eta > eta_c at least the
    share ``1 - eta_c / eta`` of the neurons cannot be active at a stable minimum.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> round(32 * lmc.stability_threshold(4, 32), 3)
    2.648
    >>> lmc.stability_threshold(4, 32, [9, 8, 8, 7]) < lmc.stability_threshold(4, 32)
    True
    """
    M = _checks.integer("M", M, 1)
    width = _checks.integer("width", width, 1)
    if width < M:
        raise InvalidInputError(f"width must be at least M = {M} for a minimum of zero loss, got {width}")
    if class_sizes is None:
        trace, difference = 0.5 + M / 4 + M / (2 * np.pi), M / 4 - M / (2 * np.pi) + 1 / np.pi - 0.5
        return float(2 * M / (width * (trace + np.sqrt(difference**2 + (M - 1) / 4))))
    sizes = _checks.integer_array("class_sizes", class_sizes, (M,))
    if sizes.min() < 1 or sizes.sum() > width:
        raise InvalidInputError(f"class_sizes must be at least 1 and add up to at most the width, {width}, got {sizes.tolist()}")
    return 2.0 / _class_sharpness(sizes)


@dataclass(frozen=True, eq=False)
class Sparsity:
    """How unevenly the neurons of a network share its output; ``mass`` is ``|a_i| |w_i|``, which rescaling leaves alone.

    Attributes
    ----------
    masses : ndarray, shape (m,)
        In increasing order.
    dead : float
        Fraction of the largest mass below which a neuron counts as dead.
    dead_share : float
        Share of dead neurons, a multiple of 1/m.
    gap : tuple of float
        The largest dead and the smallest active mass, over the largest of all (0 and 1 where there is none): any fraction
        between the two gives the same dead share.
    effective_neurons : float
        Participation ratio ``(sum mass)^2 / sum mass^2``, between 1 and m.
    gini : float
        Gini coefficient of the masses: 0 if all are equal, ``1 - 1/m`` if one neuron has all.
    class_sizes : ndarray of int, shape (M,), or None
        Active neurons by the teacher neuron nearest in angle; None without a teacher.
    """

    masses: FloatArray
    dead: float
    dead_share: float
    gap: tuple[float, float]
    effective_neurons: float
    gini: float
    class_sizes: IntArray | None


def sparsity(net: TwoLayerNet, teacher: TwoLayerNet | None = None, *, dead: float = DEAD) -> Sparsity:
    """Return the share of dead neurons, the effective number of neurons, and other measures of sparsity.

    Parameters
    ----------
    net : TwoLayerNet
    teacher : TwoLayerNet, optional
        Whose neurons define the classes; orthonormal, so that each neuron of a minimum lies on one of its axes.
    dead : float
        In (0, 1).

    Returns
    -------
    Sparsity

    Raises
    ------
    InvalidInputError
        If an argument is out of its range or the teacher has another input dimension.

    Notes
    -----
    A neuron that descent kills jumps to and fro across the origin with a norm of the order of learning rate times gradient,
    which falls like a power of the number of steps; one that lives keeps its norm. Past the threshold the histogram of
    log-masses is therefore bimodal. After 20 000 steps, for M = 1 to 8, m = 16 to 128 and rates from half to 1.12 of the
    threshold, dead neurons lie at 1e-8 to 1e-5 of the largest, and fewer than 1 % of the others below 1e-3 (3 % for M = 1,
    where small initial weights survive). For M up to 4 shares at this fraction are final, to within 1 %, after 4000 steps;
    for M = 8, where neurons also die below the threshold, after 15 000. `Sparsity.gap` says how far the fraction could be moved.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> found = lmc.sparsity(lmc.TwoLayerNet([[0.6, 0.0], [0.0, 1.0], [0.4, 0.0], [0.0, 1e-7]]), lmc.orthonormal_teacher(2, 2))
    >>> found.dead_share, found.class_sizes
    (0.25, array([2, 1]))
    """
    _checks.instance("net", net, TwoLayerNet)
    dead = _checks.probability("dead", dead)
    norms = np.linalg.norm(net.W, axis=1)
    masses = np.abs(net.a) * norms
    top, total = masses.max(), masses.sum()
    active = (masses >= dead * top) & (masses > 0)
    sizes = None
    if teacher is not None:
        PopulationLoss(teacher).check("net", net)
        axes = teacher.W / np.maximum(np.linalg.norm(teacher.W, axis=1), np.finfo(float).tiny)[:, None]
        sizes = np.bincount(np.argmax(net.W[active] @ axes.T, axis=1), minlength=teacher.width)
    ordered = np.sort(masses)
    ranks = 2 * np.arange(1, net.width + 1) - net.width - 1
    return Sparsity(
        masses=ordered,
        dead=dead,
        dead_share=float((~active).mean()),
        gap=(
            float(masses[~active].max(initial=0.0) / top) if top > 0 else 0.0,
            float(masses[active].min() / top) if active.any() else 1.0,
        ),
        effective_neurons=float((total / top) ** 2 / np.sum((masses / top) ** 2)) if top > 0 else 0.0,
        gini=float(ranks @ ordered / (net.width * total)) if top > 0 else 0.0,
        class_sizes=sizes,
    )


def _class_sharpness(sizes: IntArray) -> float:
    """Return the largest eigenvalue of ``Z -> H Z`` on matrices ``(M, M)``, for classes of these sizes."""
    M, root = len(sizes), np.sqrt(sizes)[:, None]

    def product(Z: FloatArray) -> FloatArray:
        scaled = root * Z
        off = scaled.T / (2 * np.pi)
        diagonal = scaled.diagonal()
        np.fill_diagonal(off, (diagonal.sum() - diagonal) / (2 * np.pi))
        return 2 * root * ((scaled.sum(axis=0) + scaled) / 4 + off)

    return _top_eigenvalue(product, (M, M))


def _top_eigenvalue(product: Callable[[FloatArray], FloatArray], shape: tuple[int, int]) -> float:
    """Return the largest eigenvalue of a symmetric map of matrices of this shape."""
    size = shape[0] * shape[1]
    if size > DENSE_LIMIT:
        return _lanczos(product, shape)
    return _largest_eigenvalue(np.stack([product(unit.reshape(shape)).ravel() for unit in np.eye(size)]))


def _largest_eigenvalue(matrix: FloatArray) -> float:
    last = len(matrix) - 1
    return float(eigh(matrix, eigvals_only=True, subset_by_index=(last, last))[0])


def _lanczos(product: Callable[[FloatArray], FloatArray], shape: tuple[int, ...]) -> float:
    """Return the largest eigenvalue of a symmetric map of arrays of this shape."""
    size = int(np.prod(shape))
    operator = LinearOperator((size, size), matvec=lambda vector: product(vector.reshape(shape)).ravel(), dtype=float)
    start = np.random.default_rng(0).normal(size=size)  # a structured vector could miss an eigenvector for symmetry
    if not operator.matvec(start).any():
        return 0.0  # a map to zero, from which Lanczos cannot start
    with blas().limit(limits=1):
        top = eigsh(operator, k=1, which="LA", tol=LANCZOS_TOL, v0=start, return_eigenvectors=False)
    return float(top[0])
