"""A progress bar for a terminal, a notebook and a log file."""

import sys
import time
from typing import Any

from skorch.callbacks import Callback
from tqdm.auto import tqdm as auto_tqdm
from tqdm.std import tqdm as plain_tqdm

from skrep.utils.streams import is_terminal

__all__ = ["ProgressBar"]

_LINES_IN_A_LOG = 10


class ProgressBar(Callback):
    """Show epoch, loss with its named parts, held-out loss and the time left, on standard error.

    A terminal and a notebook get a moving bar. Anything else (a file, a pipe) gets about ten
    whole lines, because a moving bar is unreadable there.

    Parameters
    ----------
    n_epochs : int
        At most.
    label : str
        What is being trained.
    """

    def __init__(self, n_epochs: int, label: str) -> None:
        self.n_epochs = n_epochs
        self.label = label

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Open the bar."""
        self.started_ = time.monotonic()
        self.n_shown_ = 0
        self.n_seen_ = 0
        self.bar_ = None
        if _in_notebook():
            self.bar_ = auto_tqdm(total=self.n_epochs, desc=self.label, unit="epoch")
        elif is_terminal(sys.stderr):
            self.bar_ = plain_tqdm(
                total=self.n_epochs, desc=self.label, unit="epoch", file=sys.stderr
            )

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Move the bar, or write a line."""
        self.n_seen_ += 1
        if self.bar_ is not None:
            self.bar_.set_postfix(_losses(net.history[-1]), refresh=False)
            self.bar_.update()
            return
        epoch = int(net.history[-1]["epoch"])
        tenth = epoch * _LINES_IN_A_LOG // self.n_epochs
        if self.n_seen_ == 1 or tenth > (epoch - 1) * _LINES_IN_A_LOG // self.n_epochs:
            self._write(net.history[-1])

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        """Write the last line where training stopped between two, and close the bar."""
        if self.bar_ is None and net.history and net.history[-1]["epoch"] != self.n_shown_:
            self._write(net.history[-1])
        self.close()

    def close(self) -> None:
        """Close the bar, also after an error: an open one would push the next one down."""
        if self.bar_ is not None:
            self.bar_.close()
            self.bar_ = None

    def _write(self, row: Any) -> None:
        epoch = self.n_shown_ = int(row["epoch"])
        if sys.stderr is None:  # a process without a console
            return
        # A fit that goes on from a checkpoint has seen fewer epochs than it counts.
        seconds = (time.monotonic() - self.started_) / max(1, self.n_seen_)
        left = seconds * (self.n_epochs - epoch)
        parts = ", ".join(f"{name} {value}" for name, value in _losses(row).items())
        sys.stderr.write(
            f"{self.label}: epoch {epoch}/{self.n_epochs}, {parts}, about {left:.0f} s left\n"
        )
        if callable(getattr(sys.stderr, "flush", None)):  # a stand-in may only have `write`
            sys.stderr.flush()


def _losses(row: Any) -> dict[str, str]:
    return {
        name.removeprefix("train_"): f"{value:.4g}"
        for name, value in row.items()
        if name == "valid_loss"
        or (name.startswith("train_") and not name.endswith(("_best", "_batch_count")))
    }


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    active = None if shell is None else shell.get_ipython()
    return active is not None and "IPKernelApp" in getattr(active, "config", {})
