"""Transformers that make, map, pick and join views; they work inside any `Pipeline`."""

from skrep.compose._concat import ConcatViews as ConcatViews
from skrep.compose._per_view import PerView as PerView
from skrep.compose._select import SelectView as SelectView
from skrep.compose._split import SplitViews as SplitViews

__all__ = ["ConcatViews", "PerView", "SelectView", "SplitViews"]
