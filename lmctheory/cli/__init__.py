"""The console command `lmctheory`: barriers, training, alignment, sharpness and rates for networks and data in files.

A subcommand is a module: `declare` names its options, and one function goes from parsed options to a `Report`, which `main`
prints, as lines or as JSON. Mistakes are one line on standard error and exit status 2. The library is loaded on first use, so
that ``--help`` is immediate.
"""

from lmctheory.cli.entry import main as main
