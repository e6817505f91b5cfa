"""Three and more networks: the simplex that they span."""

from lmctheory.families.barriers import SimplexBarrier as SimplexBarrier
from lmctheory.families.barriers import simplex_barrier as simplex_barrier
