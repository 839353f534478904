"""Data sets that ship with skrep, that are fetched once, or that are made with a known truth."""

from skrep.datasets._fetch import fetch_fashion_mnist as fetch_fashion_mnist
from skrep.datasets._fetch import fetch_mnist as fetch_mnist
from skrep.datasets._fetch import fetch_wikipedia as fetch_wikipedia
from skrep.datasets._makers import make_bars as make_bars
from skrep.datasets._makers import make_low_rank as make_low_rank
from skrep.datasets._makers import make_multiview as make_multiview
from skrep.datasets._mfeat import load_mfeat as load_mfeat

__all__ = [
    "fetch_fashion_mnist",
    "fetch_mnist",
    "fetch_wikipedia",
    "load_mfeat",
    "make_bars",
    "make_low_rank",
    "make_multiview",
]
