"""What a command line needs of its process: standard streams that are there and take every text, and signals that interrupt."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

from lmctheory._progress import Forgiving, say
from lmctheory.errors import LmcError

OK, FAILED, READER_GONE = 0, 2, 141
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
RESEND_SECONDS = 0.1


class Interrupted(KeyboardInterrupt):
    """A signal that asks the process to end: Ctrl-C, a cluster's time limit (SIGTERM), a terminal that is gone (SIGHUP)."""

    def __init__(self, number: int, finished: str = "") -> None:
        name = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
        super().__init__(f"interrupted{name}{finished}")
        self.number = number


@dataclass
class Outcome:
    """How a command line ended: `prog` is what messages begin with."""

    prog: str
    status: int = OK


@contextmanager
def guarded(prog: str) -> Iterator[Outcome]:
    """Run a block in a prepared process, and turn what it raises into one line on standard error and an exit status.

    `SystemExit`, with which argparse ends after showing its help or refusing an argument, passes.
    """
    outcome = Outcome(prog)
    with standard_streams(), interrupts():
        try:
            try:
                yield outcome
            except SystemExit:
                sys.stdout.flush()
                raise
            sys.stdout.flush()
        except (LmcError, MemoryError) as error:
            outcome.status = FAILED
            complain(outcome.prog, "error", str(error) or "out of memory")
        except BrokenPipeError:
            outcome.status = READER_GONE  # one that has enough, such as head, is no mistake
        except OSError as error:
            outcome.status = FAILED
            what = "standard output cannot be written" if error.filename is None else f"{error.filename} cannot be used"
            complain(outcome.prog, "error", f"{what}: {error.strerror or error}")
        except KeyboardInterrupt as error:
            outcome.status = interrupt_status(error)
            complain(outcome.prog, "error", str(error) or "interrupted")


def interrupt_status(error: KeyboardInterrupt) -> int:
    """Return the exit status of a process that a signal has interrupted."""
    if isinstance(error, SystemExit) and isinstance(error.code, int):  # an interrupted study
        return error.code
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


def complain(prog: str, kind: str, message: str) -> None:
    """Write one line to standard error."""
    if getattr(sys.stderr, "midline", False):  # below a line that shows progress
        say("")
    say(f"{prog}: {kind}: {' '.join(message.split())}")


def _abandon_if_broken(stream: Any) -> None:
    """Keep the interpreter from writing again, at exit, what a standard stream has refused."""
    with suppress(ValueError):  # closed, or no file at all
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def standard_streams() -> Iterator[None]:
    """Put something in the place of closed streams, let standard output take every text, and let standard error fail."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: the next file that is opened would get this number, and with it whatever is printed
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    saved = sys.stdin, sys.stdout, sys.stderr
    with ExitStack() as stack:
        stack.callback(_set_streams, *saved)
        stdin, stdout, stderr = (
            stack.enter_context(open(os.devnull, mode, encoding="utf-8")) if stream is None else stream
            for stream, mode in zip(saved, "rww", strict=True)
        )
        _set_streams(stdin, stdout, Forgiving(stderr))
        errors = getattr(stdout, "errors", None)
        if errors in ("strict", "surrogateescape", "surrogatepass") and hasattr(stdout, "reconfigure"):
            stdout.reconfigure(errors="backslashreplace")
            stack.callback(stdout.reconfigure, errors=errors)
        stack.callback(_abandon_if_broken, stderr)
        stack.callback(_abandon_if_broken, stdout)
        yield


def _set_streams(stdin: Any, stdout: Any, stderr: Any) -> None:
    sys.stdin, sys.stdout, sys.stderr = stdin, stdout, stderr


class _Interrupts:
    """What to do when a signal arrives: raise `Interrupted`, or remember it while results are being written."""

    def __init__(self) -> None:
        self.deferred, self.pending = False, 0

    def receive(self, number: int, _: FrameType | None) -> None:
        if self.deferred:
            self.pending = number
        else:
            raise Interrupted(number)

    @contextmanager
    def defer(self, deferred: bool) -> Iterator[None]:
        before, self.deferred = self.deferred, deferred
        try:
            self._deliver()
            yield
        finally:
            self.deferred = before
        self._deliver()

    def _deliver(self) -> None:
        if self.pending and not self.deferred:
            number, self.pending = self.pending, 0
            raise Interrupted(number)


_interrupts = _Interrupts()


@contextmanager
def interrupts() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt the block as Ctrl-C does, unless the caller ignores or handles them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _interrupts.deferred, _interrupts.pending = False, 0
    with ExitStack() as stack:
        for number in SIGNALS:
            handler = signal.getsignal(number)
            if handler in (signal.SIG_DFL, signal.default_int_handler):
                stack.callback(signal.signal, number, handler)
                signal.signal(number, _interrupts.receive)
        stack.callback(setattr, sys, "unraisablehook", sys.unraisablehook)
        sys.unraisablehook = _resend(sys.unraisablehook)
        yield


def _resend(hook: Any) -> Any:
    """Return a hook that sends a signal once more if its exception was raised where none can be: in a callback of a library."""

    def resend(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            again = threading.Timer(RESEND_SECONDS, os.kill, (os.getpid(), unraisable.exc_value.number))
            again.daemon = True
            again.start()
        else:
            hook(unraisable)

    return resend


def writing_results() -> AbstractContextManager[None]:
    """Return a context in which a signal waits until the block has ended, so that nothing that is finished is lost."""
    return _interrupts.defer(True)


def computing() -> AbstractContextManager[None]:
    """Return a context inside of `writing_results` in which a signal interrupts at once."""
    return _interrupts.defer(False)
