"""The user's own interrupt: Ctrl-C, or the signal by which a cluster announces that the time is up."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StudyInterrupted(KeyboardInterrupt, SystemExit):
    """The user has interrupted a study; what has been computed is kept.

    It can be caught as a KeyboardInterrupt. A script that does not catch it ends with the status that shells give to interrupted
    programs, and without a traceback.
    """

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.code = 128 + signal_number


class Interrupts:
    """Notes interrupts, so that they are not confused with what a cell raises, and stop the work only where it may stop.

    A context manager. Inside of it the main thread's handlers of interrupts are its own, unless the signal is ignored.

    Attributes
    ----------
    received : int
        Number of the signal that came, or 0.
    """

    def __init__(self) -> None:
        self.received = 0
        self._open = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):
                    self._before[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """Let an interrupt raise KeyboardInterrupt at once inside the block."""
        self.check()
        self._open = True
        try:
            yield
        finally:
            self._open = False
        self.check()

    def check(self) -> None:
        """Raise KeyboardInterrupt if an interrupt has come."""
        if self.received:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        before, again = self._before[number], self.received
        self.received = number
        if callable(before) and before is not signal.default_int_handler:
            before(number, frame)  # decides: what it does not turn into an exception does not stop the study
            self.received = again
        elif self._open or again:  # whoever asks twice does not want to wait
            raise KeyboardInterrupt


def say(line: str) -> None:
    """Write a line to standard error, if there is one."""
    with suppress(OSError, ValueError, AttributeError):
        print(line, file=sys.stderr, flush=True)
