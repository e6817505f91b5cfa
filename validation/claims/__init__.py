"""The claims, in the order in which they are reported."""

from validation.claim import Claim
from validation.claims import (
    dimension_free,
    dimension_free_minima,
    double_descent,
    edge_of_stability,
    four_piece_connectivity,
    gd_law,
    geodesic_distance,
    geodesic_distance_sparse,
    law_matters,
    linear_connectivity_criterion,
    mask_transport,
    matching_optimality,
    minima_characterisation,
    one_permutation_for_pruned_sequences,
    one_permutation_per_trajectory,
    permutation_invariance,
    rate,
    sparsity_and_barrier,
    sparsity_transition,
    star_connectivity,
    two_piece_connectivity,
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
        linear_connectivity_criterion,
        two_piece_connectivity,
        four_piece_connectivity,
        star_connectivity,
        geodesic_distance,
        geodesic_distance_sparse,
        sparsity_transition,
        edge_of_stability,
        sparsity_and_barrier,
        one_permutation_per_trajectory,
        one_permutation_for_pruned_sequences,
        mask_transport,
    )
}
