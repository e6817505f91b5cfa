"""Pictures of what was measured, drawn from saved results: nothing is trained.

Each figure is a module with a ``CAPTION`` and ``draw(data)``; `paper_figures.files` saves it with its provenance, and
``python -m paper_figures`` redraws all.
"""

import lmctheory.plotting  # noqa: F401  # before the figures: matplotlib is loaded there whatever MPLBACKEND names

FIGURES = {  # figure -> the claim whose saved numbers it draws
    "double_descent": "double-descent",
    "rate": "rate",
    "dimension_free": "dimension-free",
    "spurious_minima": "spurious-minima",
    "certified_double_descent": "certified-double-descent",
    "certified_rate_samples": "certified-rate-samples",
    "uniform_double_descent": "uniform-double-descent",
    "uniform_rate": "uniform-rate",
    "law_matters": "law-matters",
    "gd_law": "gd-law",
    "matching_optimality": "matching-optimality",
    "two_piece_connectivity": "two-piece-connectivity",
    "four_piece_connectivity": "four-piece-connectivity",
    "star_connectivity": "star-connectivity",
    "geodesic_distance": "geodesic-distance",
    "geodesic_distance_sparse": "geodesic-distance-sparse",
    "sparsity_transition": "sparsity-transition",
    "norm_histogram": "sparsity-transition",
    "edge_of_stability": "edge-of-stability",
    "sparsity_and_barrier": "sparsity-and-barrier",
    "sgd_sparsity": "sgd-sparsity",
    "divergence": "divergence",
    "trajectory": "one-permutation-per-trajectory",
    "pruned_sequences": "one-permutation-for-pruned-sequences",
    "mask_transport": "mask-transport",
    "weak_not_strong": "weak-not-strong",
    "strong_emerges": "strong-emerges-with-width",
    "simplex_triangles": "strong-emerges-with-width",
    "real_data_double_descent": "real-data-double-descent",
    "real_data_paths": "real-data-double-descent",
    "misclassified": "real-data-double-descent",
    "real_data_rate": "real-data-rate",
    "depth": "depth",
    "real_data_strong": "real-data-strong",
    "real_data_sparsity": "real-data-sparsity",
}


def figures_of(claim: str) -> list[str]:
    """Return the figures that are drawn from the numbers of this claim."""
    return [figure for figure, drawn_from in FIGURES.items() if drawn_from == claim]
