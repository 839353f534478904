"""The plain autoencoder."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from skrep.autoencoder._shared import AUTOENCODER_CONSTRAINTS, AutoencoderMixin, build
from skrep.base import GradientEstimator, ModuleSpec
from skrep.engine.trainer import Trainer
from skrep.nn.autoencoder import AutoencoderModule
from skrep.utils.sklearn_private import StrOptions

__all__ = ["Autoencoder"]


class Autoencoder(AutoencoderMixin, GradientEstimator):
    r"""Autoencoder: a network that squeezes each sample into a short code and back.

    The default puts a linear path beside encoder and decoder and starts it at PCA, so training
    begins at PCA's reconstruction and improves on it. Choose it over PCA when features depend on
    each other in curved ways; over `VAE` when you need reconstructions, not samples.

    Objective, to be minimised, in squared units of the scaled data per feature:

    .. math:: \frac1n \sum_i \sum_v \frac{\lambda_v}{d_v} \| x_{iv} - g_v(f(x_i)) \|^2

    with encoder :math:`f`, decoder :math:`g`, :math:`d_v` features in view :math:`v` and weights
    :math:`\lambda_v` that sum to 1 [1]_. Several views are laid side by side (early fusion).

    Parameters
    ----------
    n_components : int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    hidden_layer_sizes : tuple of int, default=(256,)
        Widths of the encoder's hidden layers; the decoder mirrors them. `()` gives a linear model.
        Unused by a network that comes from a factory.
    activation : str, default="relu"
        Between layers: "identity", "logistic", "tanh", "relu" or another name in
        `skrep.nn.activations.ACTIVATIONS`.
    output_activation : str, default="identity"
        After the decoder. "identity" suits real data; "logistic" data in [0, 1], anything else
        is refused there; with it reconstructions stay in the data's range.
    encoder : callable or None, default=None
        Factory `(n_in, n_out) -> torch.nn.Module` that replaces the default encoder, such as
        `skrep.nn.conv_encoder((1, 28, 28))`. Picklable; a module instance is refused.
    decoder : callable, "tied" or None, default=None
        Factory of the decoder, or "tied" for the transposed weights of the default encoder:
        half the weights, and codes closer to PCA's. None mirrors the encoder.
    scaling : {"view", "feature"}, dict, tuple or None, default="view"
        Data are centred and divided, inside the model, by one overall standard deviation per
        view, or by one per feature, so that a learning rate means the same on any data. What
        comes out is in the units that went in. One for all views, a dict by view name, or a tuple
        by position.
    view_weights : {"balanced", "features"} or dict, default="balanced"
        Weights of the views' errors: each view alike, each feature alike, or view name to weight.
        No effect on a single array.
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
        Fitted networks in evaluation mode, on the CPU.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where the input had them; `view__column` for several views.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views, when views went in.
    n_iter_ : int
        Epochs done.
    loss_curve_ : ndarray of shape (n_iter_,)
        Mean training objective per epoch; lower is better.
    history_ : DataFrame
        One row an epoch: loss and its parts, held-out loss, learning rate, seconds.

    See Also
    --------
    DenoisingAutoencoder : Learns from spoiled inputs; codes that ignore noise.
    SparseAutoencoder : Codes with few active units.
    VAE : A density and a generator.

    Notes
    -----
    Cost of an epoch: O(n_samples * weights). Memory: the weights three times (Adam) and one batch.
    Departures from [1]_: trained from a PCA start instead of layer by layer, squared error instead
    of cross-entropy.

    References
    ----------
    .. [1] Hinton, G. E. and Salakhutdinov, R. R. "Reducing the dimensionality of data with neural
       networks." Science 313, 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrep import Autoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = Autoencoder(n_components=8, max_epochs=2, random_state=0).fit(X)
    >>> model.transform(X).shape
    (1797, 8)
    >>> model.inverse_transform(model.transform(X)).shape
    (1797, 64)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **AUTOENCODER_CONSTRAINTS,
        "view_weights": [StrOptions({"balanced", "features"}), dict],
    }

    def __init__(
        self,
        n_components: int = 16,
        *,
        hidden_layer_sizes: Sequence[int] = (256,),
        activation: str = "relu",
        output_activation: str = "identity",
        encoder: Callable[[int, int], Any] | None = None,
        decoder: Callable[[int, int], Any] | Literal["tied"] | None = None,
        scaling: Any = "view",
        view_weights: Literal["balanced", "features"] | dict[str, float] = "balanced",
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
        self.activation = activation
        self.output_activation = output_activation
        self.encoder = encoder
        self.decoder = decoder
        self.scaling = scaling
        self.view_weights = view_weights
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    def _make_module(self, spec: ModuleSpec) -> AutoencoderModule:
        return build(self, spec, view_weights=self.view_weights)
