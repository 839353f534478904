"""What the deep belief network and the deep Boltzmann machine have in common."""

from numbers import Integral
from typing import Any, Final

import numpy as np
import torch

from skrep._base_deep import BoundMixin, WorkingData, check_pretraining, plan_layer
from skrep._base_energy import check_trainer, refuse_outside
from skrep.base import TRAINING_CONSTRAINTS, ModuleSpec
from skrep.engine.plan import TrainingPlan
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import VISIBLE_UNITS
from skrep.utils.settings import Pretraining
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["DEEP_CONSTRAINTS", "DeepMixin"]

#: Kinds of visible units; counts of words have biases that scale with the row and stay out.
DEEP_UNITS: Final = ("bernoulli", "gaussian", "categorical")

DEEP_CONSTRAINTS: Final[dict[str, list[Any]]] = {
    **TRAINING_CONSTRAINTS,
    "n_components": [Interval(Integral, 1, None, closed="left")],
    "layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "visible": [StrOptions(set(DEEP_UNITS))],
    "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
}


class DeepMixin(BoundMixin):
    """Checks and layers of a model whose visible units are of one kind."""

    # -- parameters -------------------------------------------------------------------------

    def _check_parameters(self, checked: CheckedViews) -> None:
        estimator: Any = self
        self._widths()
        check_pretraining(estimator)
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
        refuse_outside(checked, [kind] * len(checked.names))

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
            plan_layer(
                estimator, spec, layer, gaussian=layer == 0 and estimator.visible == "gaussian"
            )
            for layer in range(n_layers)
        ]
        return plans, 1 if spec.one_pass else pretraining.n_epochs or estimator.max_epochs

    # -- what the mixins ask for ------------------------------------------------------------

    def _words(self, checked: CheckedViews) -> np.ndarray | None:
        return None

    def _check_words(self, n_words: int | None) -> None:
        if n_words is not None:
            raise ValueError(
                f"`n_words` is for models of counts. Got n_words={n_words!r} with visible="
                f"{self.visible!r}."  # type: ignore[attr-defined]
            )
