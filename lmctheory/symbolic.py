"""SymPy derivations of the closed forms; each returns expressions that can be compared with the code.

Needs the extra ``symbolic``.
"""

from __future__ import annotations

from lmctheory.errors import MissingDependencyError

try:
    import sympy as sp
except ImportError as error:
    raise MissingDependencyError("symbolic needs SymPy: pip install 'lmctheory[symbolic]'") from error

R, S, P = sp.symbols("r s p", positive=True)  # |u|, |v| and the angle between u and v, 0 < p < pi
P1, Q1, P2, Q2 = sp.symbols("p1 q1 p2 q2", positive=True)  # weights of the first and the second mismatched pair
CLASSES, WIDTH = sp.symbols("M m", positive=True)  # widths of teacher and student


def relu_kernel() -> sp.Expr:
    """Return ``K = |u||v| / (2 pi) (sin p + (pi - p) cos p)``, derived from its definition in `R`, `S`, `P`.

    In the plane of u and v, ``x = rho (cos t, sin t)`` has density ``rho exp(-rho^2/2) / (2 pi)``; u points along
    t = 0 and v along t = p; both neurons are active for ``p - pi/2 < t < pi/2``.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> lmc.symbolic.relu_kernel()
    r*s*((pi - p)*cos(p) + sin(p))/(2*pi)
    """
    rho, t = sp.symbols("rho t", positive=True)
    radial = sp.integrate(rho**3 * sp.exp(-(rho**2) / 2), (rho, 0, sp.oo)) / (2 * sp.pi)
    antiderivative = sp.integrate(sp.expand(sp.cos(t) * sp.expand_trig(sp.cos(t - P))), t)
    angular = antiderivative.subs(t, sp.pi / 2) - antiderivative.subs(t, P - sp.pi / 2)
    kernel = sp.simplify(R * S * radial * angular)
    target = R * S / (2 * sp.pi) * (sp.sin(P) + (sp.pi - P) * sp.cos(P))
    if sp.simplify(sp.expand_trig(sp.expand(kernel - target))) != 0:
        raise ArithmeticError(f"the integral gave {kernel}")
    return target


def kernel_derivatives(dimension: int = 3) -> tuple[sp.Matrix, sp.Matrix, sp.Matrix, list[sp.Symbol], list[sp.Symbol]]:
    """Return ``grad_u K``, ``d^2 K / du du'`` and ``d^2 K / du dv'`` by differentiation in coordinates, and the symbols of u, v.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> gradient, _, _, u, v = lmc.symbolic.kernel_derivatives(2)
    >>> at = dict(zip([*u, *v], [1, 0, 0, 1]))
    >>> [sp.simplify(g.subs(at)) for g in gradient]
    [1/(2*pi), 1/4]
    """
    u = list(sp.symbols(f"u1:{dimension + 1}", real=True))
    v = list(sp.symbols(f"v1:{dimension + 1}", real=True))
    u_norm, v_norm = sp.sqrt(sum(x**2 for x in u)), sp.sqrt(sum(x**2 for x in v))
    cosine = sum(x * y for x, y in zip(u, v, strict=True)) / (u_norm * v_norm)
    kernel = relu_kernel().subs({R: u_norm, S: v_norm, P: sp.acos(cosine)})
    gradient = sp.Matrix([sp.diff(kernel, x) for x in u])
    return gradient, gradient.jacobian(u), gradient.jacobian(v), u, v


