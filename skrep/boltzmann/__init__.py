"""Energy models: Hopfield networks and Boltzmann machines."""

from skrep.boltzmann._anneal import Annealed as Annealed
from skrep.boltzmann._boltzmann import BoltzmannMachine as BoltzmannMachine
from skrep.boltzmann._dbm import DBM as DBM
from skrep.boltzmann._dbn import DBN as DBN
from skrep.boltzmann._hopfield import HopfieldNetwork as HopfieldNetwork
from skrep.boltzmann._hopfield import Recall as Recall
from skrep.boltzmann._rbm import RBM as RBM

__all__ = ["DBM", "DBN", "RBM", "Annealed", "BoltzmannMachine", "HopfieldNetwork", "Recall"]
