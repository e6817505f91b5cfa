"""Property tests for code of one's own: Hypothesis strategies for networks, and checks that a loss has its symmetries.

The strategies draw degenerate cases on purpose: zero neurons, duplicate and exactly opposite neurons, a single neuron or
dimension. Networks may be large: 1000 neurons of 1000 inputs take tens of milliseconds. The checks take any callable
``loss(W, a)``, and that of permutations also a loss of other parameters (`params`, `axes`):

- `W`, float64 array of shape (m, d), hidden weights, one neuron a row; `a`, float64 array of shape (m,), output weights;
- both are fresh NumPy arrays, which the loss may keep or overwrite; what PyTorch and JAX make of them is up to the loss;
- it returns one real number: a float, or anything that ``float`` accepts, such as a tensor with one element;
- the same arrays must always give the same number.

A check that fails raises a BrokenSymmetryError, which is an AssertionError and shows the smallest network found, the
transformation, the neurons that it changes, both values and the tolerance. Checks draw from `seed`: the same call in the same
program finds the same failure. A check called inside a ``@given`` test needs
``settings(suppress_health_check=[HealthCheck.nested_given])`` there.

Needs the extra ``testing``.
"""

from lmctheory.errors import MissingDependencyError

try:
    import hypothesis as _hypothesis  # noqa: F401
except ImportError as error:
    raise MissingDependencyError("strategies need hypothesis: pip install 'lmctheory[testing]'") from error

from lmctheory.strategies.draws import MAX_DIM as MAX_DIM
from lmctheory.strategies.draws import MAX_WIDTH as MAX_WIDTH
from lmctheory.strategies.draws import network_pairs as network_pairs
from lmctheory.strategies.draws import networks as networks
from lmctheory.strategies.draws import permutations as permutations
from lmctheory.strategies.draws import rescalings as rescalings
from lmctheory.strategies.draws import rotations as rotations
from lmctheory.strategies.draws import students_and_teachers as students_and_teachers
from lmctheory.strategies.draws import teachers as teachers
from lmctheory.strategies.draws import weights as weights
from lmctheory.strategies.draws import widths as widths
from lmctheory.strategies.invariance import assert_permutation_invariant as assert_permutation_invariant
from lmctheory.strategies.invariance import assert_rescaling_invariant as assert_rescaling_invariant
from lmctheory.strategies.invariance import assert_rotation_invariant as assert_rotation_invariant
from lmctheory.strategies.reports import BrokenSymmetryError as BrokenSymmetryError
from lmctheory.strategies.rounding import RTOL as RTOL
from lmctheory.strategies.trees import with_arrays as with_arrays
