"""Data sets that ship with skrep, that are fetched once, or that are made with a known truth."""

from skrep.datasets._couplings import IsingProblem as IsingProblem
from skrep.datasets._couplings import make_ising_grid as make_ising_grid
from skrep.datasets._couplings import make_max_cut as make_max_cut
from skrep.datasets._couplings import make_qubo as make_qubo
from skrep.datasets._couplings import max_cut_to_ising as max_cut_to_ising
from skrep.datasets._couplings import qubo_to_ising as qubo_to_ising
from skrep.datasets._fetch import fetch_fashion_mnist as fetch_fashion_mnist
from skrep.datasets._fetch import fetch_mnist as fetch_mnist
from skrep.datasets._fetch import fetch_wikipedia as fetch_wikipedia
from skrep.datasets._image_views import make_halves as make_halves
from skrep.datasets._image_views import make_noisy_views as make_noisy_views
from skrep.datasets._makers import make_bars as make_bars
from skrep.datasets._makers import make_low_rank as make_low_rank
from skrep.datasets._makers import make_multiview as make_multiview
from skrep.datasets._mfeat import load_mfeat as load_mfeat
from skrep.datasets._multiview_makers import drop_views as drop_views
from skrep.datasets._multiview_makers import with_labels as with_labels

__all__ = [
    "IsingProblem",
    "drop_views",
    "fetch_fashion_mnist",
    "fetch_mnist",
    "fetch_wikipedia",
    "load_mfeat",
    "make_bars",
    "make_halves",
    "make_ising_grid",
    "make_low_rank",
    "make_max_cut",
    "make_multiview",
    "make_noisy_views",
    "make_qubo",
    "max_cut_to_ising",
    "qubo_to_ising",
    "with_labels",
]
