"""A place where the threads of a team wait for each other."""

from llvmlite import ir
from numba import config, njit, types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

CAN_WAIT = not config.DISABLE_JIT  # a thread that waits in interpreted code would hold up the others
SPINS = 2000  # looks at the counter, some microseconds, before the processor is offered to others


@njit(nogil=True)
def wait_for_all(shared, size):
    """Return when all `size` threads of the team have called; ``shared[0]`` counts the calls, from 0 on."""
    if size == 1:
        return
    awaited = (_add(shared, 1) // size + 1) * size
    spins = 0
    while _add(shared, 0) < awaited:
        spins += 1
        if spins > SPINS:
            _give_way()


@intrinsic
def _add(context, shared, amount):
    """Add to the first integer in one step that all threads see in the same order, and return what it was."""

    def build(context, builder, found, values):
        pointer = context.make_array(found.args[0])(context, builder, values[0]).data
        return builder.atomic_rmw("add", pointer, values[1], "seq_cst")

    return types.int64(shared, types.int64), build


@intrinsic
def _give_way(context):
    """Let another thread run."""

    def build(context, builder, found, values):
        kind = ir.FunctionType(ir.IntType(32), [])
        builder.call(get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), build
