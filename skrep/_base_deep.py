"""What deep energy models share: layers trained one by one, a bound with a kept log Z."""

from abc import abstractmethod
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skrep._base_energy import warn_of_spread
from skrep.base import ModuleSpec
from skrep.engine.greedy import layer_plan
from skrep.engine.plan import TrainingPlan
from skrep.engine.seeding import make_generator
from skrep.functional.annealing import LogMean
from skrep.mixins import (
    DensityMixin,
    EnergyMixin,
    GenerativeMixin,
    LogPartition,
    ReconstructionMixin,
)
from skrep.nn.dbm import DoubledRBMModule, gains
from skrep.nn.rbm import MAX_STATES
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import BernoulliUnits, CategoricalUnits, Units
from skrep.utils.settings import Pretraining
from skrep.utils.validation import CheckedViews

__all__ = [
    "SAMPLE_STEPS",
    "BoundMixin",
    "WorkingData",
    "check_pretraining",
    "fresh_biases",
    "hidden_layer",
    "make_doubled_layer",
    "plan_layer",
]

# Steps of the chains that `sample` and the reverse estimate of log Z take their states from.
SAMPLE_STEPS: Final = 1000
# Of the estimate of log Z in `score_samples`.
_N_CHAINS, _N_TEMPERATURES = 100, 1000
# Standard deviation of the first connections of a categorical view.
_CATEGORY_SIZE = 2.0


class _Kept(NamedTuple):
    """log Z by number of words, of the model that `history` led to."""

    history: Any
    values: dict[int | None, float]


class BoundMixin(EnergyMixin, DensityMixin, GenerativeMixin, ReconstructionMixin):
    """A likelihood bound with a cached, seeded log Z."""

    history_: Any

    @abstractmethod
    def _log_partition_by(
        self, method: str, n_chains: int, n_temperatures: int, seed: int, n_words: int | None
    ) -> LogPartition | LogMean:
        """Return log Z; `method` is not "auto"."""

    @abstractmethod
    def _n_states(self) -> float:
        """Return how many states an exact sum has to visit."""

    @abstractmethod
    def _check_words(self, n_words: int | None) -> None:
        """Raise where a number of words is missing or does not apply."""

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        return self._apply("decode_batch", CheckedViews((codes,), ("code",)))  # type: ignore[attr-defined]

    def _log_density(self, checked: CheckedViews) -> np.ndarray:
        checked = self._check_domain(checked)
        energies, words = self._free_energy(checked), self._words(checked)
        if words is None:
            return -energies - self._kept_log_partition(None)
        values, place = np.unique(words, return_inverse=True)
        logs = [self._kept_log_partition(int(n)) for n in values]
        return -energies - np.asarray(logs)[place]

    def _kept_log_partition(self, n_words: int | None) -> float:
        kept: _Kept | None = vars(self).get("_log_z")
        if kept is None or kept.history is not self.history_:
            kept = self._log_z = _Kept(self.history_, {})
        if n_words not in kept.values:
            seed = self._noise_seed  # type: ignore[attr-defined]
            found = self._estimate_log_partition("auto", _N_CHAINS, _N_TEMPERATURES, seed, n_words)
            kept.values[n_words] = found.value
        return kept.values[n_words]

    def _estimate_log_partition(
        self, method: str, n_chains: int, n_temperatures: int, seed: int, n_words: int | None
    ) -> LogPartition:
        self._check_words(n_words)
        if method == "auto":
            method = "exact" if self._n_states() <= MAX_STATES else "ais"
        found = self._log_partition_by(method, n_chains, n_temperatures, seed, n_words)
        if isinstance(found, LogMean):
            warn_of_spread(found, n_chains, n_temperatures)
        return LogPartition(found.value, found.standard_error)

    def score_samples(self, X: Any) -> np.ndarray:
        """Return a lower bound on the log-probability of each sample.

        log Z is exact where the model is small enough to sum over its states, else it comes from
        annealed importance sampling with 100 chains and 1000 temperatures, done once and kept. Its
        seed was fixed at `fit`.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats per sample in the units of the input; of what is present, where views are absent.

        Raises
        ------
        ValueError
            If a value is outside the domain of the visible units.
        """
        check_is_fitted(self)
        return self._log_density(self._check(X))  # type: ignore[attr-defined]


