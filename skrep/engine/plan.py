"""What one fit needs to know, decided once from the estimator's and the trainer's settings."""

import inspect
from importlib import import_module
from numbers import Integral
from typing import Any

import torch
from skorch.callbacks import Callback, EarlyStopping
from torch import Tensor, nn

from skrep.engine.checkpoint import fingerprint
from skrep.engine.device import resolve_device
from skrep.engine.net import Net, backward, loss_of
from skrep.engine.optimizers import make_optimizer, make_schedule
from skrep.engine.progress import ProgressBar
from skrep.engine.seeding import make_generator
from skrep.engine.trainer import Trainer, own_callback

__all__ = ["TrainingPlan"]


class TrainingPlan:
    """The settings of one fit, resolved.

    Parameters
    ----------
    trainer : Trainer or None
        None stands for the defaults.
    batch_size : int
        Rows a step.
    learning_rate : float
        Step length.
    device : str
        "auto" or torch's notation.
    seed : int
        All draws of the training come from it.
    own_optimizer : str or callable, default="adam"
        What `Trainer(optimizer="auto")` stands for.
    """

    def __init__(
        self,
        trainer: Trainer | None,
        *,
        batch_size: int,
        learning_rate: float,
        device: str,
        seed: int,
        own_optimizer: Any = "adam",
    ) -> None:
        self.trainer = Trainer() if trainer is None else trainer
        self.trainer.check()
        chosen = self.trainer.optimizer
        self._optimizer = own_optimizer if chosen == "auto" else chosen
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.accelerator: Any = self.trainer.distributed
        self.device = resolve_device(device if self.accelerator is None else self._own_device())
        rank, world = self.share = self._share()
        self.seed = seed = self._agreed(seed)
        self.gradient_clip = self.trainer.gradient_clip
        self.autocast = self.trainer.precision == "bfloat16"
        self.dtype = torch.float64 if self.trainer.precision == "float64" else torch.float32
        # Row order on the CPU, where the permutation is used; noise where it is added. In a
        # distributed fit all processes share the order and differ in the noise.
        self.order = make_generator(seed)
        self.noise = make_generator(seed + 1 + rank, self.device)
        self.validation_noise = make_generator(seed, self.device)
        self.needs_closure = False
        stop = self.trainer.early_stopping
        self.expects_stop = int(stop) if isinstance(stop, Integral) else 0
        self.holds_out = stop is not None
        self.loss_of = torch.compile(loss_of) if self.trainer.compile else loss_of
        if world > 1 and rank > 0:
            self.expects_stop = 0

    def _own_device(self) -> str:
        return str(self.accelerator.device)

    def _agreed(self, seed: int) -> int:
        # Without an integer `random_state` each process has drawn its own, and processes that
        # hold out different rows would stop after different epochs.
        if self.share[1] == 1:
            return seed
        shared = import_module("accelerate.utils").broadcast_object_list([seed])
        return int(shared[0])

    def _share(self) -> tuple[int, int]:
        if self.accelerator is None:
            return 0, 1
        return int(self.accelerator.process_index), int(self.accelerator.num_processes)

    @property
    def identity(self) -> str:
        """Text that tells the trainer's settings apart, for a checkpoint."""
        ignored = ("callbacks", "checkpoint", "distributed")
        settings = self.trainer.get_params(deep=False)
        return fingerprint(sorted((k, v) for k, v in settings.items() if k not in ignored))

    def never_stop_early(self) -> None:
        """Train on all rows: a single pass has no epochs to choose between."""
        self.holds_out = False
        self.expects_stop = 0

    def restart_validation_noise(self) -> None:
        """Put the generator of held-out losses back to its start."""
        self.validation_noise.manual_seed(self.seed)

    def make_optimizer(self, parameters: Any, lr: float) -> torch.optim.Optimizer:
        """Return the optimiser over skorch's (name, parameter) pairs or parameter groups."""
        groups = [p for p in _parameters_of(parameters) if p.requires_grad]
        optimizer = make_optimizer(
            self._optimizer, groups, lr=lr, weight_decay=self.trainer.weight_decay
        )
        # LBFGS, by name or from a factory, evaluates the loss several times a step.
        closure = inspect.signature(type(optimizer).step).parameters.get("closure")
        self.needs_closure = closure is not None and closure.default is inspect.Parameter.empty
        return optimizer

    def make_schedule(self, optimizer: torch.optim.Optimizer, n_steps: int) -> Any:
        """Return the scheduler of the learning rate, or None."""
        return make_schedule(self.trainer.schedule, optimizer, n_steps)

    def make_callbacks(self, verbose: int, max_epochs: int, label: str) -> list[Any]:
        """Return the callbacks of this fit: copies of the caller's, or what factories make."""
        callbacks: list[Any] = [_SkorchRecords()]
        callbacks += [own_callback(callback) for callback in self.trainer.callbacks]
        # Before the one that stops, so that the last epoch is shown.
        if verbose and self.share[0] == 0:
            callbacks.append(ProgressBar(max_epochs, label))
        stop = self.trainer.early_stopping if self.holds_out else None
        if isinstance(stop, Integral):
            # An absolute threshold: a relative one turns round where losses are negative.
            callbacks.append(
                EarlyStopping(
                    patience=int(stop),
                    threshold=0.0,
                    threshold_mode="abs",
                    load_best=True,
                    sink=_quiet,
                )
            )
        elif stop is not None:
            callbacks.append(own_callback(stop))
        return callbacks

    def backward(self, loss: Tensor) -> None:
        """Compute gradients, through accelerate where it is in charge."""
        if self.accelerator is None:
            backward(loss)
        else:
            self.accelerator.backward(loss)

    def prepare(self, net: Net) -> None:
        """Hand module and optimiser to accelerate, where it is in charge."""
        if self.accelerator is None:
            return
        known = list(self.accelerator._models)
        prepared = self.accelerator.prepare(_LossModule(net.module_))
        # It would keep every module that was ever trained.
        self.accelerator._models[:] = known
        self.loss_of = lambda module, batch, generator: prepared(batch, generator)


class _LossModule(nn.Module):
    """The loss as a forward pass, which is what distributed wrappers synchronise."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch: Any, generator: torch.Generator) -> Any:
        return loss_of(self.module, batch, generator)


def _parameters_of(parameters: Any) -> list[nn.Parameter]:
    found: list[nn.Parameter] = []
    for item in parameters:
        found.extend(item["params"] if isinstance(item, dict) else [item])
    return found


class _SkorchRecords(Callback):
    """Add to the history what skorch's own callbacks look for and the lean loop leaves out."""

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Start anew."""
        self.best_: dict[str, float] = {}

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Record whether a loss is the best yet, and one entry of batches where there is none."""
        row = net.history[-1]
        losses = {name: row[name] for name in ("train_loss", "valid_loss") if name in row}
        lean = not row["batches"]
        if lean:
            net.history.new_batch()
        for name, value in losses.items():
            best = value < self.best_.get(name, float("inf"))
            net.history.record(f"{name}_best", bool(best))
            if lean:
                net.history.record_batch(name, value)
            if best:
                self.best_[name] = value


def _quiet(_: str) -> None:
    """Swallow what skorch would print."""
