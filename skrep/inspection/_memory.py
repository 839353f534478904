"""How much memory a call needs, seen from outside."""

import threading
from types import TracebackType

import psutil

__all__ = ["PeakMemory"]

_EVERY_SECONDS = 0.005
_MIB = 1024.0**2


class PeakMemory:
    """Watch the resident memory of this process while a block runs.

    A thread reads it every few milliseconds. `mib` is the highest reading above the first one.
    Memory that the process had been given before and keeps for reuse does not count, so the
    figure is a lower bound, tightest for what is run first.
    """

    mib = 0.0

    def __enter__(self) -> "PeakMemory":
        """Start watching."""
        self._process = psutil.Process()
        self._start = self._highest = self._process.memory_info().rss
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, after one last look."""
        self._done.set()
        self._thread.join()
        self._look()
        self.mib = (self._highest - self._start) / _MIB

    def _watch(self) -> None:
        while not self._done.wait(_EVERY_SECONDS):
            self._look()

    def _look(self) -> None:
        self._highest = max(self._highest, self._process.memory_info().rss)
