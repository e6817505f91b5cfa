"""Settings of the whole suite."""

import os

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("MPLBACKEND", "Agg")

settings.register_profile(
    "suite", deadline=None, derandomize=True, database=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

NO_BROWSER = "the report page was NOT tested in a browser: apt-get install chromium chromium-driver"
JIT_OFF = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


def pytest_collection_modifyitems(items):
    """Skip what is too slow in interpreted loops."""
    skip = pytest.mark.skip(reason="too slow without compiled loops")
    for item in items if JIT_OFF else ():
        if item.get_closest_marker("jit"):
            item.add_marker(skip)


def pytest_terminal_summary(terminalreporter):
    """Say once more, below the list of skipped tests, that the browser is missing."""
    if any(NO_BROWSER in str(report.longrepr) for report in terminalreporter.stats.get("skipped", ())):
        terminalreporter.write_line(f"WARNING: {NO_BROWSER}", yellow=True, bold=True)
