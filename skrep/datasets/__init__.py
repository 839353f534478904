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
from skrep.datasets._makers import make_bars as make_bars
from skrep.datasets._makers import make_low_rank as make_low_rank
from skrep.datasets._makers import make_multiview as make_multiview
from skrep.datasets._mfeat import load_mfeat as load_mfeat

__all__ = [
    "IsingProblem",
    "fetch_fashion_mnist",
    "fetch_mnist",
    "fetch_wikipedia",
    "load_mfeat",
    "make_bars",
    "make_ising_grid",
    "make_low_rank",
    "make_max_cut",
    "make_multiview",
    "make_qubo",
    "max_cut_to_ising",
    "qubo_to_ising",
]
