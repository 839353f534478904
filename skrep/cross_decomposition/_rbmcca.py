"""Canonical correlation analysis of the hidden units of restricted Boltzmann machines."""

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from skrep._base_energy import check_trainer, refuse_outside, row_sums, view_kinds, working_moments
from skrep._base_networks import per_view
from skrep.base import TRAINING_CONSTRAINTS, GradientEstimator, ModuleSpec
from skrep.cross_decomposition._trained import (
    TrainedCorrelationMixin,
    fewest_rows,
    refuse_constant,
)
from skrep.engine.seeding import make_generator
from skrep.engine.trainer import Trainer
from skrep.nn.rbm import ContrastiveSettings, RBMModule, make_rbm
from skrep.nn.rbmcca import RBMCCAModule
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import VISIBLE_UNITS, BernoulliUnits
from skrep.utils.settings import Gradient
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["RBMCCA"]


class RBMCCA(TrainedCorrelationMixin, GradientEstimator):
    r"""RBM-CCA: a Boltzmann machine learns features of each view, linear CCA relates them.

    Choose it over `CCA` for binary views and word counts, whose linear correlations say little;
    over `DCCA` when samples of a view are plenty and what views share is faint: the features do
    not depend on the other view, so they cannot overfit to it.

    Objective, to be minimised, in nats per sample: minus the log-likelihood of a restricted
    Boltzmann machine in each view :math:`v`, summed over views, by contrastive divergence,

    .. math:: -\sum_v \log p_v(x_v), \quad p_v(x_v) \propto \sum_{h_v} e^{-E_v(x_v, h_v)}

    with the energies of `RBM`; then the canonical correlations of the expected hidden units
    :math:`\mathrm{E}[h_v \mid x_v]` are maximised in closed form [1]_.

    Parameters
    ----------
    n_components : int, default=2
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    visible : str, dict or tuple, default="bernoulli"
        What the data are: "bernoulli" values in [0, 1], taken as probabilities of a one;
        "gaussian" real values; "categorical" one-hot rows, one variable a view; "multinomial" word
        counts. One for all views, a dict by view name, or a tuple
        by position.
    n_hidden : int, dict or tuple, default=256
        Hidden units of each view's machine, binary, at least `n_components`. More features follow a
        view in more detail, and need more samples. One for all views, a dict by view name, or a
        tuple by position.
    n_gibbs_steps : int, default=1
        Gibbs steps between two gradient steps. More follow the likelihood more closely and cost
        proportionally more.
    persistent : bool, default=False
        Whether the chains go on from step to step (persistent contrastive divergence), which
        learns the better density. False starts them at the data (contrastive divergence), which
        learns features faster.
    gradient : {"centred", "plain"} or Gradient, default="centred"
        How the gradient is estimated; a name stands for `skrep.Gradient(name)`. Its momentum,
        averaging of weights, number of chains and of temperatures can be set and searched as
        `gradient__momentum`.
    regularization : float, dict or tuple, default=1e-3
        Ridge of each view in the CCA, relative to the mean variance of its hidden units. More keeps
        weak directions out. One for all views, a dict by view name, or a tuple by position.
    weight_by_correlation : bool, default=False
        Whether codes are multiplied by their canonical correlation, so that in distances between
        codes of different views the components count by how far they can be trusted. For
        retrieval.
    max_epochs : int, default=10
        Passes over the data, at most.
    batch_size : int, default=100
        Rows a step. Larger is faster per epoch and takes fewer steps.
    learning_rate : float, default=0.1
        Length of a step. Too large ends in an error that says so; too small needs more epochs.
    device : str, default="auto"
        Where to compute: "auto" takes CUDA, then MPS, then the CPU. Fitted modules come back to
        the CPU.
    random_state : int, RandomState or None, default=None
        An integer makes a fit repeatable on one device and version. None takes fresh entropy;
        no global generator is touched either way.
    verbose : int, default=0
        1 shows a progress bar with the loss, its parts and the time left.
    trainer : Trainer or None, default=None
        Optimiser, schedule, early stopping, callbacks and other rarer settings; None takes the
        defaults of `skrep.Trainer`.

    Attributes
    ----------
    module_ : torch.nn.Module
        Fitted machines and maps in evaluation mode, on the CPU.
    correlations_ : ndarray of shape (n_components,)
        Of the codes in the data of the last fit, falling; averaged over pairs of views.
    decoder_ : RidgeDecoder
        Ridge regression of the views on the mean of a sample's codes.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views.
    n_iter_ : int
        Epochs done.
    loss_curve_ : ndarray of shape (n_iter_,)
        Minus the log pseudo-likelihood per epoch, nats per sample, summed over views, estimated on
        some units of some rows; lower is better.
    history_ : DataFrame
        One row an epoch: loss, held-out loss, learning rate, seconds.

    See Also
    --------
    RBM : One machine, with its density.
    CCA : The linear method alone.
    DCCA : Networks trained for the correlation itself.

    Notes
    -----
    Cost of an epoch: three products of O(n_samples * n_features * n_hidden) a Gibbs step. The CCA
    costs O(n_samples * n_hidden^2) once. `partial_fit` makes a pass and takes the CCA of that data
    alone, so pass many more rows than `n_hidden`. Plain steps are taken unless
    `Trainer(optimizer=...)` says otherwise; real data need a smaller `learning_rate`, such as 0.01.
    Departures from [1]_: centred gradients, and no sparsity target.

    References
    ----------
    .. [1] Ngiam, J. et al. "Multimodal deep learning." ICML 2011.

    Examples
    --------
    >>> from sklearn.preprocessing import MinMaxScaler
    >>> from skrep import RBMCCA, PerView
    >>> from skrep.datasets import load_mfeat
    >>> X = PerView(MinMaxScaler()).fit_transform(load_mfeat().data[["pix", "fac"]])
    >>> model = RBMCCA(n_components=5, max_epochs=2, random_state=0).fit(X)
    >>> model.transform(X).widths
    (5, 5)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TRAINING_CONSTRAINTS,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "visible": [StrOptions(set(VISIBLE_UNITS)), dict, tuple],
        "n_hidden": [Interval(Integral, 1, None, closed="left"), dict, tuple],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "persistent": ["boolean"],
        "gradient": [StrOptions(set(Gradient.KINDS)), Gradient],
        "regularization": [Interval(Real, 0, None, closed="left"), dict, tuple],
        "weight_by_correlation": ["boolean"],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "gradient": Gradient,
    }
    _coordinated: ClassVar[bool] = True
    _encodes_absent: ClassVar[bool] = True
    _min_views: ClassVar[int] = 2

    module_: RBMCCAModule
    correlations_: np.ndarray

    def __init__(
        self,
        n_components: int = 2,
        *,
        visible: Literal["bernoulli", "gaussian", "categorical", "multinomial"]
        | dict[str, str]
        | tuple[str, ...] = "bernoulli",
        n_hidden: int | dict[str, int] | tuple[int, ...] = 256,
        n_gibbs_steps: int = 1,
        persistent: bool = False,
        gradient: Literal["centred", "plain"] | Gradient = "centred",
        regularization: float | dict[str, float] | tuple[float, ...] = 1e-3,
        weight_by_correlation: bool = False,
        max_epochs: int = 10,
        batch_size: int = 100,
        learning_rate: float = 0.1,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.n_components = n_components
        self.visible = visible
        self.n_hidden = n_hidden
        self.n_gibbs_steps = n_gibbs_steps
        self.persistent = persistent
        self.gradient = gradient
        self.regularization = regularization
        self.weight_by_correlation = weight_by_correlation
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    def _check_parameters(self, checked: CheckedViews) -> None:
        gradient = Gradient.of(self.gradient)
        gradient.check()
        if gradient.n_temperatures > 1 and not self.persistent:
            raise ValueError(
                f"Parallel tempering needs chains that go on. Got `n_temperatures="
                f"{gradient.n_temperatures}` with `persistent=False`. Set `persistent=True`."
            )
        check_trainer(self.trainer)
        self._check_sizes(checked)
        refuse_outside(checked, view_kinds(self.visible, checked.names))
        super()._check_parameters(checked)

    def _check_sizes(self, checked: CheckedViews) -> None:
        k, names = self.n_components, checked.names
        for name, size in zip(names, per_view(self.n_hidden, names, "n_hidden"), strict=True):
            if not (isinstance(size, Integral) and int(size) >= k):
                raise ValueError(
                    f"`n_hidden` of view {name!r} must be an integer of at least "
                    f"`n_components={k}`: the code is made of hidden units. Got {size!r}."
                )
        least = fewest_rows(len(names), k)
        if checked.n_samples < least and not self.__sklearn_is_fitted__():
            raise ValueError(
                f"`n_components={k}` needs at least {least} samples: the codes of {len(names)} "
                f"views correlate perfectly on fewer, whatever the data are. Got "
                f"{checked.n_samples}. Lower `n_components` or pass more samples."
            )

    def _own_optimizer(self) -> Any:
        momentum = Gradient.of(self.gradient).momentum
        return partial(torch.optim.SGD, momentum=momentum) if momentum else "sgd"

    def _make_module(self, spec: ModuleSpec) -> RBMCCAModule:
        refuse_constant(spec)
        kinds = view_kinds(self.visible, spec.names)
        moments = working_moments(spec, [VISIBLE_UNITS[kind].quadratic for kind in kinds])
        parts = [
            (t.split(spec.widths) if t is not None else [None] * len(kinds))
            for t in (moments.scaler.centre, moments.scaler.scale, moments.mean, moments.variance)
        ]
        generator = make_generator(spec.seed)
        sizes = per_view(self.n_hidden, spec.names, "n_hidden")
        rbms = [
            self._make_machine(kind, int(size), i, spec, of_view, generator)
            for i, (kind, size, *of_view) in enumerate(zip(kinds, sizes, *parts, strict=True))
        ]
        return RBMCCAModule(rbms, spec.n_components)

    def _make_machine(
        self,
        kind: str,
        n_hidden: int,
        i: int,
        spec: ModuleSpec,
        of_view: list[Any],
        generator: torch.Generator,
    ) -> RBMModule:
        centre, scale, mean, variance = of_view
        gradient = Gradient.of(self.gradient)
        visible = VISIBLE_UNITS[kind]((spec.widths[i],))
        n_chains = gradient.n_chains or self.batch_size
        counts = None
        if visible.counted:
            words = row_sums(CheckedViews((spec.data.arrays[i],), (spec.names[i],)))
            drawn = torch.randint(len(words), (n_chains,), generator=generator)
            counts = torch.from_numpy(words[drawn.numpy()]).float().unsqueeze(1)
        betas = np.linspace(1.0, 0.0, gradient.n_temperatures) if self.persistent else [1.0]
        settings = ContrastiveSettings(
            n_gibbs_steps=self.n_gibbs_steps,
            persistent=self.persistent,
            centred=gradient.kind == "centred",
            offset_rate=gradient.offset_rate,
            averaging=gradient.averaging,
            betas=tuple(map(float, betas)),
        )
        return make_rbm(
            visible,
            BernoulliUnits((n_hidden,)),
            mean,
            generator=generator,
            scaler=ViewScaler([centre], [scale]),
            variance=variance if visible.quadratic else None,
            settings=settings,
            n_chains=n_chains,
            chain_counts=counts,
        )
