"""What the deep belief network and the deep Boltzmann machine have in common."""

from abc import abstractmethod
from numbers import Integral
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skrep.base import TRAINING_CONSTRAINTS, ModuleSpec
from skrep.boltzmann._shared import check_trainer, warn_of_spread
from skrep.engine.greedy import layer_plan
from skrep.engine.plan import TrainingPlan
from skrep.functional.annealing import LogMean
from skrep.mixins import (
    DensityMixin,
    EnergyMixin,
    GenerativeMixin,
    LogPartition,
    ReconstructionMixin,
)
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import VISIBLE_UNITS, Units
from skrep.utils.domains import DOMAINS
from skrep.utils.settings import Pretraining
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["DEEP_CONSTRAINTS", "SAMPLE_STEPS", "DeepMixin", "WorkingData"]

# Steps of the chains that `sample` and the reverse estimate of log Z take their states from.
SAMPLE_STEPS: Final = 1000
# Of the estimate of log Z in `score_samples`.
_N_CHAINS, _N_TEMPERATURES = 100, 1000

#: Kinds of visible units; counts of words have biases that scale with the row and stay out.
DEEP_UNITS: Final = ("bernoulli", "gaussian", "categorical")

DEEP_CONSTRAINTS: Final[dict[str, list[Any]]] = {
    **TRAINING_CONSTRAINTS,
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "visible": [StrOptions(set(DEEP_UNITS))],
    "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
}


class _Cached(NamedTuple):
    """log Z of the model that `history` led to."""

    history: Any
    value: float


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
    mean: torch.Tensor
    variance: torch.Tensor | None


class DeepMixin(EnergyMixin, DensityMixin, GenerativeMixin, ReconstructionMixin):
    """Checks, layers, and a likelihood bound with a cached, seeded log Z."""

    history_: Any

    @abstractmethod
    def _log_partition_by(
        self, method: str, n_chains: int, n_temperatures: int, seed: int
    ) -> LogPartition | LogMean:
        """Return log Z; `method` is not "auto"."""

    @abstractmethod
    def _n_states(self) -> float:
        """Return how many states an exact sum has to visit."""

    # -- parameters -------------------------------------------------------------------------

    def _check_parameters(self, checked: CheckedViews) -> None:
        estimator: Any = self
        self._widths()
        if estimator.pretrain is not None:
            pretraining = Pretraining.of(estimator.pretrain)
            pretraining.check()
            if pretraining.kind != "rbm":
                raise ValueError(
                    f"The layers of a {type(self).__name__} are Boltzmann machines: `pretrain` "
                    f"must be of the kind 'rbm'. Got {pretraining.kind!r}. `DeepAutoencoder` "
                    f"takes the others."
                )
        check_trainer(estimator.trainer)
        self._refuse_outside(checked)

    def _widths(self) -> list[int]:
        """Return the widths of all hidden layers, from the data up."""
        estimator: Any = self
        given = estimator.layer_sizes
        sizes = [given] if isinstance(given, Integral) else list(given)
        if not all(isinstance(size, Integral) and int(size) >= 1 for size in sizes):
            raise ValueError(
                f"`layer_sizes` must be positive integers, the widths of the layers between the "
                f"data and the code. Got {given!r}."
            )
        return [*map(int, sizes), int(estimator.n_components)]

    def _refuse_outside(self, checked: CheckedViews) -> None:
        kind = self.visible  # type: ignore[attr-defined]
        several = len(checked.names) > 1
        for name, array in zip(checked.names, checked.arrays, strict=True):
            DOMAINS[VISIBLE_UNITS[kind].domain](
                array, view=name if several else None, argument=f"visible={kind!r}"
            )

    # -- building ---------------------------------------------------------------------------

    def _working_data(self, spec: ModuleSpec) -> WorkingData:
        visible = VISIBLE_UNITS[self.visible](spec.widths)  # type: ignore[attr-defined]
        means = [torch.from_numpy(m.mean).float() for m in spec.moments]
        if not visible.quadratic:
            zeros, ones = [torch.zeros_like(m) for m in means], [torch.ones_like(m) for m in means]
            return WorkingData(visible, ViewScaler(zeros, ones), torch.cat(means), None)
        overall = [float(m.variance.mean()) or 1.0 for m in spec.moments]
        scales = [torch.full_like(m, v**0.5) for m, v in zip(means, overall, strict=True)]
        parts = [m.variance / v for m, v in zip(spec.moments, overall, strict=True)]
        variance = torch.from_numpy(np.concatenate(parts)).float().clamp_min(1e-3)
        scaler = ViewScaler(means, scales, overall)
        return WorkingData(visible, scaler, torch.zeros(visible.width), variance)

    def _layer_plans(self, spec: ModuleSpec, n_layers: int) -> tuple[list[TrainingPlan], int]:
        """Return how each layer is trained, and for how many epochs."""
        estimator: Any = self
        pretraining = Pretraining.of(estimator.pretrain or "rbm")
        plans = [
            layer_plan(
                pretraining,
                estimator.trainer,
                batch_size=estimator.batch_size,
                device=estimator.device,
                seed=spec.seed + 1000 * (layer + 1),
                gaussian=layer == 0 and estimator.visible == "gaussian",
            )
            for layer in range(n_layers)
        ]
        return plans, 1 if spec.one_pass else pretraining.n_epochs or estimator.max_epochs

    # -- what the mixins ask for ------------------------------------------------------------

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        return self._apply("decode_batch", CheckedViews((codes,), ("code",)))  # type: ignore[attr-defined]

    def _words(self, checked: CheckedViews) -> np.ndarray | None:
        return None

    def _log_density(self, checked: CheckedViews) -> np.ndarray:
        return -self._free_energy(self._check_domain(checked)) - self._cached_log_partition()

    def _cached_log_partition(self) -> float:
        cached: _Cached | None = vars(self).get("_log_z")
        if cached is None or cached.history is not self.history_:
            estimator: Any = self
            found = self._estimate_log_partition(
                "auto", _N_CHAINS, _N_TEMPERATURES, estimator._noise_seed, None
            )
            cached = self._log_z = _Cached(self.history_, found.value)
        return cached.value

    def _estimate_log_partition(
        self, method: str, n_chains: int, n_temperatures: int, seed: int, n_words: int | None
    ) -> LogPartition:
        if n_words is not None:
            raise ValueError(
                f"`n_words` is for models of counts. Got n_words={n_words!r} with visible="
                f"{self.visible!r}."  # type: ignore[attr-defined]
            )
        if method == "auto":
            method = "exact" if self._n_states() <= 2**20 else "ais"
        found = self._log_partition_by(method, n_chains, n_temperatures, seed)
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
            Nats per sample in the units of the input.

        Raises
        ------
        ValueError
            If a value is outside the domain of the visible units.
        """
        check_is_fitted(self)
        return self._log_density(self._check(X))  # type: ignore[attr-defined]


def fresh_biases(working: WorkingData) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Return visible biases that give the data's means, and the logarithm of variances."""
    if working.variance is not None:
        return torch.zeros(working.visible.width), working.variance.log()
    p = working.mean.clamp(0.001, 0.999)
    return p.log() - (torch.log1p(-p) if working.visible.domain == "unit_interval" else 0.0), None