def pair_residual_moments() -> tuple[sp.Expr, sp.Expr]:
    """Return ``E|r|`` and ``E[r^2]`` of the residual ``r = min(p|x|, q|y|) 1{x y < 0}``, derived in `P1`, `Q1`.

    In polar coordinates ``E[rho] = sqrt(pi/2)``, ``E[rho^2] = 2``; the angle is uniform, and half of it has ``x y < 0``: what
    remains is ``1/pi`` times an integral over [0, pi/2], in two pieces that meet where ``tan = p/q``.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> first, second = lmc.symbolic.pair_residual_moments()
    >>> sp.expand(second.subs({lmc.symbolic.P1: 1, lmc.symbolic.Q1: 1}))
    1/2 - 1/pi
    """
    rho, t = sp.symbols("rho t", positive=True)
    kink = sp.atan(P1 / Q1)
    moments = []
    for power in (1, 2):
        radial = sp.integrate(rho ** (power + 1) * sp.exp(-(rho**2) / 2), (rho, 0, sp.oo))
        below, above = sp.integrate(sp.sin(t) ** power, t), sp.integrate(sp.cos(t) ** power, t)
        low = Q1**power * (below.subs(t, kink) - below.subs(t, 0))
        high = P1**power * (above.subs(t, sp.pi / 2) - above.subs(t, kink))
        moments.append(sp.simplify(radial * (low + high) / sp.pi))
    expected = (
        (P1 + Q1 - sp.sqrt(P1**2 + Q1**2)) / sp.sqrt(2 * sp.pi),
        (Q1**2 * kink + P1**2 * (sp.pi / 2 - kink) - P1 * Q1) / sp.pi,
    )
    if any(sp.simplify(found - target) != 0 for found, target in zip(moments, expected, strict=True)):
        raise ArithmeticError(f"the integrals gave {moments}")
    return expected


def one_axis_moment() -> sp.Expr:
    """Return ``E[r_1 r_2]`` of two mismatched pairs that share one axis, in `P1`, `Q1`, `P2`, `Q2` (p on the shared axis).

    With ``G(s) = E min(s, |y|)`` it is ``q_1 q_2 / 4 * I(p_1 / q_1, p_2 / q_2)``, ``I(s, u) = E[G(s|x|) G(u|x|)]``. As
    ``G'' = -sqrt(2/pi) exp(-s^2/2)``, ``d^4 I / ds^2 du^2 = (2/pi) E[x^4 exp(-(s^2 + u^2) x^2 / 2)]``; I vanishes for s = 0, and
    its derivative in s as s grows; the same for u. These conditions have one solution, which the closed form is shown to be.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> value = lmc.symbolic.one_axis_moment().subs({lmc.symbolic.P1: 1, lmc.symbolic.P2: 1})
    >>> round(float(value.subs({lmc.symbolic.Q1: 1, lmc.symbolic.Q2: 1})), 6)
    0.067995
    """
    s, u, x, k, T = sp.symbols("s u x k T", positive=True)
    root = sp.sqrt(1 + s**2 + u**2)
    angle = sp.pi / 2 - sp.atan(s) - sp.atan(u) + sp.atan(s * u / root)
    closed = 2 / sp.pi * (s * u * angle + root - sp.sqrt(1 + s**2) - sp.sqrt(1 + u**2) + 1)
    mixed = sp.integrate((2 / sp.pi) ** sp.Rational(3, 2) * x**4 * sp.exp(-k * x**2 / 2), (x, 0, sp.oo)).subs(k, root**2)
    slope = sp.diff(closed, s)
    excess = sp.numer(sp.together((sp.diff(closed, s, 2, u, 2) - mixed).subs(root, T)))
    conditions = [
        sp.expand(excess).subs(u, sp.sqrt(T**2 - 1 - s**2)),
        closed.subs(s, 0),
        closed - closed.subs({s: u, u: s}, simultaneous=True),  # so the conditions in u follow from those in s
        sp.limit(slope.subs(u, 1), s, sp.oo),
    ]
    if any(sp.simplify(condition) != 0 for condition in conditions):
        raise ArithmeticError("the closed form does not have the derivatives of the integral")
    return (Q1 * Q2 / 4 * closed).subs({s: P1 / Q1, u: P2 / Q2})


