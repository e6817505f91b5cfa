"""Settings of the whole suite."""

import os

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile(
    "suite", deadline=None, derandomize=True, database=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def pytest_collection_modifyitems(items):
    """Skip what is too slow in interpreted loops."""
    skip = pytest.mark.skip(reason="too slow without compiled loops")
    for item in items if JIT_OFF else ():
        if item.get_closest_marker("jit"):
            item.add_marker(skip)
