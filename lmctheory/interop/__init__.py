"""Real data and other people's networks: image sets, training by scikit-learn."""

from lmctheory.interop.images import ImageData as ImageData
from lmctheory.interop.images import load_images as load_images
from lmctheory.interop.training import DataTraining as DataTraining
from lmctheory.interop.training import train_on_data as train_on_data
