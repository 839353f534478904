"""The one fit / partial_fit / transform flow that every estimator shares."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral, Real
from typing import Any, ClassVar, Final

import numpy as np
import pandas as pd
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skrep.engine.checkpoint import fingerprint
from skrep.engine.data import ViewData
from skrep.engine.inference import CHUNK_ROWS, apply_in_chunks, on_device
from skrep.engine.plan import TrainingPlan
from skrep.engine.seeding import forked_rng
from skrep.engine.train import TrainingResult, run_training
from skrep.engine.trainer import Trainer
from skrep.exceptions import NonFiniteLossError
from skrep.nn.module import Batch, RepresentationModule
from skrep.utils.random import seed_from
from skrep.utils.sklearn_private import Interval, fit_context, get_output_config
from skrep.utils.statistics import Moments, PrincipalAxes, column_moments, principal_axes
from skrep.utils.tags import SkrepTags
from skrep.utils.validation import CheckedViews, check_views
from skrep.views import Views

__all__ = [
    "TRAINING_CONSTRAINTS",
    "ClosedFormEstimator",
    "GradientEstimator",
    "ModuleSpec",
    "RepresentationEstimator",
    "make_plan",
    "train_module",
]

#: Legality of the seven training parameters.
TRAINING_CONSTRAINTS: Final[dict[str, list[Any]]] = {
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "batch_size": [Interval(Integral, 1, None, closed="left")],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "device": [str, torch.device],
    "random_state": ["random_state", np.random.Generator],
    "verbose": ["verbose"],
    "trainer": [Trainer, None],
}


@dataclass(frozen=True)
class ModuleSpec:
    """What an architecture may depend on.

    Attributes
    ----------
    data : CheckedViews
        Training data, for a start that looks at them. Not kept by any module.
    n_components : int
        Size of the code.
    seed : int
        Of the fit.
    informed : bool, default=True
        Whether the start may follow the data; otherwise its directions are random.
    one_pass : bool, default=False
        Whether the data are gone through once (`partial_fit`), in a start that trains too.
    """

    data: CheckedViews
    n_components: int
    seed: int
    informed: bool = True
    one_pass: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the views."""
        return self.data.names

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of features of each view."""
        return tuple(int(array.shape[1]) for array in self.data.arrays)

    @cached_property
    def moments(self) -> tuple[Moments, ...]:
        """Mean and variance of the features of each view, over the rows present."""
        present = self.data.present
        return tuple(
            column_moments(array, None if present is None else present[:, i])
            for i, array in enumerate(self.data.arrays)
        )

    def principal_axes(
        self, centres: Sequence[np.ndarray], factors: Sequence[np.ndarray]
    ) -> PrincipalAxes:
        """Return up to `n_components` principal axes of (view - centre) * factor, side by side.

        For a start that is not informed, as many random orthonormal axes of the same spectrum.
        """
        axes = principal_axes(self.data.arrays, centres, factors, self.n_components, seed=self.seed)
        if self.informed:
            return axes
        drawn = np.random.default_rng(self.seed).normal(size=axes.components.shape)
        return axes._replace(components=np.linalg.qr(drawn.T)[0].T)


class RepresentationEstimator(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC
):
    """Validation, `transform` and its bookkeeping; a model says how codes are computed."""

    #: Parameters that are objects, and what stands for None or a name when a nested one is set.
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {}

    #: Whether samples may lack whole views, in `fit` and after it.
    _accepts_absent: ClassVar[bool] = False

    #: Whether they may after `fit` only.
    _encodes_absent: ClassVar[bool] = False

    #: Whether `transform` gives one code per view; `_encode` then returns them side by side, in
    #: the order of the views, NaN where a view is absent.
    _coordinated: ClassVar[bool] = False

    #: Fewest views that make sense.
    _min_views: ClassVar[int] = 1

    #: Whether single values may be NaN after `fit`, for models that complete them.
    _accepts_nan: ClassVar[bool] = False

    @abstractmethod
    def _encode(self, checked: CheckedViews) -> np.ndarray:
        """Return the codes of validated views, (n_samples, n_components)."""

    @property
    @abstractmethod
    def _n_features_out(self) -> int:
        """Width of what `transform` returns."""

    def transform(self, X: Any) -> Any:
        """Return the code of each sample.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            What `fit` took: one matrix, or the same views as a tuple, dict, `Views` or DataFrame
            with two column levels.

        Returns
        -------
        ndarray, DataFrame or Views
            Codes of shape (n_samples, n_components), the same for the same rows, whatever else is
            in `X`; from a model with a code per view `Views` of one such array each, NaN where a
            view is absent. A DataFrame, codes of several views side by side, under
            `set_output(transform="pandas")`.
        """
        checked = self._check(X)
        codes = self._encode(checked)
        if get_output_config(self) == "pandas":
            # scikit-learn takes the index of a DataFrame over, but not that of Views.
            return codes if checked.index is None else pd.DataFrame(codes, index=checked.index)
        if not self._coordinated:
            return codes
        parts = np.split(codes, len(checked.names), axis=1)
        return Views(tuple(parts), checked.names, checked.present)._with_index(checked.index)

    def _check(self, X: Any) -> CheckedViews:
        """Validate `X` against what was fitted; raise NotFittedError before `fit`."""
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)
        return check_views(
            self,
            X,
            reset=False,
            accept_absent=self._accepts_absent or self._encodes_absent,
            accept_nan=self._accepts_nan,
        )

    def _check_for_fit(self, X: Any, *, reset: bool, min_samples: int) -> CheckedViews:
        """Validate what `fit` or `partial_fit` got."""
        checked = check_views(
            self, X, reset=reset, accept_absent=self._accepts_absent, min_samples=min_samples
        )
        if len(checked.names) < self._min_views:
            raise ValueError(
                f"{type(self).__name__} relates views of the same samples and needs at least "
                f"{self._min_views}. Got 1. Pass a tuple, a dict or `Views`; "
                f"`skrep.compose.SplitViews` makes `Views` of a matrix inside a Pipeline."
            )
        return checked

    @abstractmethod
    def __sklearn_is_fitted__(self) -> bool:
        """Return whether `fit` has been called; cheaper than a look at all attributes."""

    def set_params(self, **params: Any) -> "RepresentationEstimator":
        """Set parameters, nested ones as `trainer__weight_decay` also where there is no object yet.

        Parameters
        ----------
        **params : dict
            Parameter names and values.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If there is no such parameter, or a nested one has a dict or tuple above it.
        """
        for key in list(params):
            outer, _, inner = key.partition("__")
            if inner and outer in self._nested:
                # A search may set both: a name, and a number that belongs to it.
                value = params.get(outer, getattr(self, outer))
                if value is None or isinstance(value, (str, Real)):
                    params[outer] = self._nested[outer](value)
                elif isinstance(value, (dict, tuple)):
                    raise ValueError(
                        f"`{key}` can be set where one `{outer}` holds for all views. Got "
                        f"`{outer}={value!r}`: set `{outer}` as a whole."
                    )
        super().set_params(**params)
        return self

    def _identity(self) -> str:
        ignored = ("verbose", "device", "trainer", "random_state")
        params = self.get_params(deep=False)
        kept = sorted((name, value) for name, value in params.items() if name not in ignored)
        return f"{type(self).__name__}-{fingerprint(kept)}"

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare what holds for every estimator: sparse input, no labels, several views."""
        tags = SkrepTags.extend(super().__sklearn_tags__())
        tags.input_tags.sparse = True
        tags.target_tags.required = False
        tags.multi_view = True
        tags.absent_views = self._accepts_absent
        tags.coordinated = self._coordinated
        return tags


