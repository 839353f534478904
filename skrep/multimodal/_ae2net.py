"""AE2-Net: autoencoder in autoencoder networks."""

from collections.abc import Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn

from skrep._base_networks import NETWORK_CONSTRAINTS, check_scaling, make_scaler, per_view
from skrep._base_views import EachViewMixin, ImputeMixin, take_rows
from skrep.base import GradientEstimator, ModuleSpec
from skrep.engine.block_adam import BlockAdam
from skrep.engine.data import ViewData
from skrep.engine.inference import apply_in_chunks
from skrep.engine.trainer import Trainer
from skrep.mixins import ReconstructionErrorMixin, ReconstructionMixin
from skrep.multimodal._fusion_start import sample_rows
from skrep.multimodal._spread import measured_spread
from skrep.nn.ae2net import AE2NetModule
from skrep.nn.mlp import MLP
from skrep.utils.settings import SCALINGS
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.tags import SkrepTags
from skrep.utils.validation import CheckedViews

__all__ = ["AE2Net"]

_OTHER_NETWORKS = ("encoder", "decoder", "hidden_layer_sizes")
_SIZES = ("array-like", Interval(Integral, 1, None, closed="left"))
# How strongly codes of incomplete samples may be drawn to those of complete ones, how many of
# these are looked at, and how many decide.
_PULLS = (1.0, 3.0, 10.0, 30.0, 100.0)
_REPRESENTATIVE = 2000
_TRIED = 200


