"""The claims, in the order in which they are reported."""

from validation.claim import Claim
from validation.claims import (
    dimension_free,
    dimension_free_minima,
    divergence,
    double_descent,
    edge_of_stability,
    gd_law,
    law_matters,
    minima_characterisation,
    permutation_invariance,
    rate,
    sgd_sparsity,
    sparsity_and_barrier,
    sparsity_transition,
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
        sparsity_transition,
        edge_of_stability,
        sgd_sparsity,
        sparsity_and_barrier,
        divergence,
    )
}
