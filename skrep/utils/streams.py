"""Standard error as it comes: a terminal, a file, a stand-in, or nothing at all."""

from typing import Any

__all__ = ["is_terminal"]


def is_terminal(stream: Any) -> bool:
    """Return whether `stream` is a terminal; a stand-in need not know, and None is none.

    Parameters
    ----------
    stream : object
        `sys.stderr`: None in a process without a console, and often an object with little more
        than `write` where output is captured.
    """
    ask = getattr(stream, "isatty", None)
    return callable(ask) and bool(ask())
