"""Models that relate views by the correlations of their codes."""

from skrep.cross_decomposition._cca import CCA as CCA
from skrep.cross_decomposition._dcca import DCCA as DCCA
from skrep.cross_decomposition._dccae import DCCAE as DCCAE
from skrep.cross_decomposition._rbmcca import RBMCCA as RBMCCA

__all__ = ["CCA", "DCCA", "DCCAE", "RBMCCA"]
