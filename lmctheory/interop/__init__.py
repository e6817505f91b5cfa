"""Real data and other people's networks: image sets, training by scikit-learn, adapters, files of named weights."""

from lmctheory.interop.files import load_network as load_network
from lmctheory.interop.files import save_network as save_network
from lmctheory.interop.images import ImageData as ImageData
from lmctheory.interop.images import load_images as load_images
from lmctheory.interop.pytorch import from_torch as from_torch
from lmctheory.interop.pytorch import to_torch as to_torch
from lmctheory.interop.scikit_learn import from_sklearn as from_sklearn
from lmctheory.interop.training import DataTraining as DataTraining
from lmctheory.interop.training import train_on_data as train_on_data
