"""Angles between vectors from their cosines, as straight-line code that the vectoriser takes."""

import math

from lmctheory._compiled.caching import njit
from lmctheory._compiled.vectors import magnitude, polynomial, root, splat, where_less

# No `nnan`, `ninf`, `nsz`: infinities, NaN and signed zeros keep their meaning.
VECTOR_MATH = {"reassoc", "contract", "arcp"}
# F, highest power first; see `sine_and_supplement`
COEFFICIENTS = (
    0.00012117305831116537,
    -0.001025639660813829,
    0.004114940516850556,
    -0.01025927464062151,
    0.01773831596916336,
    -0.022454256450108755,
    0.02153400343586953,
    -0.01586170544127971,
    0.009195329684833449,
    -0.003976427223224787,
    0.0017011133906985544,
    0.00016421047913476515,
    0.001251083869870826,
    0.0024737607111697374,
    0.00532944828305169,
    0.011543895604776996,
    0.025396831596651948,
    0.05714285694042784,
    0.13333333333682526,
    0.33333333333330945,
    1.0,
)


@njit(inline="always", fastmath=VECTOR_MATH)
def sine_and_supplement(cosine):
    """Return ``(sin p, pi - p)`` for ``p = arccos(cosine)``; a cosine beyond +-1 counts as +-1.

    With ``t = 1 - |cosine|`` and ``s = sqrt(t (2 - t)) = sin p``, ``arccos|cosine| = s F(t)``, where F is smooth on [0, 1] and
    interpolated by its Chebyshev polynomial of degree 20 (error 5.4e-17). Sine and angle come from the same t, so
    that their errors cancel in kernels and gradients however close to collinear two vectors are.
    """
    t = 1.0 - abs(cosine)
    t = 0.0 if t < 0.0 else t  # in this order NaN stays NaN
    s = math.sqrt(t * (2.0 - t))
    acute = s * polynomial(t, COEFFICIENTS)
    return s, (acute if cosine < 0.0 else math.pi - acute)


@njit(inline="always")
def sines_and_supplements(cosines):
    """Return the same for a vector of cosines, and these cosines, cut off at +-1."""
    zero, one, two, pi = splat(0.0), splat(1.0), splat(2.0), splat(math.pi)
    size = magnitude(cosines)
    size = where_less(one, size, one, size)  # in this order NaN stays NaN
    t = one - size
    sine = root(t * (two - t))
    acute = sine * polynomial(t, COEFFICIENTS)
    return sine, where_less(cosines, zero, acute, pi - acute), where_less(cosines, zero, zero - size, size)
