"""The claims, in the order in which they are reported."""

from validation.claim import Claim
from validation.claims import dimension_free, double_descent, permutation_invariance, rate

CLAIMS: dict[str, Claim] = {
    module.CLAIM.name: module.CLAIM for module in (permutation_invariance, double_descent, rate, dimension_free)
}
