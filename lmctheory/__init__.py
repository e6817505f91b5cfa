"""Theory verification for linear mode connectivity modulo permutation.

The public names are those of ``__init__.pyi``; each is loaded on first use, so that importing the package is fast. Where the
extra of a name is not installed, a stand-in takes its place, which raises MissingDependencyError when it is called.
"""

import lazy_loader

from lmctheory.errors import MissingDependencyError

__version__ = "0.1.0"

_load, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    try:
        return _load(name)
    except MissingDependencyError as error:
        from lmctheory._missing import stand_in

        return stand_in(__name__, name, lambda: _load(name), str(error))
