"""Permutations that align the hidden neurons of one network with those of another."""

from lmctheory.alignment.alignment import Alignment as Alignment
from lmctheory.alignment.assignment import Assignment as Assignment
from lmctheory.alignment.exact import ExactAlignment as ExactAlignment
from lmctheory.alignment.methods import align as align
from lmctheory.alignment.swaps import SwapAlignment as SwapAlignment
