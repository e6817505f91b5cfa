"""Training of two-layer networks: gradient descent and stochastic gradient descent, on the population loss or a finite sample."""

from lmctheory.training.descent import train as train
from lmctheory.training.recording import Checkpoints as Checkpoints
from lmctheory.training.recording import History as History
from lmctheory.training.result import TrainingResult as TrainingResult
