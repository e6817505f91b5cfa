from . import plotting as plotting
from . import strategies as strategies
from . import symbolic as symbolic
from .alignment import Alignment as Alignment
from .alignment import align as align
from .connectivity import Barrier as Barrier
from .connectivity import barrier as barrier
from .connectivity import pairwise_barriers as pairwise_barriers
from .errors import ConvergenceWarning as ConvergenceWarning
from .errors import InvalidInputError as InvalidInputError
from .errors import LmcError as LmcError
from .errors import MissingDependencyError as MissingDependencyError
from .kernels import relu_kernel as relu_kernel
from .networks import TwoLayerNet as TwoLayerNet
from .networks import orthonormal_teacher as orthonormal_teacher
from .objectives import PopulationLoss as PopulationLoss
from .objectives import loss_floor as loss_floor
from .objectives import population_gradient as population_gradient
from .objectives import population_hessian as population_hessian
from .objectives import population_loss as population_loss
from .rates import RateFit as RateFit
from .rates import fit_rate as fit_rate
from .stability import sharpness as sharpness
from .training import TrainingResult as TrainingResult
from .training import train as train

__version__: str
