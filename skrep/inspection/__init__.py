"""Looking at what models have learned, side by side."""

from skrep.inspection._compare import compare as compare

__all__ = ["compare"]
