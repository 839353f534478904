"""One fit, from a built module and checked views to a trained module and its history."""

from contextlib import nullcontext
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import torch

from skrep.engine.checkpoint import Checkpoint, signature_of
from skrep.engine.data import BatchIterator, ViewData
from skrep.engine.matmul import fast_matmul, pays_off
from skrep.engine.net import Net
from skrep.engine.plan import TrainingPlan
from skrep.engine.progress import ProgressBar
from skrep.engine.seeding import draws_from_global_rng, forked_rng, make_generator
from skrep.nn.module import Batch, RepresentationModule

__all__ = ["TrainingResult", "run_training"]

_FIRST_COLUMNS = {"epoch": "epoch", "train_loss": "loss"}
_LAST_COLUMNS = {"lr": "learning_rate", "dur": "seconds"}
# What only skorch's callbacks read.
_UNSHOWN = {"batches", "train_loss_best", "valid_loss_best"}


class TrainingResult(NamedTuple):
    """What a fit leaves behind.

    Attributes
    ----------
    history : DataFrame
        One row an epoch: epoch, loss, its named terms, held-out losses, learning rate, seconds.
    optimizer_state : dict
        For training that goes on in `partial_fit`.
    """

    history: pd.DataFrame
    optimizer_state: dict[str, Any]


def run_training(
    module: RepresentationModule,
    data: ViewData,
    plan: TrainingPlan,
    *,
    max_epochs: int,
    verbose: int = 0,
    label: str = "fit",
    identity: Any = None,
    optimizer_state: dict[str, Any] | None = None,
    first_epoch: int = 0,
) -> TrainingResult:
    """Train `module` in place and return it to the CPU in evaluation mode.

    Parameters
    ----------
    module : RepresentationModule
        On the plan's device.
    data : ViewData
        On the plan's device.
    plan : TrainingPlan
        How.
    max_epochs : int
        Passes over the data, at most.
    verbose : int, default=0
        1 shows a progress bar.
    label : str, default="fit"
        Its text.
    identity : object, default=None
        Names this fit in a checkpoint's signature, together with the data.
    optimizer_state : dict or None, default=None
        Where an earlier call stopped.
    first_epoch : int, default=0
        Epochs that earlier calls have made.

    Returns
    -------
    TrainingResult
    """
    fast = plan.dtype == torch.float32 and pays_off(module, plan.batch_size, plan.device)
    if max_epochs == 1:
        plan.never_stop_early()
    callbacks = plan.make_callbacks(verbose, max_epochs, label)
    if plan.trainer.checkpoint is not None:
        how = (identity, plan.identity, plan.seed, max_epochs, plan.device.type)
        signature = signature_of(module, how, data.X, data._present, data.y)
        callbacks.append(Checkpoint(plan.trainer.checkpoint, signature, fast))
    net = Net(
        module,
        plan,
        callbacks=callbacks,
        max_epochs=max_epochs,
        device=str(plan.device),
        first_epoch=first_epoch,
    )
    # Training makes no predictions that skorch's scoring callbacks could collect.
    net.use_caching = False
    net.initialize()
    if optimizer_state is not None:
        _go_on(net.optimizer_, optimizer_state)
    guard = forked_rng(plan.seed, plan.device) if draws_from_global_rng(module) else nullcontext()
    try:
        with guard, fast_matmul(fast):
            net.run(*_batches(data, plan, module.min_batch_size))
    finally:
        module.eval().to("cpu")
        for parameter in module.parameters():
            parameter.grad = None
        for _, callback in net.callbacks_:
            if isinstance(callback, ProgressBar):
                callback.close()
    return TrainingResult(_table(net.history), _on_cpu(net.optimizer_.state_dict()))


def _on_cpu(state: Any) -> Any:
    # It is pickled with the estimator, and has to load where there is no GPU.
    if isinstance(state, torch.Tensor):
        return state.cpu()
    if isinstance(state, dict):
        return {key: _on_cpu(value) for key, value in state.items()}
    return type(state)(map(_on_cpu, state)) if type(state) in (list, tuple) else state


def _go_on(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    # Learning rate and weight decay are those of now: they may have been set in between.
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state["state"], "param_groups": groups})


def _batches(
    data: ViewData, plan: TrainingPlan, smallest: int
) -> tuple[BatchIterator, BatchIterator | None]:
    kept, held_out = None, None
    if plan.holds_out:
        kept, held_out = _split(data.n_samples, plan)
    training = BatchIterator(
        data,
        plan.batch_size,
        rows=kept,
        order=plan.order,
        # Every process needs rows of every batch.
        min_batch_size=smallest * plan.share[1],
        share=plan.share,
    )
    if held_out is None:
        return training, None
    # A data set of its own, so that a scoring callback is handed these rows and no others.
    valid = cast("ViewData", _Rows(data, held_out))
    return training, BatchIterator(valid, plan.batch_size, min_batch_size=smallest)


class _Rows:
    """Some rows of a data set, without a copy of them."""

    def __init__(self, data: ViewData, rows: np.ndarray) -> None:
        self._data = data
        self._rows = rows
        self.n_samples = len(rows)

    def __len__(self) -> int:
        return self.n_samples

    @property
    def X(self) -> tuple[Any, ...]:  # noqa: N802 - the name skorch looks for
        """The arrays' rows."""
        return tuple(array[self._rows] for array in self._data.X)

    @property
    def y(self) -> Any:
        """The labels' rows."""
        return None if self._data.y is None else self._data.y[self._rows]

    def batch(self, rows: np.ndarray | slice) -> Batch:
        """Return the rows asked for, counted within these."""
        return self._data.batch(self._rows[rows])


def _split(n_samples: int, plan: TrainingPlan) -> tuple[np.ndarray, np.ndarray]:
    n_valid = max(1, round(plan.trainer.validation_fraction * n_samples))
    if n_valid >= n_samples:
        raise ValueError(
            f"`early_stopping` holds out {n_valid} of {n_samples} samples, which leaves none to "
            f"train on. Lower `validation_fraction` or set `early_stopping=None`."
        )
    # A seed of its own: row order must not depend on whether rows are held out.
    rows = torch.randperm(n_samples, generator=make_generator(plan.seed + 7)).numpy()
    return np.sort(rows[n_valid:]), np.sort(rows[:n_valid])


def _table(history: Any) -> pd.DataFrame:
    names = list(dict.fromkeys(name for row in history for name in row))
    ends = {*_FIRST_COLUMNS, *_LAST_COLUMNS, *_UNSHOWN}
    middle = [name for name in names if name not in ends and not name.endswith("_batch_count")]
    shown = {
        **_FIRST_COLUMNS,
        **{name: name.removeprefix("train_") for name in middle},
        **_LAST_COLUMNS,
    }
    return pd.DataFrame(
        {title: [row.get(name, np.nan) for row in history] for name, title in shown.items()}
    )
