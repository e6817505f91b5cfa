"""The manifold of global minima of an orthonormal teacher: membership, laws, sampling, exact barriers on it."""

from lmctheory.minima.barriers import ExactMinimaBarrier as ExactMinimaBarrier
from lmctheory.minima.barriers import MinimaBarrier as MinimaBarrier
from lmctheory.minima.barriers import minima_barrier as minima_barrier
from lmctheory.minima.geometry import GeodesicBound as GeodesicBound
from lmctheory.minima.geometry import StarCenter as StarCenter
from lmctheory.minima.geometry import ZeroLossPath as ZeroLossPath
from lmctheory.minima.geometry import geodesic_upper_bound as geodesic_upper_bound
from lmctheory.minima.geometry import star_center as star_center
from lmctheory.minima.geometry import zero_loss_path as zero_loss_path
from lmctheory.minima.laws import class_size_law as class_size_law
from lmctheory.minima.laws import sample_minimum as sample_minimum
from lmctheory.minima.manifold import Minimum as Minimum
from lmctheory.minima.membership import MembershipCheck as MembershipCheck
from lmctheory.minima.membership import Projection as Projection
from lmctheory.minima.membership import is_global_minimum as is_global_minimum
from lmctheory.minima.membership import project_to_minimum as project_to_minimum
