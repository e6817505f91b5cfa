"""Where descent can rest, and what it leaves: sharpness, the stability threshold of dense minima, the sparsity of networks."""

from lmctheory.stability.curvature import DENSE_LIMIT as DENSE_LIMIT
from lmctheory.stability.curvature import sharpness as sharpness
from lmctheory.stability.neurons import DEAD as DEAD
from lmctheory.stability.neurons import DataSparsity as DataSparsity
from lmctheory.stability.neurons import Sparsity as Sparsity
from lmctheory.stability.neurons import sparsity as sparsity
from lmctheory.stability.threshold import stability_threshold as stability_threshold
