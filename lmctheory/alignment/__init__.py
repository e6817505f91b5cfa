"""Permutations that align the hidden neurons of one network with those of another."""

from lmctheory.alignment.assignment import Alignment as Alignment
from lmctheory.alignment.assignment import align as align
