"""Deep canonically correlated autoencoders."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np

from skrep._base_networks import check_factory, per_view
from skrep.base import GradientEstimator, ModuleSpec
from skrep.cross_decomposition._networks import DEEP_CONSTRAINTS, DeepCorrelationMixin, build
from skrep.engine.trainer import Trainer
from skrep.nn.dcca import DCCAModule
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["DCCAE"]


class DCCAE(DeepCorrelationMixin, GradientEstimator):
    r"""Deep canonically correlated autoencoders: codes that correlate and reconstruct their view.

    A decoder per view keeps in the codes what the view itself is made of, which steadies them where
    correlation alone would latch on to noise. Choose it over `DCCA` for small or noisy data, and
    to reconstruct a view or fill in one that is absent.

    Objective, to be minimised [1]_ (by default; `objective` offers others), with :math:`\rho_j`
    the canonical correlations of a batch's codes (for more than two views those of the generalised
    problem) and :math:`d_v` features in view :math:`v`:

    .. math:: -\sum_{j=1}^{k} \rho_j\big(f_1(x_1), \dots, f_V(x_V)\big)
        + \frac{\gamma}{V} \sum_v \frac{1}{n d_v} \sum_i \| x_{iv} - g_v(f_v(x_{iv})) \|^2

    The error is in squared units of the scaled data per feature, so 1 is that of a constant.
    After training the linear CCA of all codes makes them uncorrelated within a view, of unit
    variance, and ordered by correlation; decoders undo it first.

    Parameters
    ----------
    n_components : int, default=2
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    reconstruction_weight : float, default=0.1
        Weight of the decoders' error. More keeps more of each view in its codes and less of what
        views share; 0 trains the encoders as `DCCA` does, and leaves the decoders at their start.
    objective : {"correlation", "squared_correlation", "eckart_young"}, default="correlation"
        The sum of the canonical correlations of each batch, which needs batches of many times
        `n_components` rows; that of their squares, which lets weak components wait for strong ones
        and can generalise better; or the Eckart-Young loss [2]_, unbiased in batches of any size,
        whose least value is minus the sum of squared correlations.
    regularization : float, dict or tuple, default=1e-2
        Ridge of each view, relative to the mean variance: in the start, in the correlations of a
        batch and in the final CCA. More keeps weak directions out. One for all views, a dict by
        view name, or a tuple by position.
    hidden_layer_sizes : tuple of int, default=(256,)
        Widths of the encoder's hidden layers; the decoder mirrors them. `()` gives a linear model.
        Unused by a network that comes from a factory.
    activation : str, default="relu"
        Between layers: "identity", "logistic", "tanh", "relu" or another name in
        `skrep.nn.activations.ACTIVATIONS`.
    encoder : callable or None, default=None
        Factory `(n_in, n_out) -> torch.nn.Module` that replaces the default encoder, such as
        `skrep.nn.conv_encoder((1, 28, 28))`. Picklable; a module instance is refused.
    decoder : callable or None, default=None
        Factory of the decoders, each of which returns its view in the units of the scaled data;
        with `scaling=None` those are the caller's. None mirrors the default encoder.
    scaling : {"view", "feature"}, dict, tuple or None, default="view"
        Data are centred and divided, inside the model, by one overall standard deviation per
        view, or by one per feature, so that a learning rate means the same on any data. What
        comes out is in the units that went in. One for all views, a dict by view name, or a tuple
        by position.
    weight_by_correlation : bool, default=False
        Whether codes are multiplied by their canonical correlation, so that in distances between
        codes of different views the components count by how far they can be trusted. For
        retrieval.
    max_epochs : int, default=50
        Passes over the data, at most.
    batch_size : int, default=1000
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
        Fitted networks in evaluation mode, on the CPU.
    correlations_ : ndarray of shape (n_components,)
        Of the codes in the data of the last fit, falling; averaged over pairs of views.
    decoder_ : object
        Its `predict(codes)` gives the views that one code per sample stands for.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views.
    n_iter_ : int
        Epochs done.
    loss_curve_ : ndarray of shape (n_iter_,)
        Mean training objective per epoch; lower is better.
    history_ : DataFrame
        One row an epoch: loss, its parts `correlation` (the loss of the codes) and
        `reconstruction` (the decoders' error), held-out losses, learning rate, seconds.

    See Also
    --------
    DCCA : Without decoders; also for batches too small for a correlation.
    CCA : The linear method, in closed form.
    MultimodalAutoencoder : One joint code of all views.

    Notes
    -----
    Cost of an epoch: O(n_samples * weights), the loss adding O(n_samples * n_components^2).
    Memory: the weights three times (Adam) and one batch. A trailing batch below half of
    `batch_size` joins the one before. `encoder` and `decoder` may be a dict by view name or a tuple
    by position, None standing for the default; linear paths are only put beside default networks.
    `partial_fit` makes a pass and takes the final CCA of that data alone, so pass as many rows as
    you can. A decoder is trained on the code of its own view; `inverse_transform` gives each the
    mean of the codes that are there, `impute` the same, drawn in by what the correlations leave
    open. Departures from [1]_: a start
    at linear CCA, and of the decoders at the regression on its variates, in place of layer-wise
    pre-training, a ridge relative to the codes' variance, an error per feature, and more than two
    views.

    References
    ----------
    .. [1] Wang, W., Arora, R., Livescu, K. and Bilmes, J. "On deep multi-view representation
       learning." ICML 2015.
    .. [2] Chapman, J., Wells, L. and Lawry Aguila, A. "Unconstrained stochastic CCA: unifying
       multiview and self-supervised learning." ICLR 2024.

    Examples
    --------
    >>> from skrep import DCCAE
    >>> from skrep.datasets import make_multiview
    >>> X = make_multiview(300, nonlinear=True, random_state=0)
    >>> model = DCCAE(n_components=3, max_epochs=20, random_state=0).fit(X)
    >>> model.impute((X["view0"], None))[1].shape
    (300, 30)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **DEEP_CONSTRAINTS,
        "decoder": [callable, dict, tuple, None],
        "objective": [StrOptions({"correlation", "squared_correlation", "eckart_young"})],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "weight_by_correlation": ["boolean"],
    }
    _coordinated: ClassVar[bool] = True
    _encodes_absent: ClassVar[bool] = True
    _min_views: ClassVar[int] = 2

    module_: DCCAModule
    correlations_: np.ndarray

    def __init__(
        self,
        n_components: int = 2,
        *,
        reconstruction_weight: float = 0.1,
        objective: Literal["correlation", "squared_correlation", "eckart_young"] = "correlation",
        regularization: float | dict[str, float] | tuple[float, ...] = 1e-2,
        hidden_layer_sizes: Sequence[int] = (256,),
        activation: str = "relu",
        encoder: Callable[[int, int], Any] | dict[str, Any] | tuple[Any, ...] | None = None,
        decoder: Callable[[int, int], Any] | dict[str, Any] | tuple[Any, ...] | None = None,
        scaling: Any = "view",
        weight_by_correlation: bool = False,
        max_epochs: int = 50,
        batch_size: int = 1000,
        learning_rate: float = 1e-3,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.n_components = n_components
        self.reconstruction_weight = reconstruction_weight
        self.objective = objective
        self.regularization = regularization
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.encoder = encoder
        self.decoder = decoder
        self.scaling = scaling
        self.weight_by_correlation = weight_by_correlation
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    def _check_parameters(self, checked: CheckedViews) -> None:
        for factory in per_view(self.decoder, checked.names, "decoder"):
            check_factory(factory, "decoder")
        super()._check_parameters(checked)

    def _make_module(self, spec: ModuleSpec) -> DCCAModule:
        return build(
            self,
            spec,
            objective=self.objective,
            decoder=self.decoder,
            reconstruction_weight=self.reconstruction_weight,
        )
