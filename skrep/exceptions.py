"""Errors and warnings that skrep raises beside the standard ones."""

__all__ = ["MissingViewError", "NonFiniteLossError"]


class MissingViewError(ValueError):
    """A view is absent where the model needs every view of every sample."""


class NonFiniteLossError(RuntimeError):
    """The training loss became NaN or infinite; the message says when and what to try."""
