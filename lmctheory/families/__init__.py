"""Three and more networks: the simplex that they span, one permutation for each, weak and strong connectivity."""

from lmctheory.families.alignment import FamilyAlignment as FamilyAlignment
from lmctheory.families.alignment import align_many as align_many
from lmctheory.families.barriers import SimplexBarrier as SimplexBarrier
from lmctheory.families.barriers import simplex_barrier as simplex_barrier
from lmctheory.families.connectivity import StrongConnectivity as StrongConnectivity
from lmctheory.families.connectivity import WeakConnectivity as WeakConnectivity
from lmctheory.families.connectivity import strong_connectivity as strong_connectivity
from lmctheory.families.connectivity import weak_connectivity as weak_connectivity
from lmctheory.families.cycles import CycleConsistency as CycleConsistency
from lmctheory.families.cycles import cycle_consistency as cycle_consistency