def simplex_volume(n: int) -> sp.Expr:
    """Return the volume ``sqrt(n) / (n - 1)!`` of ``{alpha in R^n : alpha >= 0, sum alpha = 1}``, derived.

    The volume of the solid ``{alpha_1 + ... + alpha_{n-1} <= 1}``, an iterated integral, times the factor by which its
    lift to the hyperplane stretches it: the root of the Gram determinant of the edges ``e_i - e_n``.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> [lmc.symbolic.simplex_volume(n) for n in (1, 2, 3)]
    [1, sqrt(2), sqrt(3)/2]
    """
    edges = sp.Matrix(n - 1, n, lambda i, j: int(i == j) - int(j == n - 1))
    stretch = sp.sqrt((edges * edges.T).det()) if n > 1 else sp.Integer(1)
    side, slice_ = sp.symbols("h alpha", positive=True)
    solid = sp.Integer(1)
    for _ in range(n - 1):  # the slice at alpha is the solid of one dimension less with side h - alpha
        solid = sp.integrate(sp.expand(solid.subs(side, side - slice_)), (slice_, 0, side))
    return sp.simplify(stretch * solid.subs(side, 1))


def cell_volume(sizes: tuple[int, ...]) -> sp.Expr:
    """Return the volume ``prod_j sqrt(n_j) / (n_j - 1)!`` of a cell of minima with these class sizes.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> lmc.symbolic.cell_volume((2, 3))
    sqrt(6)/2
    """
    return sp.prod([simplex_volume(n) for n in sizes])


def half_space_moment(a: int, b: int, i: int, j: int) -> sp.Expr:
    """Return ``E[1{x_a > 0} 1{x_b > 0} x_i x_j]`` for Gaussian inputs: integrals over one coordinate at a time.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> [lmc.symbolic.half_space_moment(0, 1, i, j) for i, j in ((0, 0), (0, 1), (0, 2), (2, 2))]
    [1/4, 1/(2*pi), 0, 1/4]
    """
    x = sp.symbols("x", real=True)
    density = sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi)
    factors = [sp.integrate(x ** [i, j].count(k) * density, (x, 0 if k in (a, b) else -sp.oo, sp.oo)) for k in {a, b, i, j}]
    return sp.simplify(sp.prod(factors))


def stability_threshold() -> sp.Expr:
    """Return the largest stable learning rate at minima with balanced classes, ``M / (m mu)``, derived in `CLASSES` and `WIDTH`.

    At a minimum the Hessian maps vectors ``z_a``, one a class, to ``2 (m/M) sum_b E[1{x_a > 0} 1{x_b > 0} x x'] z_b``. On
    those with ``p`` on each class's own axis and ``q`` on every other it acts on ``(p, q)``: axes 0 and 1 and classes 0, 1
    and 2 stand for all, the last one for the M - 2 classes that have neither axis for their own.

    Examples
    --------
    >>> import lmctheory as lmc
    >>> rate = lmc.symbolic.stability_threshold()
    >>> float(rate.subs({lmc.symbolic.CLASSES: 4, lmc.symbolic.WIDTH: 32})) == lmc.stability_threshold(4, 32)
    True
    """
    p, q = sp.symbols("p q", real=True)

    def image(axis: int) -> sp.Expr:
        """Component of class 0 on `axis`; all axes beyond are axis 2, on which moments with axes 0 and 1 vanish."""
        counts = {0: 1, 1: 1, 2: CLASSES - 2}
        return sum(counts[b] * sum(half_space_moment(0, b, axis, k) * (p if k == b else q) for k in (0, 1, 2)) for b in counts)

    reduced = sp.Matrix([image(0), image(1)]).jacobian([p, q])
    trace, determinant = reduced.trace(), reduced.det()
    mu = (trace + sp.sqrt(sp.factor(sp.expand(trace**2 - 4 * determinant)))) / 2
    if sp.expand(mu**2 - trace * mu + determinant) != 0:
        raise ArithmeticError(f"{mu} is not an eigenvalue of {reduced}")
    return CLASSES / (WIDTH * mu)
