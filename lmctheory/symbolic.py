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
