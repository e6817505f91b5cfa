"""Long studies: a grid of cells, a function from a cell to numbers, and a database in which no finished cell is ever lost."""

from lmctheory.sweep.engine import StudyResult as StudyResult
from lmctheory.sweep.engine import run_study as run_study
from lmctheory.sweep.study import Study as Study
from lmctheory.sweep.study import grid as grid
from lmctheory.sweep.tables import Table as Table
from lmctheory.sweep.tables import load as load
from lmctheory.sweep.tables import to_frame as to_frame
