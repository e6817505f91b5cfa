"""Networks: two-layer ReLU networks, deeper ones, and what both have in common."""

from lmctheory.networks.layered import LayeredNet as LayeredNet
from lmctheory.networks.network import Network as Network
from lmctheory.networks.network import as_layered as as_layered
from lmctheory.networks.network import network_permutation as network_permutation
from lmctheory.networks.network import same_architecture as same_architecture
from lmctheory.networks.two_layer import TwoLayerNet as TwoLayerNet
from lmctheory.networks.two_layer import orthonormal_teacher as orthonormal_teacher
