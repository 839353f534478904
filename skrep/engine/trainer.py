"""`Trainer`: everything about training that few people tune, in one searchable object."""

import copy
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from os import PathLike
from typing import Any, ClassVar

from sklearn.base import BaseEstimator, clone
from skorch.callbacks import Callback

from skrep.engine.optimizers import OPTIMIZERS, SCHEDULES
from skrep.utils.sklearn_private import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

__all__ = ["Trainer", "own_callback"]

PRECISIONS = ("float32", "float64", "bfloat16")


class Trainer(BaseEstimator):
    """How a model is trained: optimiser, schedule, stopping, callbacks, precision.

    An estimator takes it as `trainer=`; its settings can be searched from outside, as in
    `{"vae__trainer__weight_decay": [0, 1e-4]}`, also when `trainer` is still None.

    Parameters
    ----------
    optimizer : str or callable, default="auto"
        "auto" is Adam for networks and plain gradient steps for energy models. Or "adam", "adamw",
        "sgd", "rmsprop", "lbfgs", or a class or factory
        `(parameters, lr=...) -> torch.optim.Optimizer`.
    weight_decay : float, default=0.0
        L2 penalty on all weights per step (decoupled for "adamw"). Larger shrinks the network.
    schedule : str, callable or None, default=None
        Course of the learning rate over all steps: "linear" and "cosine" fall to 0, "one_cycle"
        rises to `learning_rate` and falls; a callable `(optimizer, n_steps) -> scheduler` is
        stepped once a batch. None keeps it constant.
    early_stopping : int, skorch callback or None, default=None
        Epochs without improvement of the held-out loss after which training stops and the best
        weights come back. None uses all rows and all epochs, as does a single pass
        (`partial_fit`, `max_epochs=1`).
    validation_fraction : float, default=0.1
        Share of the rows held out. Only used when `early_stopping` is set.
    callbacks : sequence of skorch callbacks or factories, default=()
        Passed through as they are. A zero-argument factory is called at `fit`, for a callback
        that cannot be copied, such as one that owns a TensorBoard writer.
    gradient_clip : float or None, default=None
        Largest norm of the whole gradient. None does not clip.
    precision : {"float32", "float64", "bfloat16"}, default="float32"
        "float64" trains and returns float64. "bfloat16" multiplies in bfloat16 and keeps float32
        weights.
    compile : bool, default=False
        Compile the loss with `torch.compile`: seconds to minutes once, faster steps on a GPU.
    checkpoint : str, path or None, default=None
        Folder in which every epoch's state is kept. A `fit` with the same parameters, integer
        `random_state` and data goes on from the state it finds there.
    distributed : accelerate.Accelerator or None, default=None
        Spreads every batch over the processes that accelerate has launched.

    See Also
    --------
    skrep.Autoencoder : An estimator that takes a trainer.

    Examples
    --------
    >>> from skrep import Autoencoder, Trainer
    >>> model = Autoencoder(2, trainer=Trainer(early_stopping=5))
    >>> model.set_params(trainer__weight_decay=1e-4).trainer.weight_decay
    0.0001
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "optimizer": [StrOptions({"auto", *OPTIMIZERS}), callable],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "schedule": [StrOptions(set(SCHEDULES)), callable, None],
        "early_stopping": [Interval(Integral, 1, None, closed="left"), Callback, None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "callbacks": [list, tuple],
        "gradient_clip": [Interval(Real, 0, None, closed="neither"), None],
        "precision": [StrOptions(set(PRECISIONS))],
        "compile": ["boolean"],
        "checkpoint": [str, PathLike, None],
        "distributed": [HasMethods(["prepare", "backward"]), None],
    }

    def __init__(
        self,
        optimizer: str | Callable[..., Any] = "auto",
        *,
        weight_decay: float = 0.0,
        schedule: str | Callable[..., Any] | None = None,
        early_stopping: int | Any | None = None,
        validation_fraction: float = 0.1,
        callbacks: Sequence[Any] = (),
        gradient_clip: float | None = None,
        precision: str = "float32",
        compile: bool = False,
        checkpoint: Any | None = None,
        distributed: Any | None = None,
    ) -> None:
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.gradient_clip = gradient_clip
        self.precision = precision
        self.compile = compile
        self.checkpoint = checkpoint
        self.distributed = distributed

    def check(self) -> None:
        """Raise for a setting that is not legal.

        Raises
        ------
        InvalidParameterError
            If a setting is outside what the parameter takes.
        TypeError
            If an entry of `callbacks` is neither a skorch callback nor something to call.
        ValueError
            If settings exclude each other.
        """
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), type(self).__name__
        )
        for callback in self.callbacks:
            _check_callback(callback)
        if self.optimizer == "lbfgs" and self.weight_decay:
            raise ValueError(
                f"`optimizer='lbfgs'` has no weight decay. Got `weight_decay={self.weight_decay!r}`"
                f". Set it to 0, or use 'adamw' or 'sgd'."
            )

    def __sklearn_clone__(self) -> "Trainer":
        """Copy every setting; factories and the accelerator are shared."""
        settings = self.get_params(deep=False)
        # scikit-learn would call a callback's constructor with whatever attributes it has.
        callbacks = settings.pop("callbacks")
        stop = settings.pop("early_stopping")
        shared = settings.pop("distributed")
        return type(self)(
            **{name: clone(value, safe=False) for name, value in settings.items()},
            callbacks=_copied(callbacks),
            early_stopping=_copied(stop),
            distributed=shared,
        )


def own_callback(callback: Any) -> Any:
    """Return a callback that one fit may change: a copy, or what a factory makes.

    Parameters
    ----------
    callback : skorch callback, (name, callback) pair or factory
        An entry of `Trainer(callbacks=...)`.

    Raises
    ------
    TypeError
        If it is something else, cannot be copied, or makes something else.
    """
    _check_callback(callback)
    if isinstance(callback, tuple):
        return callback[0], own_callback(callback[1])
    if isinstance(callback, Callback):
        return _copied(callback)
    made = callback()
    if not isinstance(made, Callback):
        raise TypeError(
            f"The factory {callback!r} in `Trainer(callbacks=...)` returned {made!r}. It must "
            f"return a skorch callback."
        )
    return made


def _check_callback(callback: Any) -> None:
    named = isinstance(callback, tuple) and len(callback) == 2 and isinstance(callback[0], str)
    inner = callback[1] if named else callback
    if not isinstance(inner, Callback) and not callable(inner):
        raise TypeError(
            f"`Trainer(callbacks=...)` takes skorch callbacks, (name, callback) pairs or factories "
            f"without arguments. Got {callback!r}."
        )


def _copied(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_copied(item) for item in value)
    if not isinstance(value, Callback):
        return value
    try:
        return copy.deepcopy(value)
    except (TypeError, RuntimeError, AttributeError) as error:
        raise TypeError(
            f"The callback {type(value).__name__} cannot be copied ({error}). Pass a factory "
            f"without arguments that makes it, such as `lambda: {type(value).__name__}(...)`."
        ) from error
