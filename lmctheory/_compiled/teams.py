"""A place where the threads of a team wait for each other."""

import os

from llvmlite import ir
from numba import config, njit, types
from numba.core.cgutils import get_or_insert_function

from lmctheory._compiled.vectors import compiled_as

CAN_WAIT = not config.DISABLE_JIT  # type: ignore[attr-defined]  # a thread that waits in interpreted code would hold up the others
SPINS = 2000  # looks at the counter, some microseconds, before the processor is offered to others


@njit(nogil=True)
def wait_for_all(shared, size):
    """Return when all `size` threads of the team have called; ``shared[0]`` counts the calls, from 0 on."""
    if size == 1:
        return
    awaited = (add_at_once(shared, 1) // size + 1) * size
    spins = 0
    while current(shared) < awaited:
        spins += 1
        if spins > SPINS:
            give_way()


def add_at_once(shared, amount):
    """Add to ``shared[0]`` in one step that all threads see in the same order, and return what it was."""
    before = shared[0]
    shared[0] += amount
    return before


@compiled_as(add_at_once, types.int64, types.Array(types.int64, 1, "C"), types.int64)
def _add_at_once(builder, shared, amount):
    return builder.atomic_rmw("add", shared, amount, "seq_cst")


def current(shared):
    """Return ``shared[0]`` as other threads have left it."""
    return shared[0]


@compiled_as(current, types.int64, types.Array(types.int64, 1, "C"))
def _current(builder, shared):
    return builder.load_atomic(shared, "acquire", 8)


def give_way():
    """Let another thread run."""


@compiled_as(give_way, types.void)
def _give_way(builder):
    name = "SwitchToThread" if os.name == "nt" else "sched_yield"
    builder.call(get_or_insert_function(builder.module, ir.FunctionType(ir.IntType(32), []), name), [])
