"""The training loop: skorch's net with whole batches, a lean step and one sync an epoch.

skorch's callbacks, history and stopping are kept. What is replaced is the data path and what it
does per batch: no per-row fetch, no `.item()`, no closure unless the optimiser needs one. As soon
as a callback wants to see batches or gradients, skorch's own epoch loop runs instead.
"""

import math
import time
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor, nn

from skrep.engine.data import BatchIterator
from skrep.engine.meter import LossMeter
from skrep.engine.optimizers import DescentStep, lean_step
from skrep.exceptions import NonFiniteLossError
from skrep.nn.module import Batch, LossTerms, RepresentationModule

__all__ = ["Net"]

_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_grad_computed")


class Net(NeuralNet):
    """Train a `RepresentationModule` by gradient steps.

    Parameters
    ----------
    module : RepresentationModule
        Built by the estimator; trained in place.
    plan : skrep.engine.plan.TrainingPlan
        Batch size, optimiser, schedule, clipping, precision and generators.
    callbacks : list of skorch callbacks
        Called as in skorch.
    max_epochs : int
        Passes over the data.
    device : str
        Of the module.
    first_epoch : int, default=0
        Epochs that earlier calls have made, for schedules such as a KL warm-up.
    """

    def __init__(
        self,
        module: RepresentationModule,
        plan: Any,
        *,
        callbacks: list[Any],
        max_epochs: int,
        device: str,
        first_epoch: int = 0,
    ) -> None:
        super().__init__(
            module,
            criterion=nn.Identity,
            optimizer=plan.make_optimizer,
            lr=plan.learning_rate,
            max_epochs=max_epochs,
            batch_size=plan.batch_size,
            train_split=None,
            callbacks=callbacks,
            verbose=0,
            device=device,
        )
        self.plan = plan
        self.first_epoch = first_epoch
        self.n_epochs_done = 0

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return []

    @property
    def _epoch(self) -> int:
        """Epochs done, those of earlier calls included."""
        return self.first_epoch + self.n_epochs_done

    # -- one step ---------------------------------------------------------------------------

    def _loss(self, batch: Batch, generator: torch.Generator) -> Any:
        plan = self.plan
        if not plan.autocast:
            return plan.loss_of(self.module_, batch, generator)
        with torch.autocast(plan.device.type, dtype=torch.bfloat16):
            return plan.loss_of(self.module_, batch, generator)

    def train_step_single(self, batch: Batch, **_: Any) -> dict[str, Any]:
        """Compute the loss and its gradients."""
        if self._fills_gradients:
            terms = self.module_.accumulate_gradients(batch, self.plan.noise)
        else:
            terms = self._loss(batch, self.plan.noise)
            self.plan.backward(terms.total)
        if self.plan.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self._parameters_, self.plan.gradient_clip)
        return {"loss": terms.total, "y_pred": None, "terms": terms}

    def validation_step(self, batch: Batch, **_: Any) -> dict[str, Any]:
        """Compute the loss of a held-out batch."""
        with torch.no_grad():
            terms = self._loss(batch, self.plan.validation_noise)
        return {"loss": terms.total, "y_pred": None, "terms": terms}

    def train_step(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """Make one optimiser step, with skorch's closure only where something needs it."""
        step: dict[str, Any]
        if self.plan.needs_closure or self._watched:
            step = dict(super().train_step(batch, **fit_params))
        elif self._descent is not None:
            terms = self.module_.descend(batch, self.plan.noise, self._descent.rate())
            step = {"loss": terms.total, "y_pred": None, "terms": terms}
        else:
            if not self._fills_gradients:
                for parameter in self._parameters_:
                    parameter.grad = None
            step = self.train_step_single(batch)
            self._step()
        if self._fills_gradients:
            self.module_.after_step()
        if self.schedule_ is not None:
            self.schedule_.step()
        return step

    # -- one epoch --------------------------------------------------------------------------

    def run_single_epoch(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, **_: Any
    ) -> None:
        """Go through the data once; loss and named terms are read at the end."""
        if iterator is None:
            return
        self.module_.train(training)
        meter = LossMeter()
        if self._watched:
            self._run_watched(iterator, training, prefix, step_fn, meter)
        else:
            for batch in iterator:
                meter.add(step_fn(batch)["terms"])
        means = meter.means(iterator.sizes)
        self._refuse_non_finite(meter)
        for name, value in means.items():
            self.history.record(f"{prefix}_{name}", value)

    def _run_watched(
        self, iterator: Any, training: bool, prefix: str, step_fn: Any, meter: LossMeter
    ) -> None:
        def noted(batch: Batch, **fit_params: Any) -> dict[str, Any]:
            step: dict[str, Any] = step_fn(batch, **fit_params)
            meter.add(step.pop("terms"))
            return step

        super().run_single_epoch(_Sized(iterator), training, prefix, noted)

    def _refuse_non_finite(self, meter: LossMeter) -> None:
        bad = meter.first_bad_batch()
        if bad is None:
            return
        batch, value, last = bad
        if math.isnan(last) and len(self.history) > 1:
            last = self.history[-2].get("train_loss", math.nan)
        before = (
            "no finite value before it" if math.isnan(last) else f"last finite value {last:.3g}"
        )
        raise NonFiniteLossError(
            f"Loss became {value} in epoch {self._epoch + 1}, batch {batch} ({before}). "
            f"Lower `learning_rate` (now {self.plan.learning_rate:g}), set "
            f"`Trainer(gradient_clip=1.0)`, or scale the features."
        )

    def _set_training(self, training: bool = True) -> None:
        # The mode is set once an epoch; skorch walks all modules on every batch.
        return None

    # -- the fit ----------------------------------------------------------------------------

    def initialize(self) -> "Net":
        """Build optimiser and schedule beside what skorch builds."""
        super().initialize()
        self._parameters_ = [p for p in self.module_.parameters() if p.requires_grad]
        self._fills_gradients = type(self.module_).fills_gradients
        self.schedule_ = None
        callbacks = [callback for _, callback in self.callbacks_]
        self._watched = any(
            getattr(type(callback), hook) is not getattr(Callback, hook)
            for callback in callbacks
            for hook in _BATCH_HOOKS
        )
        return self

    def run(self, batches: BatchIterator, held_out: BatchIterator | None) -> "Net":
        """Train for `max_epochs`, or until a callback stops.

        Raises
        ------
        NonFiniteLossError
            As soon as an epoch's loss, or a weight at the end, is not finite.
        """
        plan = self.plan
        self.schedule_ = plan.make_schedule(self.optimizer_, self.max_epochs * len(batches))
        plan.prepare(self)
        data = batches.data
        self.notify("on_train_begin", X=data.X, y=data.y)
        # Only now: callbacks may have loaded another state.
        self._step = lean_step(self.optimizer_)
        self._descent = self._own_descent()
        stopped = self._epochs(batches, held_out)
        self.notify("on_train_end", X=data.X, y=data.y)
        self._check_weights()
        if plan.expects_stop and not stopped:
            warnings.warn(
                f"Training ended after `max_epochs={self.max_epochs}` before the held-out loss "
                f"had gone {plan.expects_stop} epochs without improvement. Raise `max_epochs`.",
                ConvergenceWarning,
                stacklevel=6,
            )
        return self

    def _own_descent(self) -> DescentStep | None:
        """Return the step whose rate the module needs to move the weights by itself, or None."""
        whole = all(p.requires_grad for p in self.module_.parameters())
        if not type(self.module_).descends or self.plan.gradient_clip is not None or not whole:
            return None
        return self._step if isinstance(self._step, DescentStep) else None

    def _epochs(self, batches: BatchIterator, held_out: BatchIterator | None) -> bool:
        shown = {
            "dataset_train": batches.data,
            "dataset_valid": None if held_out is None else held_out.data,
        }
        while self.n_epochs_done < self.max_epochs:
            started = time.perf_counter()
            self.module_.set_epoch(self._epoch)
            self.notify("on_epoch_begin", **shown)
            self.run_single_epoch(batches, True, "train", self.train_step)
            if held_out is not None:
                # The same noise in every epoch, so that validation losses are comparable.
                self.plan.restart_validation_noise()
                self.run_single_epoch(held_out, False, "valid", self.validation_step)
            self._step.settle()
            self.history.record("dur", time.perf_counter() - started)
            self.history.record("lr", self.optimizer_.param_groups[0]["lr"])
            self.n_epochs_done += 1
            try:
                self.notify("on_epoch_end", **shown)
            except KeyboardInterrupt:  # how skorch's callbacks say "stop"
                return True
        return False

    def _check_weights(self) -> None:
        finite = torch.stack([p.detach().isfinite().all() for p in self._parameters_])
        if self._parameters_ and not bool(finite.all()):
            raise NonFiniteLossError(
                f"Weights became non-finite in epoch {self._epoch}, in its last step. "
                f"Lower `learning_rate` (now {self.plan.learning_rate:g}) or set "
                f"`Trainer(gradient_clip=1.0)`."
            )


class _Sized:
    """Batches as skorch's own loop wants them: first element of known length."""

    def __init__(self, batches: BatchIterator) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._batches)


def loss_of(module: nn.Module, batch: Batch, generator: torch.Generator) -> LossTerms:
    """Return the training loss of a batch (the seam that compilation replaces)."""
    return module.training_loss(batch, generator)  # type: ignore[operator, no-any-return]


def backward(loss: Tensor) -> None:
    """Compute gradients (the seam that accelerate replaces)."""
    loss.backward()
