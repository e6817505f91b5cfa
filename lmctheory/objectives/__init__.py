"""What is minimised: the population loss against a teacher, the loss on its samples, the loss on data."""

from lmctheory.objectives.data import DataLoss as DataLoss
from lmctheory.objectives.objective import Objective as Objective
from lmctheory.objectives.objective import SegmentLosses as SegmentLosses
from lmctheory.objectives.objective import as_objective as as_objective
from lmctheory.objectives.population import FLOOR as FLOOR
from lmctheory.objectives.population import PopulationLoss as PopulationLoss
from lmctheory.objectives.population import Segments as Segments
from lmctheory.objectives.population import loss_floor as loss_floor
from lmctheory.objectives.population import population_gradient as population_gradient
from lmctheory.objectives.population import population_hessian as population_hessian
from lmctheory.objectives.population import population_loss as population_loss
from lmctheory.objectives.population import span_coordinates as span_coordinates
from lmctheory.objectives.samples import SampleLoss as SampleLoss
