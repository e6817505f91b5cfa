"""The claims, in the order in which they are reported."""

from validation.claim import Claim
from validation.claims import (
    dimension_free,
    dimension_free_minima,
    divergence,
    double_descent,
    edge_of_stability,
    four_piece_connectivity,
    gd_law,
    geodesic_distance,
    geodesic_distance_sparse,
    law_matters,
    linear_connectivity_criterion,
    matching_optimality,
    minima_characterisation,
    permutation_invariance,
    rate,
    sgd_sparsity,
    sparsity_and_barrier,
    sparsity_transition,
    star_connectivity,
    strong_emerges_with_width,
    two_piece_connectivity,
    uniform_double_descent,
    uniform_rate,
    weak_not_strong,
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
        sgd_sparsity,
        sparsity_and_barrier,
        divergence,
        weak_not_strong,
        strong_emerges_with_width,
    )
}