class GradientEstimator(RepresentationEstimator):
    """A model trained by gradient steps; a subclass says which module, and nothing else."""

    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {"trainer": lambda _: Trainer()}

    module_: RepresentationModule
    history_: pd.DataFrame
    n_iter_: int
    view_names_in_: np.ndarray
    _optimizer_state: dict[str, Any] | None
    _code_size: int

    @abstractmethod
    def _make_module(self, spec: ModuleSpec) -> RepresentationModule:
        """Return an untrained module for data like `spec`'s."""

    def _check_parameters(self, checked: CheckedViews) -> None:
        """Raise for parameters that do not fit each other or the data."""

    def _prepare(self, spec: ModuleSpec) -> None:
        """Do what takes its time before the module is built, such as training its layers."""

    def _own_optimizer(self) -> Any:
        """Return what `Trainer(optimizer="auto")` stands for; None is Adam."""

    def _labels(self, y: Any, checked: CheckedViews) -> Any:
        """Return the labels that the loss needs, (n_samples,); None where `y` is ignored."""

    def _resume(self, checked: CheckedViews) -> None:
        """Take note that training goes on, with these data."""

    def _conclude(self, checked: CheckedViews) -> None:
        """Compute what follows from the trained module and the data it was trained on."""

    @property
    def _n_features_out(self) -> int:
        # Of the fit: `n_components` may have been set since, for the next one.
        return self._code_size * (len(self.view_names_in_) if self._coordinated else 1)

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "GradientEstimator":
        """Learn from `X`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            One matrix, or views of the same samples as a tuple, dict, `Views` or DataFrame with
            two column levels.
        y : None
            Ignored.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If `X` is not finite, real and two-dimensional, or a parameter does not fit it.
        skrep.exceptions.NonFiniteLossError
            If training diverges.
        """
        checked = self._check_for_fit(X, reset=True, min_samples=2)
        labels = self._labels(y, checked)
        return self._train(checked, labels, first=True, max_epochs=self.max_epochs)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> "GradientEstimator":
        """Make one pass over `X`, going on from where the model is.

        The first call builds the model and fixes centre and scale.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            As in `fit`.
        y : None
            Ignored.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If `X` does not match what the model was built on, or `n_components` was changed since.
        skrep.exceptions.NonFiniteLossError
            If training diverges; the model is then what it was before the call.
        """
        first = not self.__sklearn_is_fitted__()
        if not first and self.n_components != self._code_size:
            raise ValueError(
                f"`n_components={self.n_components}` was set after the model was built with "
                f"{self._code_size}. `partial_fit` goes on with a model; call `fit` for another."
            )
        checked = self._check_for_fit(X, reset=first, min_samples=2 if first else 1)
        labels = self._labels(y, checked)
        return self._train(checked, labels, first=first, max_epochs=1, goes_on=True)

    def _train(
        self,
        checked: CheckedViews,
        y: np.ndarray | None,
        *,
        first: bool,
        max_epochs: int,
        goes_on: bool = False,
    ) -> "GradientEstimator":
        if first and self.__sklearn_is_fitted__():
            # A fit that fails or is stopped leaves no model behind, not half of a new one.
            del self.n_iter_
        self._check_parameters(checked)
        drawn = seed_from(self.random_state)
        seed = drawn if first else self._seed + self.n_iter_
        plan = make_plan(self, seed, self._own_optimizer())
        before = None if first else copy.deepcopy(self.module_.state_dict())
        if first:
            self._start(checked, seed, one_pass=goes_on)
        else:
            self._resume(checked)
        self._dtype = plan.dtype
        try:
            result = train_module(
                self,
                self.module_,
                checked,
                plan,
                max_epochs=max_epochs,
                y=y,
                optimizer_state=None if first else self._optimizer_state,
                first_epoch=0 if first else self.n_iter_,
            )
            self._conclude(checked)
        except (NonFiniteLossError, ValueError):
            if before is not None:
                _put_back(self.module_, before)
            raise
        self._finish(result.history, first)
        # The optimiser's memory is twice the weights: only kept where training goes on.
        self._optimizer_state = result.optimizer_state if goes_on else None
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def _fit_untrained(self, X: Any) -> "GradientEstimator":
        """Build the module for data like `X` and leave it untrained, its directions random.

        Only centre, scale and the sizes of weights are taken from `X`.
        """
        checked = self._check_for_fit(X, reset=True, min_samples=2)
        self._check_parameters(checked)
        seed = seed_from(self.random_state)
        plan = make_plan(self, seed, self._own_optimizer())
        self._start(checked, seed, informed=False)
        self._dtype = plan.dtype
        self.module_.to(plan.dtype).eval()
        self._optimizer_state = None
        columns = ("epoch", "loss", "learning_rate", "seconds")
        self._finish(pd.DataFrame(columns=columns, dtype=float), first=True)
        return self

    def _start(
        self,
        checked: CheckedViews,
        seed: int,
        *,
        informed: bool = True,
        one_pass: bool = False,
    ) -> None:
        spec = ModuleSpec(checked, self.n_components, seed, informed, one_pass)
        # Outside the lock that building a module holds.
        self._prepare(spec)
        with forked_rng(seed):
            self.module_ = self._make_module(spec)
        self._seed = seed
        self._noise_seed = seed
        self._code_size = int(self.n_components)

    def _finish(self, history: pd.DataFrame, first: bool) -> None:
        if not first:
            history["epoch"] += self.n_iter_
            history = pd.concat([self.history_, history], ignore_index=True)
        self.history_ = history
        self.loss_curve_ = history["loss"].to_numpy()
        self.n_iter_ = len(history)

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether there is a trained module."""
        return "n_iter_" in vars(self)

    # -- inference --------------------------------------------------------------------------

    def _encode(self, checked: CheckedViews) -> np.ndarray:
        return self._apply("encode", checked)[0]

    def _apply(self, method: str, checked: CheckedViews) -> list[np.ndarray]:
        """Apply a method of the module to validated views, chunk by chunk."""
        module, data = self._placed(checked)
        return apply_in_chunks(getattr(module, method), data)

    def _apply_to_batches(
        self,
        function: Callable[[RepresentationModule, Batch], Tensor],
        checked: CheckedViews,
        chunk_rows: int = CHUNK_ROWS,
    ) -> np.ndarray:
        """Apply a function of (module, batch) to validated views, chunk by chunk."""
        module, data = self._placed(checked)
        return apply_in_chunks(
            lambda batch: function(module, batch), data, chunk_rows=max(1, chunk_rows)
        )[0]

    def _placed(self, checked: CheckedViews) -> tuple[Any, ViewData]:
        module, device = on_device(self.module_, self.device, checked.n_samples)
        data = ViewData(checked.arrays, checked.present, dtype=self._dtype, device=device)
        return module, data

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare the dtype that networks return, and that they can be trained further."""
        tags = super().__sklearn_tags__()
        precision = self.trainer.precision if isinstance(self.trainer, Trainer) else "float32"
        tags.transformer_tags.preserves_dtype = ["float64" if precision == "float64" else "float32"]
        tags.non_deterministic = False
        tags.fine_tunable = not self._coordinated
        return tags


