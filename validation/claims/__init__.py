"""The claims, in the order in which they are reported."""

from validation.claim import Claim
from validation.claims import (
    dimension_free,
    dimension_free_minima,
    double_descent,
    gd_law,
    law_matters,
    matching_optimality,
    minima_characterisation,
    permutation_invariance,
    rate,
    uniform_double_descent,
    uniform_rate,
)

CLAIMS: dict[str, Claim] = {
    module.CLAIM.name: module.CLAIM
    for module in (
        permutation_invariance,
        double_descent,
        rate,
        dimension_free,
        minima_characterisation,
        uniform_double_descent,
        uniform_rate,
        law_matters,
        dimension_free_minima,
        gd_law,
        matching_optimality,
    )
}
