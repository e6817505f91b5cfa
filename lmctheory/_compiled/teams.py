"""Work that several threads share, so that none waits for one that has been put aside before it took on anything."""

import os

from llvmlite import ir
from numba import config, types
from numba.core.cgutils import get_or_insert_function

from lmctheory._compiled.caching import njit
from lmctheory._compiled.vectors import compiled_as

CAN_SHARE = not config.DISABLE_JIT  # type: ignore[attr-defined]  # a thread that waits in interpreted code would hold up the others
SPINS = 2000  # looks at the counters, some microseconds, before the processor is offered to others
DONE, ENDED, CLAIMED = range(3)  # places of counters, zero at the start; from the last on there is one an item
_COUNTERS = types.Array(types.int64, 1, "C")


@njit(nogil=True)
def next_item(counters, size, preferred):
    """Return phase and number of an item which is then this thread's to do, or -1 for the number once the work has ended.

    Phases of `size` items each follow each other: no item is given out before all of the phase before are done. Of those left,
    a thread gets the first from its preferred one on, whose data it is likely to have at hand.
    """
    spins = 0
    while True:
        phase = current(counters, DONE) // size
        if current(counters, ENDED) > 0:
            return phase, -1
        for turn in range(size):
            item = (preferred + turn) % size
            if current(counters, CLAIMED + item) == phase and replace(counters, CLAIMED + item, phase, phase + 1):
                return phase, item
        spins += 1
        if spins > SPINS:
            give_way()


def current(counters, place):
    """Return a counter as other threads have left it."""
    return counters[place]


@compiled_as(current, types.int64, _COUNTERS, types.int64)
def _current(builder, counters, place):
    return builder.load_atomic(builder.gep(counters, [place]), "seq_cst", 8)


def add_at_once(counters, place, amount):
    """Add to a counter in one step, after all that this thread has written before."""
    counters[place] += amount


@compiled_as(add_at_once, types.void, _COUNTERS, types.int64, types.int64)
def _add_at_once(builder, counters, place, amount):
    builder.atomic_rmw("add", builder.gep(counters, [place]), amount, "seq_cst")


def replace(counters, place, expected, value):
    """Set a counter to `value` if it is still as expected, in one step; return whether it was."""
    counters[place] = value
    return True


@compiled_as(replace, types.boolean, _COUNTERS, types.int64, types.int64, types.int64)
def _replace(builder, counters, place, expected, value):
    found = builder.cmpxchg(builder.gep(counters, [place]), expected, value, "seq_cst", "seq_cst")
    return builder.extract_value(found, 1)


def give_way():
    """Let another thread run."""


@compiled_as(give_way, types.void)
def _give_way(builder):
    name = "SwitchToThread" if os.name == "nt" else "sched_yield"
    builder.call(get_or_insert_function(builder.module, ir.FunctionType(ir.IntType(32), []), name), [])
