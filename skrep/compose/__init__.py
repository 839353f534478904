"""Transformers that make, map, pick and join views, and heads that train an embedding further."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from skrep.compose._concat import ConcatViews as ConcatViews
from skrep.compose._label_as_view import LabelAsView as LabelAsView
from skrep.compose._pair import PairedEstimator as PairedEstimator
from skrep.compose._per_view import PerView as PerView
from skrep.compose._retriever import CrossModalRetriever as CrossModalRetriever
from skrep.compose._select import SelectView as SelectView
from skrep.compose._split import SplitViews as SplitViews

if TYPE_CHECKING:
    from skrep.compose._fine_tuned import FineTunedClassifier as FineTunedClassifier
    from skrep.compose._fine_tuned import FineTunedRegressor as FineTunedRegressor

__all__ = [
    "ConcatViews",
    "CrossModalRetriever",
    "FineTunedClassifier",
    "FineTunedRegressor",
    "LabelAsView",
    "PairedEstimator",
    "PerView",
    "SelectView",
    "SplitViews",
]


def __getattr__(name: str) -> Any:
    """Load the heads on first use: they need torch, which the transformers of views do not."""
    if name not in __all__:
        raise AttributeError(f"module 'skrep.compose' has no attribute {name!r}")
    value = getattr(import_module("skrep.compose._fine_tuned"), name)
    globals()[name] = value
    return value
