"""Training of two-layer networks on the population loss."""

from lmctheory.training.descent import train as train
from lmctheory.training.result import TrainingResult as TrainingResult
