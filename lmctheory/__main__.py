"""``python -m lmctheory``: the console command `lmctheory`."""

import os
import sys

if __name__ == "__main__":
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if not getattr(sys.flags, "safe_path", False) and os.path.abspath(sys.path[0]) != home:
        del sys.path[0]  # the current folder, where json.py may be a user's: the console command does not look there
    from lmctheory.cli import main

    sys.exit(main())