class ClosedFormEstimator(RepresentationEstimator):
    """A model that is computed rather than trained: validation and flow, no engine."""

    @abstractmethod
    def _fit_views(self, checked: CheckedViews, y: Any) -> None:
        """Learn from validated views; set the attributes that end in an underscore."""

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> "ClosedFormEstimator":
        """Learn from `X`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            One matrix, or views of the same samples as a tuple, dict, `Views` or DataFrame with
            two column levels.
        y : None
            Ignored.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            If `X` is not finite, real and two-dimensional, or a parameter does not fit it.
        """
        self._fitted = False
        checked = self._check_for_fit(X, reset=True, min_samples=1)
        self._fit_views(checked, y)
        self._fitted = True
        return self

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether `fit` has come to its end."""
        return bool(vars(self).get("_fitted", False))


def make_plan(estimator: Any, seed: int, own_optimizer: Any = None) -> TrainingPlan:
    """Return the plan that an estimator's training parameters make.

    Parameters
    ----------
    estimator : estimator
        Has the seven training parameters.
    seed : int
        All draws of the training come from it.
    own_optimizer : str, callable or None, default=None
        What `Trainer(optimizer="auto")` stands for; None is Adam.

    Returns
    -------
    TrainingPlan
    """
    return TrainingPlan(
        estimator.trainer,
        batch_size=estimator.batch_size,
        learning_rate=estimator.learning_rate,
        device=estimator.device,
        seed=seed,
        own_optimizer=own_optimizer or "adam",
    )


def train_module(
    estimator: Any,
    module: RepresentationModule,
    checked: CheckedViews,
    plan: TrainingPlan,
    *,
    max_epochs: int,
    y: np.ndarray | None = None,
    optimizer_state: dict[str, Any] | None = None,
    first_epoch: int = 0,
) -> TrainingResult:
    """Train `module` in place on validated views, under the estimator's name.

    Parameters
    ----------
    estimator : RepresentationEstimator
        With the seven training parameters. The progress bar shows its name, and a checkpoint
        is kept for its parameters.
    module : RepresentationModule
        Comes back to the CPU in evaluation mode.
    checked : CheckedViews
        The data.
    plan : TrainingPlan
        How.
    max_epochs : int
        Passes over the data, at most.
    y : ndarray of shape (n_samples,) or None, default=None
        Labels, for a loss that needs them.
    optimizer_state : dict or None, default=None
        Where an earlier call stopped.
    first_epoch : int, default=0
        Epochs that earlier calls have made.

    Returns
    -------
    TrainingResult
    """
    return run_training(
        module.to(plan.device, plan.dtype),
        ViewData(checked.arrays, checked.present, y, dtype=plan.dtype, device=plan.device),
        plan,
        max_epochs=max_epochs,
        verbose=estimator.verbose,
        label=type(estimator).__name__,
        identity=None if plan.trainer.checkpoint is None else estimator._identity(),
        optimizer_state=optimizer_state,
        first_epoch=first_epoch,
    )


def _put_back(module: torch.nn.Module, state: dict[str, Tensor]) -> None:
    """Load weights, also where others of another shape, such as codes of samples, replaced them."""
    for name, value in state.items():
        owner, _, leaf = name.rpartition(".")
        holder = module.get_submodule(owner)
        if getattr(holder, leaf).shape != value.shape:
            setattr(holder, leaf, torch.nn.Parameter(value))
    module.load_state_dict(state)
