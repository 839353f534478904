"""The deep Boltzmann machine."""

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch

from skrep._base_deep import (
    SAMPLE_STEPS,
    WorkingData,
    fresh_biases,
    hidden_layer,
    make_doubled_layer,
)
from skrep.base import GradientEstimator, ModuleSpec
from skrep.boltzmann._deep import DEEP_CONSTRAINTS, DeepMixin
from skrep.engine.data import ViewData
from skrep.engine.greedy import Layer, train_greedily
from skrep.engine.inference import apply_in_chunks
from skrep.engine.plan import TrainingPlan
from skrep.engine.seeding import make_generator
from skrep.engine.trainer import Trainer
from skrep.functional.annealing import LogMean
from skrep.mixins import LogPartition
from skrep.nn.dbm import DBMModule, DoubledRBMModule, compose_layers
from skrep.utils.settings import Pretraining
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["DBM"]


class DBM(DeepMixin, GradientEstimator):
    r"""Deep Boltzmann machine: an undirected density with several layers of hidden units.

    Units of a layer hear from the layers on both sides, so inference lets what the top expects
    correct what the bottom reads. Choose it over `DBN` where that feedback matters, as for
    ambiguous inputs; `RBM` is faster and its likelihood is exact up to log Z.

    Energy of visible units :math:`x = h_0` and binary layers :math:`h_1, \dots, h_L`, in nats:

    .. math:: E(h) = U(h_0) - \sum_{l=0}^{L} c_l \cdot h_l - \sum_{l=1}^{L} h_l^\top W_l h_{l-1}

    :math:`U` is 0, for gaussian visible units half the sum of squares, values being divided by
    learned standard deviations. Training ascends the bound

    .. math:: \log p(x) \ge -E_q[E(x, h)] + H(q) - \log Z

    with :math:`q` the factorial distribution of the mean-field equations, and persistent chains
    for the gradient of log Z [1]_.

    Parameters
    ----------
    n_components : int, default=256
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    layer_sizes : tuple of int, default=(256,)
        Widths of the layers between the data and the code, from the data up. `()` leaves one RBM.
    visible : {"bernoulli", "gaussian", "categorical"}, default="bernoulli"
        What the data are: values in [0, 1], taken as probabilities of a one; real values; one-hot
        rows, one variable a view.
    pretrain : {"rbm"}, Pretraining or None, default="rbm"
        How the layers are trained one by one before they are trained together, with the
        connections to the one side doubled that stand in for the other; `Pretraining("rbm", ...)`
        sets epochs, step length and chains, searched as `pretrain__n_epochs`. None starts all
        layers together from small random connections.
    n_mean_field_steps : int, default=10
        Rounds of the mean-field equations, in training and in `transform`. More tighten the bound
        and cost proportionally more.
    n_gibbs_steps : int, default=5
        Gibbs steps of the persistent chains between two gradient steps.
    max_epochs : int, default=10
        Passes over the data, at most.
    batch_size : int, default=10
        Rows a step. Larger is faster per epoch and takes fewer steps.
    learning_rate : float, default=0.01
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
        Fitted machine in evaluation mode, on the CPU.
    layers_ : list of torch.nn.Module
        The layers, from the data up, as training one by one left them; empty without `pretrain`.
    pretrain_history_ : DataFrame
        One row an epoch of a layer: layer (from 1), loss in nats per sample, seconds.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in.
    n_iter_ : int
        Epochs of joint training.
    loss_curve_ : ndarray of shape (n_iter_,)
        Minus the log-probability of the data given their mean-field codes, nats per sample; lower
        is a better reconstruction, which training furthers on the way and does not minimise.
    history_ : DataFrame
        One row an epoch of joint training: loss, learning rate, seconds.

    See Also
    --------
    RBM : One layer, with an exact likelihood up to log Z.
    DBN : Directed below its top layer.

    Notes
    -----
    Cost of an epoch: two passes through all weights for each mean-field step on the data and each
    Gibbs step of as many chains as a batch has rows. `partial_fit` makes one pass for each layer
    at its first call, then one pass of joint training.

    `free_energy` is the bound without log Z, with its sign turned: at least the true free energy.
    `log_partition` anneals the odd layers with the even ones summed out [2]_, and is exact where
    one of the two halves has at most 2 ** 20 states. Departures from [1]_: centred statistics; a
    fixed number of mean-field steps; the code is the top layer.

    References
    ----------
    .. [1] Salakhutdinov, R. and Hinton, G. E. "Deep Boltzmann machines." AISTATS 2009.
    .. [2] Montavon, G. and Müller, K.-R. "Deep Boltzmann machines and the centering trick." Neural
       Networks: Tricks of the Trade, 2012.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrep import DBM
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = DBM(8, layer_sizes=(16,), max_epochs=1, random_state=0).fit(X / 16)
    >>> model.transform(X / 16).shape
    (1797, 8)
    >>> model.log_partition().standard_error
    0.0
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **DEEP_CONSTRAINTS,
        "pretrain": [StrOptions({"rbm"}), Pretraining, None],
        "n_mean_field_steps": [Interval(Integral, 1, None, closed="left")],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "pretrain": lambda name: Pretraining(name or "rbm"),
    }

    module_: DBMModule
    layers_: list[DoubledRBMModule]
    pretrain_history_: pd.DataFrame

    def __init__(
        self,
        n_components: int = 256,
        *,
        layer_sizes: Sequence[int] = (256,),
        visible: Literal["bernoulli", "gaussian", "categorical"] = "bernoulli",
        pretrain: Literal["rbm"] | Pretraining | None = "rbm",
        n_mean_field_steps: int = 10,
        n_gibbs_steps: int = 5,
        max_epochs: int = 10,
        batch_size: int = 10,
        learning_rate: float = 0.01,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.n_components = n_components
        self.layer_sizes = layer_sizes
        self.visible = visible
        self.pretrain = pretrain
        self.n_mean_field_steps = n_mean_field_steps
        self.n_gibbs_steps = n_gibbs_steps
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    # -- building ---------------------------------------------------------------------------

    def _own_optimizer(self) -> Any:
        return "sgd"

    def _prepare(self, spec: ModuleSpec) -> None:
        self.layers_, self.pretrain_history_ = [], pd.DataFrame()
        if self.pretrain is None or not spec.informed:
            return
        widths = self._widths()
        working = self._working_data(spec)
        plans, max_epochs = self._layer_plans(spec, len(widths))
        stack = train_greedily(
            [
                Layer(partial(self._make_layer, layer, working, widths, plan), plan)
                for layer, plan in enumerate(plans)
            ],
            spec.data.arrays,
            max_epochs=max_epochs,
            verbose=self.verbose,
            label=type(self).__name__,
        )
        self.layers_, self.pretrain_history_ = stack.layers, stack.history  # type: ignore[assignment]

    def _make_layer(
        self,
        layer: int,
        working: WorkingData,
        widths: list[int],
        plan: TrainingPlan,
        arrays: tuple[Any, ...],
    ) -> DoubledRBMModule:
        working = hidden_layer(arrays[0]) if layer else working
        return make_doubled_layer(
            working, widths[layer], plan, self.pretrain or "rbm", layer + 1, len(widths)
        )

    def _make_module(self, spec: ModuleSpec) -> DBMModule:
        working = self._working_data(spec)
        base_bias, log_variance = fresh_biases(working)
        if self.layers_:
            weights, biases = compose_layers(self.layers_)
            if self.layers_[0].log_variance is not None:
                log_variance = self.layers_[0].log_variance.detach()
        else:
            weights, biases = self._random_start(base_bias, spec)
        return DBMModule(
            working.scaler,
            working.visible,
            weights,
            biases,
            base_bias,
            log_variance=log_variance,
            n_mean_field_steps=self.n_mean_field_steps,
            n_gibbs_steps=self.n_gibbs_steps,
            n_chains=self.batch_size,
        )

    def _random_start(
        self, visible_bias: torch.Tensor, spec: ModuleSpec
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        generator = make_generator(spec.seed)
        weights, biases = [], [visible_bias]
        for width in self._widths():
            below = len(biases[-1])
            # Small for the machine's own training; a net trained by labels needs its signal.
            size = 0.01 if spec.informed else (2.0 / (width + below)) ** 0.5
            weights.append(torch.empty(width, below).normal_(0.0, size, generator=generator))
            biases.append(torch.zeros(width))
        return weights, biases

    # -- what the mixins ask for ------------------------------------------------------------

    def _free_energy(self, checked: CheckedViews) -> np.ndarray:
        return -self._apply("bound", checked)[0].astype(np.float64)

    def _draw(self, n_samples: int, generator: torch.Generator) -> list[np.ndarray]:
        states = self.module_.sample(n_samples, generator, SAMPLE_STEPS)
        return [view.detach().numpy() for view in self.module_.to_views(states[0])]

    def _run_gibbs(
        self, checked: CheckedViews, n_steps: int, generator: torch.Generator
    ) -> list[np.ndarray]:
        data = ViewData(checked.arrays, dtype=self._dtype)
        return apply_in_chunks(lambda b: self.module_.gibbs(b, n_steps, generator), data)

    def _n_states(self) -> float:
        return self.module_.n_states()

    def _log_partition_by(
        self, method: str, n_chains: int, n_temperatures: int, seed: int, n_words: int | None
    ) -> LogPartition | LogMean:
        if method == "exact":
            return LogPartition(self.module_.exact_log_partition(), 0.0)
        return self.module_.annealed_log_partition(
            n_chains,
            n_temperatures,
            make_generator(seed),
            reverse_steps=SAMPLE_STEPS if method == "reverse_ais" else 0,
        )