def check_pretraining(estimator: Any) -> None:
    """Refuse a pre-training that does not give Boltzmann machines.

    Parameters
    ----------
    estimator : estimator
        Read for `pretrain`.

    Raises
    ------
    ValueError
        If its kind is another, or its numbers are not legal.
    """
    if estimator.pretrain is None:
        return
    pretraining = Pretraining.of(estimator.pretrain)
    pretraining.check()
    if pretraining.kind != "rbm":
        raise ValueError(
            f"The layers of a {type(estimator).__name__} are Boltzmann machines: `pretrain` "
            f"must be of the kind 'rbm'. Got {pretraining.kind!r}. `DeepAutoencoder` "
            f"takes the others."
        )


def plan_layer(estimator: Any, spec: ModuleSpec, layer: int, *, gaussian: bool) -> TrainingPlan:
    """Return how a layer is trained by itself.

    Parameters
    ----------
    estimator : estimator
        Read for `pretrain`, `trainer`, `batch_size` and `device`.
    spec : ModuleSpec
        With the seed.
    layer : int
        Its number, from 0, which tells its draws from those of others.
    gaussian : bool
        Whether its lower units are.
    """
    return layer_plan(
        Pretraining.of(estimator.pretrain or "rbm"),
        estimator.trainer,
        batch_size=estimator.batch_size,
        device=estimator.device,
        seed=spec.seed + 1000 * (layer + 1),
        gaussian=gaussian,
    )


class WorkingData(NamedTuple):
    """The first two moments of the data as visible units see them.

    Attributes
    ----------
    visible : Units
        Kind of the units.
    scaler : ViewScaler
        From the caller's units.
    mean : Tensor of shape (n_visible,)
        In working units.
    variance : Tensor of shape (n_visible,) or None
        Of gaussian units.
    """

    visible: Units
    scaler: ViewScaler
    mean: Tensor
    variance: Tensor | None


def hidden_layer(codes: np.ndarray) -> WorkingData:
    """Return probabilities of a layer of binary units as the data of the layer above."""
    mean = torch.from_numpy(codes.mean(axis=0, dtype=np.float64)).float()
    scaler = ViewScaler([torch.zeros_like(mean)], [torch.ones_like(mean)])
    return WorkingData(BernoulliUnits((len(mean),)), scaler, mean, None)


def fresh_biases(working: WorkingData) -> tuple[Tensor, Tensor | None]:
    """Return visible biases that give the data's means, and the logarithm of variances."""
    if working.variance is not None:
        return torch.zeros(working.visible.width), working.variance.log()
    if working.visible.counted:
        share = working.mean + 1e-4 * working.mean.mean()
        return (share / share.sum()).clamp_min(1e-12).log(), None
    p = working.mean.clamp(0.001, 0.999)
    return p.log() - (torch.log1p(-p) if working.visible.domain == "unit_interval" else 0.0), None


def make_doubled_layer(
    working: WorkingData, width: int, plan: TrainingPlan, pretrain: Any, layer: int, n_layers: int
) -> DoubledRBMModule:
    """Return an untrained layer of a deep Boltzmann machine, to be trained by itself.

    Parameters
    ----------
    working : WorkingData
        What it will be trained on.
    width : int
        Number of its hidden units.
    plan : TrainingPlan
        Its seed and batch size.
    pretrain : str or Pretraining
        How its gradient is estimated.
    layer, n_layers : int
        Which it is, from 1, and of how many, which says what is doubled.
    """
    pretraining = Pretraining.of(pretrain)
    up, down = gains(layer, n_layers)
    bias, log_variance = fresh_biases(working)
    generator = make_generator(plan.seed)
    # The biases alone fit one variable: training the layer by itself would wipe out what its
    # connections say of the category. Large random ones tell the layer above which it is.
    learns = layer == n_layers or not isinstance(working.visible, CategoricalUnits)
    size = 0.01 if learns else _CATEGORY_SIZE
    weight = torch.empty(width, len(bias)).normal_(0.0, size, generator=generator)
    hidden_bias = torch.zeros(width)
    if not learns:
        hidden_bias -= up * (weight @ working.mean)
        bias = bias - 0.5 * down * weight.sum(dim=0)
    return DoubledRBMModule(
        working.scaler,
        working.visible,
        weight,
        bias,
        hidden_bias,
        log_variance=log_variance,
        up=up,
        down=down,
        n_gibbs_steps=pretraining.n_gibbs_steps,
        n_chains=plan.batch_size if pretraining.persistent else 0,
        learns=learns,
    )
