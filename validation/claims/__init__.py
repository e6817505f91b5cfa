"""The claims, in the order in which they are reported."""

from validation.claim import Claim
from validation.claims import (
    dimension_free,
    dimension_free_minima,
    double_descent,
    gd_law,
    law_matters,
    mask_transport,
    minima_characterisation,
    one_permutation_for_pruned_sequences,
    one_permutation_per_trajectory,
    permutation_invariance,
    rate,
    sparsity_and_barrier,
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
        sparsity_and_barrier,
        one_permutation_per_trajectory,
        one_permutation_for_pruned_sequences,
        mask_transport,
    )
}
