"""Theory verification for linear mode connectivity modulo permutation.

The public names are those of ``__init__.pyi``; each is loaded on first use, so that importing the package is fast.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
