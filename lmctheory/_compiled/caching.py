"""`njit` of Numba with a cache where there is a place for one, so that a poor disk costs time and nothing else."""

from __future__ import annotations

import os
import warnings

import numba

REMEDY = "set NUMBA_CACHE_DIR to a folder that can be written to"


def njit(function=None, *, cache=False, **options):
    """Return the compiled `function`, as `numba.njit` does; with `cache`, compiled code is kept on disk if that is possible."""
    if function is None:
        return lambda function: njit(function, cache=cache, **options)
    if cache:
        try:
            compiled = numba.njit(function, cache=True, **options)
        except (RuntimeError, OSError):  # the package and the home folder can be read only
            _warn("cannot be kept")
        else:
            if hasattr(compiled, "_cache"):  # not where compilation is off
                compiled._cache = TolerantCache(compiled._cache)
            return compiled
    return numba.njit(function, **options)


class TolerantCache:
    """The cache of one compiled function; where it is damaged, or the disk is full, the function is compiled anew."""

    def __init__(self, cache):
        self._cache = cache

    def __getattr__(self, name):
        return getattr(self._cache, name)

    def load_overload(self, signature, context):
        """Return compiled code, or None if there is none that can be read."""
        try:
            return self._cache.load_overload(signature, context)
        except Exception as error:  # whatever unpickling a damaged file provokes
            _warn(f"cannot be read back ({type(error).__name__})")
            return None

    def save_overload(self, signature, code):
        """Keep compiled code, if that is possible."""
        try:
            self._cache.save_overload(signature, code)
        except Exception as error:  # a full disk, or once more a damaged file
            _warn(f"cannot be kept ({error.strerror if isinstance(error, OSError) else type(error).__name__})")


_warned: set[int] = set()  # processes


def _warn(what):
    """Warn once a process."""
    if os.getpid() not in _warned:
        _warned.add(os.getpid())
        warnings.warn(
            f"compiled code {what}: every start compiles anew, which takes time; {REMEDY}", RuntimeWarning, stacklevel=3
        )
