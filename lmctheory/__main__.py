"""``python -m lmctheory``: the console command `lmctheory`."""

import sys

from lmctheory.cli import main

if __name__ == "__main__":
    sys.exit(main())