class AE2Net(
    EachViewMixin, ImputeMixin, ReconstructionMixin, ReconstructionErrorMixin, GradientEstimator
):
    r"""One shared code per sample from which every view can be derived, learned with the networks.

    Each view has an autoencoder of its own; a degradation network turns the shared code of a
    sample into the code that this autoencoder gives the view. The shared codes are parameters:
    nothing encodes them, so they hold what the views have in common and what each adds [1]_.
    Choose it to cluster, or to learn from, a fixed set of samples with views that complement each
    other; a `MultimodalAutoencoder` codes new samples faster.

    The objective per sample, in squared scaled units, over the views v that are present:

    .. math:: \sum_v \frac{1}{d_v} \lVert x_v - g_v(f_v(x_v)) \rVert^2
              + \frac{\lambda}{m} \lVert f_v(x_v) - s_v(h) \rVert^2

    with inner autoencoders :math:`g_v \circ f_v`, degradation networks :math:`s_v`, the shared
    code h, and :math:`\lambda` = `degradation_weight`. Inner autoencoders, degradation networks
    and codes are moved in turn, each by an Adam of its own at a fresh gradient.

    Parameters
    ----------
    n_components : int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    n_inner_components : int, default=64
        Size of the code of each inner autoencoder. More keeps more of a view and costs more.
    degradation_weight : float, default=1.0
        Weight of the second term. More makes the inner codes follow the shared one at the expense
        of what only one view knows.
    inner_layer_sizes : tuple of int, default=()
        Widths of the hidden layers of the inner encoders; their decoders mirror them.
    degradation_layer_sizes : tuple of int, default=(64,)
        Widths of the hidden layers of the degradation networks. `()` makes them linear.
    activation : str, default="logistic"
        Between layers: "identity", "logistic", "tanh", "relu" or another name in
        `skrep.nn.activations.ACTIVATIONS`.
    scaling : {"view", "feature"}, dict, tuple or None, default="view"
        Data are centred and divided, inside the model, by one overall standard deviation per
        view, or by one per feature, so that a learning rate means the same on any data. What
        comes out is in the units that went in. One for all views, a dict by view name, or a tuple
        by position.
    max_epochs : int, default=200
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
        Fitted networks and codes in evaluation mode, on the CPU.
    codes_ : ndarray of shape (n_samples, n_components)
        Shared codes of the samples of `fit`: what `transform` gives for them.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views.
    n_iter_ : int
        Epochs done.
    loss_curve_ : ndarray of shape (n_iter_,)
        Mean objective per epoch; lower is better.
    history_ : DataFrame
        One row an epoch: loss, its parts (reconstruction, degradation), learning rate, seconds.

    See Also
    --------
    MultimodalAutoencoder : Encodes new samples by networks.

    Notes
    -----
    Cost of an epoch: three evaluations of the objective a batch, one for each block that moves.
    `transform` solves a small least squares problem for every sample, by Levenberg-Marquardt with
    the networks frozen: no draw, no dependence on the rows beside it. The last step of `fit` does
    the same for the training samples. Views that are there may leave a code open in some
    directions, so codes of incomplete samples are drawn to the normal distribution of those of
    complete ones, as strongly as serves to predict views of training samples that are hidden; the
    spread that `impute` returns is the error of these predictions.

    The inner codes pass the activation too, as in the paper. Departures: the terms are means over
    features, so that a wide view does not drown a narrow one, and over the samples of a batch that
    have the view; steps of the codes are ten times as long, as each meets its sample only once an
    epoch; the codes of samples that a batch does not hold, and their momentum, stay put.
    `Trainer(optimizer=...)` other than "auto" moves all blocks at once. `partial_fit` solves for
    the codes of the samples it is given and goes on from there.

    References
    ----------
    .. [1] Zhang, C., Liu, Y. and Fu, H. "AE2-Nets: autoencoder in autoencoder networks." CVPR 2019.

    Examples
    --------
    >>> from skrep import AE2Net
    >>> from skrep.datasets import make_multiview
    >>> X = make_multiview(60, random_state=0)
    >>> model = AE2Net(3, max_epochs=5, random_state=0).fit(X)
    >>> model.codes_.shape, model.transform(X[:7]).shape
    ((60, 3), (7, 3))
    """

    _accepts_absent: ClassVar[bool] = True
    _min_views: ClassVar[int] = 2

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{k: v for k, v in NETWORK_CONSTRAINTS.items() if k not in _OTHER_NETWORKS},
        "n_inner_components": [Interval(Integral, 1, None, closed="left")],
        "degradation_weight": [Interval(Real, 0, None, closed="neither")],
        "inner_layer_sizes": [*_SIZES],
        "degradation_layer_sizes": [*_SIZES],
        "scaling": [StrOptions(SCALINGS), dict, tuple, None],
    }

    module_: AE2NetModule

    def __init__(
        self,
        n_components: int = 16,
        *,
        n_inner_components: int = 64,
        degradation_weight: float = 1.0,
        inner_layer_sizes: Sequence[int] = (),
        degradation_layer_sizes: Sequence[int] = (64,),
        activation: str = "logistic",
        scaling: Literal["view", "feature"] | dict[str, Any] | tuple[Any, ...] | None = "view",
        max_epochs: int = 200,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_inner_components = n_inner_components
        self.degradation_weight = degradation_weight
        self.inner_layer_sizes = inner_layer_sizes
        self.degradation_layer_sizes = degradation_layer_sizes
        self.activation = activation
        self.scaling = scaling
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    @property
    def codes_(self) -> np.ndarray:
        """Shared codes of the samples of `fit`, (n_samples, n_components)."""
        return self.module_.codes.detach().numpy().copy()

    # -- building ---------------------------------------------------------------------------

    def _check_parameters(self, checked: CheckedViews) -> None:
        super()._check_parameters(checked)
        MLP(self.inner_layer_sizes)
        MLP(self.degradation_layer_sizes)
        check_scaling(self.scaling, checked.names)
        if self.activation == "softmax":
            raise ValueError(
                "`activation='softmax'` is not elementwise, as the solver of codes needs it. Pass "
                "another, such as 'logistic'."
            )
        trainer = self.trainer
        refused = {"gradient_clip", "distributed"} if trainer is not None else set()
        for name in sorted(refused):
            if getattr(trainer, name) is not None:
                raise ValueError(
                    f"Codes that belong to single samples do not go with Trainer({name}="
                    f"{getattr(trainer, name)!r}). Leave it at None."
                )

    def _own_optimizer(self) -> Any:
        return partial(BlockAdam, blocks=lambda: self.module_.blocks())

    def _make_module(self, spec: ModuleSpec) -> AE2NetModule:
        sizes = tuple(MLP(self.inner_layer_sizes).hidden_layer_sizes)
        inner = self.n_inner_components
        into = MLP(sizes, self.activation, self.activation)
        out_of = MLP(sizes[::-1], self.activation)
        degrade = MLP(self.degradation_layer_sizes, self.activation)
        widths = spec.widths
        # Small random codes: the factors that views share grow out of them, where a start at
        # principal axes would keep the geometry of the widest view.
        codes = 0.1 * torch.randn(spec.data.n_samples, spec.n_components)
        return AE2NetModule(
            make_scaler(spec, per_view(self.scaling, spec.names, "scaling")),
            [into(width, inner) for width in widths],
            [out_of(inner, width) for width in widths],
            [degrade(spec.n_components, inner) for _ in widths],
            codes,
            self.degradation_weight,
            sparse=self._alternates(),
        )

    def _alternates(self) -> bool:
        return self.trainer is None or self.trainer.optimizer == "auto"

    def _resume(self, checked: CheckedViews) -> None:
        """Take the codes of other samples before training goes on with them."""
        self.module_.sparse = self._alternates()
        data = ViewData(checked.arrays, checked.present, dtype=self._dtype)
        codes = apply_in_chunks(self.module_.encode, data)[0]
        self.module_.codes = nn.Parameter(torch.from_numpy(codes))

    # -- what the mixins ask for ------------------------------------------------------------

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        return self._apply("decode_batch", CheckedViews((codes,), ("code",)))

    def _expect(
        self, checked: CheckedViews, with_std: bool
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        views = self._decode(self._encode(checked))
        if not with_std:
            return views, None
        # Rows with an absent view only: there is a mask.
        count = np.asarray(checked.present).sum(axis=1)
        return views, [table[np.minimum(count, len(table) - 1)] for table in self._spread]

    def _conclude(self, checked: CheckedViews) -> None:
        """Solve for the codes a last time; learn what codes of incomplete samples are like."""
        self._learn_pull(checked)
        self.module_.codes = nn.Parameter(torch.from_numpy(self._encode(checked)))
        self._spread = measured_spread(checked, self._seed, self._expect_all)

    def _expect_all(self, checked: CheckedViews) -> list[np.ndarray]:
        return self._expect(checked, False)[0]

    def _learn_pull(self, checked: CheckedViews) -> None:
        """Draw codes of incomplete samples to those of complete ones, as far as it serves.

        Residuals of inner codes go together, so a view says less than their number would have
        it: how much less is what predicts views best that are hidden.
        """
        rows, count = np.arange(checked.n_samples), len(checked.names)
        if checked.present is not None:
            given = checked.present.sum(axis=1)
            count = given.max()
            rows = np.flatnonzero(given == count)
        if len(rows) < 2 or count < 2:
            return
        some = take_rows(checked, rows[sample_rows(len(rows), self._seed, _REPRESENTATIVE)])
        if count == len(checked.names):
            some = some._replace(present=None)
        codes = torch.from_numpy(self._encode(some))
        noise = float(
            self._apply_to_batches(lambda module, batch: module.misfit(batch), some).mean()  # type: ignore[operator]
        )
        errors = []
        for strength in _PULLS:
            self.module_.expect_codes(codes, strength * noise)
            tables = measured_spread(some, self._seed, self._expect_all, _TRIED, int(count) - 1)
            errors.append(sum(_unexplained(table) for table in tables))
        self.module_.expect_codes(codes, _PULLS[int(np.argmin(errors))] * noise)

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare that no network encodes."""
        tags: SkrepTags = super().__sklearn_tags__()
        tags.fine_tunable = False
        return tags


def _unexplained(table: np.ndarray) -> float:
    """Return the share of a view's variance that all other views leave open."""
    return float(np.square(table[-1]).sum() / max(np.square(table[0]).sum(), 1e-30))
