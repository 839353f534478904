"""The deep autoencoder, trained layer by layer and then end to end."""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from skrep._base_networks import (
    NETWORK_CONSTRAINTS,
    check_scaling,
    feature_weights,
    make_scaler,
    per_view,
)
from skrep.base import GradientEstimator, ModuleSpec
from skrep.engine.greedy import Layer, layer_plan, make_rbm_layer, train_greedily
from skrep.engine.plan import TrainingPlan
from skrep.engine.trainer import Trainer
from skrep.mixins import ReconstructionErrorMixin, ReconstructionMixin
from skrep.nn.deep_autoencoder import LOSSES, DeepAutoencoderModule, unroll
from skrep.nn.mlp import MLP
from skrep.nn.module import RepresentationModule
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import BernoulliUnits, GaussianUnits, Units
from skrep.utils.domains import check_domains
from skrep.utils.settings import SCALINGS, Pretraining
from skrep.utils.sklearn_private import StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["DeepAutoencoder"]

_UNUSED = ("activation", "encoder", "decoder")


class DeepAutoencoder(ReconstructionErrorMixin, ReconstructionMixin, GradientEstimator):
    r"""Deep autoencoder: sigmoid layers that are trained one by one, unrolled and fine-tuned.

    Each layer learns to model the codes of the one below; the stack, run up and then down again,
    is the start of an autoencoder that is trained end to end [1]_. Choose it over `Autoencoder`
    for many layers, or to measure what pre-training is worth: `pretrain=None` is the same network
    from random weights.

    Objective of the last stage, to be minimised, for `loss="squared_error"` in squared units of
    the scaled data per feature and for `loss="cross_entropy"` in nats per feature:

    .. math:: \frac1n \sum_{ij} w_j (x_{ij} - \hat x_{ij})^2
       \quad\text{or}\quad
       -\frac1n \sum_{ij} w_j [x_{ij} \log \hat x_{ij} + (1 - x_{ij}) \log(1 - \hat x_{ij})]

    with :math:`\hat x_i` the decoded code and weights :math:`w_j` that sum to 1 and count views
    alike. The layers of the encoder are sigmoids, the code is linear, and the decoder mirrors them.

    Parameters
    ----------
    n_components : int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    hidden_layer_sizes : tuple of int, default=(256,)
        Widths of the encoder's hidden layers; the decoder mirrors them. `()` gives a linear model.
        Unused by a network that comes from a factory.
    loss : {"squared_error", "cross_entropy"}, default="squared_error"
        What is minimised. Cross-entropy is for data in [0, 1], anything else is refused there;
        reconstructions stay in that range.
    pretrain : {"rbm", "denoising", "autoencoder"}, Pretraining or None, default="rbm"
        What the layers are before they are put together: RBMs, of which the last has gaussian
        hidden units and, for squared error, the first gaussian visible ones; autoencoders of
        masked inputs [2]_; or plain autoencoders [3]_. `Pretraining(...)` sets epochs and step
        lengths, searched as `pretrain__n_epochs`. None starts from random weights.
    scaling : {"view", "feature"}, dict, tuple or None, default="view"
        Data are centred and divided, inside the model, by one overall standard deviation per
        view, or by one per feature, so that a learning rate means the same on any data. What
        comes out is in the units that went in. One for all views, a dict by view name, or a tuple
        by position.
    max_epochs : int, default=100
        Passes over the data, at most.
    batch_size : int, default=128
        Rows a step. Larger is faster per epoch and takes fewer steps.
    learning_rate : float, default=1e-3
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
        Fitted network in evaluation mode, on the CPU.
    layers_ : list of torch.nn.Module
        The layers, from the data up, as training one by one left them; empty without `pretrain`.
    pretrain_history_ : DataFrame
        One row an epoch of a layer: layer (from 1), loss, seconds.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in.
    n_iter_ : int
        Epochs of fine-tuning.
    loss_curve_ : ndarray of shape (n_iter_,)
        Mean objective per epoch of fine-tuning; lower is better.
    history_ : DataFrame
        One row an epoch of fine-tuning: loss, held-out loss, learning rate, seconds.

    See Also
    --------
    Autoencoder : Starts at PCA and trains end to end at once.
    DBN : The stack of RBMs as a density.
    skrep.compose.FineTunedClassifier : Puts a classifier on the code.

    Notes
    -----
    Cost of an epoch: O(n_samples * weights), and of pre-training the same for its epochs in all.
    `scaling` is not applied with `loss="cross_entropy"`. `partial_fit` makes one pass for each
    layer at its first call, then one pass of fine-tuning. `score` is the squared error for either
    loss.

    Departures from [1]_: Adam instead of conjugate gradients; variances of gaussian visible units
    are learned.

    References
    ----------
    .. [1] Hinton, G. E. and Salakhutdinov, R. R. "Reducing the dimensionality of data with neural
       networks." Science 313, 2006.
    .. [2] Vincent, P. et al. "Stacked denoising autoencoders." JMLR 11, 2010.
    .. [3] Bengio, Y. et al. "Greedy layer-wise training of deep networks." NeurIPS 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrep import DeepAutoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = DeepAutoencoder(8, hidden_layer_sizes=(64, 32), max_epochs=2, random_state=0)
    >>> model.fit(X).transform(X).shape
    (1797, 8)
    >>> len(model.layers_)
    3
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{k: v for k, v in NETWORK_CONSTRAINTS.items() if k not in _UNUSED},
        "loss": [StrOptions(set(LOSSES))],
        "pretrain": [StrOptions(set(Pretraining.KINDS)), Pretraining, None],
        "scaling": [StrOptions(SCALINGS), dict, tuple, None],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "pretrain": lambda name: Pretraining(name or "rbm"),
    }

    module_: DeepAutoencoderModule
    layers_: list[RepresentationModule]
    pretrain_history_: pd.DataFrame

    def __init__(
        self,
        n_components: int = 16,
        *,
        hidden_layer_sizes: Sequence[int] = (256,),
        loss: Literal["squared_error", "cross_entropy"] = "squared_error",
        pretrain: Literal["rbm", "denoising", "autoencoder"] | Pretraining | None = "rbm",
        scaling: Any = "view",
        max_epochs: int = 100,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.loss = loss
        self.pretrain = pretrain
        self.scaling = scaling
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    def _check_parameters(self, checked: CheckedViews) -> None:
        MLP(self.hidden_layer_sizes)
        if self.pretrain is not None:
            Pretraining.of(self.pretrain).check()
        check_scaling(self.scaling, checked.names)
        if self.loss == "cross_entropy":
            n_views = len(checked.names)
            check_domains(checked, ["unit_interval"] * n_views, ["loss='cross_entropy'"] * n_views)

    # -- building ---------------------------------------------------------------------------

    def _prepare(self, spec: ModuleSpec) -> None:
        self.layers_, self.pretrain_history_ = [], pd.DataFrame()
        if self.pretrain is None or not spec.informed:
            return
        pretraining = Pretraining.of(self.pretrain)
        widths = self._widths(spec)
        last = len(widths) - 2
        layers = []
        for number in range(last + 1):
            real = number == 0 and self.loss == "squared_error"
            plan = layer_plan(
                pretraining,
                self.trainer,
                batch_size=self.batch_size,
                device=self.device,
                seed=spec.seed + 1000 * (number + 1),
                gaussian=real or number == last,
            )
            make = self._rbm if pretraining.kind == "rbm" else self._shallow
            layers.append(Layer(partial(make, number, widths, spec, plan), plan))
        stack = train_greedily(
            layers,
            spec.data.arrays,
            max_epochs=1 if spec.one_pass else pretraining.n_epochs or self.max_epochs,
            verbose=self.verbose,
            label=type(self).__name__,
        )
        self.layers_, self.pretrain_history_ = stack.layers, stack.history

    def _widths(self, spec: ModuleSpec) -> list[int]:
        sizes = MLP(self.hidden_layer_sizes).hidden_layer_sizes
        return [sum(spec.widths), *map(int, sizes), spec.n_components]

    def _scaler(self, spec: ModuleSpec) -> ViewScaler:
        scalings = per_view(self.scaling, spec.names, "scaling")
        return make_scaler(spec, [None] * len(scalings) if self._bounded else scalings)

    @property
    def _bounded(self) -> bool:
        return self.loss == "cross_entropy"

    def _rbm(
        self,
        number: int,
        widths: list[int],
        spec: ModuleSpec,
        plan: TrainingPlan,
        arrays: tuple[Any, ...],
    ) -> RepresentationModule:
        code = number == len(widths) - 2
        hidden = (GaussianUnits if code else BernoulliUnits)((widths[number + 1],))
        make = partial(
            make_rbm_layer,
            hidden=hidden,
            arrays=arrays,
            pretraining=Pretraining.of(self.pretrain or "rbm"),
            plan=plan,
        )
        if number:
            return make(BernoulliUnits((widths[number],)))
        scaler = self._scaler(spec)
        mean = torch.cat([torch.from_numpy(m.mean) for m in spec.moments]).float()
        variance = torch.cat([torch.from_numpy(m.variance) for m in spec.moments]).float()
        visible: Units = (BernoulliUnits if self._bounded else GaussianUnits)(spec.widths)
        return make(
            visible,
            scaler=scaler,
            mean=(mean - scaler.centre) / scaler.scale,
            variance=variance / scaler.scale.square(),
        )

    def _shallow(
        self,
        number: int,
        widths: list[int],
        spec: ModuleSpec,
        plan: TrainingPlan,
        arrays: tuple[Any, ...],
    ) -> RepresentationModule:
        pretraining = Pretraining.of(self.pretrain or "autoencoder")
        below, width = widths[number], widths[number + 1]
        loss, scaler, weights = "cross_entropy", self._scaler(spec), self._weights(spec)
        if number:
            zeros, ones = torch.zeros(below), torch.ones(below)
            scaler, weights = ViewScaler([zeros], [ones]), None
        else:
            loss = self.loss
        up, down = _random_maps([below, width])
        return DeepAutoencoderModule(
            scaler,
            up,
            down,
            loss,
            sigmoid_code=number < len(widths) - 2,
            mask_share=pretraining.corruption_level if pretraining.kind == "denoising" else 0.0,
            weights=weights,
        )

    def _weights(self, spec: ModuleSpec) -> Tensor | None:
        return feature_weights(spec, "balanced")[1]

    def _make_module(self, spec: ModuleSpec) -> DeepAutoencoderModule:
        up, down = unroll(self.layers_) if self.layers_ else _random_maps(self._widths(spec))
        return DeepAutoencoderModule(
            self._scaler(spec), up, down, self.loss, weights=self._weights(spec)
        )

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        return self._apply("decode_batch", CheckedViews((codes,), ("code",)))


def _random_maps(widths: list[int]) -> tuple[list[nn.Linear], list[nn.Linear]]:
    """Return maps up and down whose signals neither grow nor vanish [Glorot and Bengio, 2010]."""
    up = [nn.Linear(a, b) for a, b in itertools.pairwise(widths)]
    down = [nn.Linear(b, a) for a, b in itertools.pairwise(widths)]
    for layer in (*up, *down):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return up, down[::-1]
