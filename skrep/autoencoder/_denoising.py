"""The denoising autoencoder."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from skrep.autoencoder._shared import AUTOENCODER_CONSTRAINTS, AutoencoderMixin, build
from skrep.base import GradientEstimator, ModuleSpec
from skrep.engine.trainer import Trainer
from skrep.nn.autoencoder import AutoencoderModule
from skrep.utils.settings import Corruption
from skrep.utils.sklearn_private import StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["DenoisingAutoencoder"]


class DenoisingAutoencoder(AutoencoderMixin, GradientEstimator):
    r"""Autoencoder that is shown spoiled samples and must return the clean ones.

    Undoing noise takes knowledge of how features hang together, so codes hold structure and not
    detail. Choose it over `Autoencoder` for codes that survive noise and gaps, and to clean data:
    `reconstruct` maps a spoiled sample to its best clean guess.

    Objective, to be minimised, in squared units of the scaled data per feature:

    .. math:: \frac1n \sum_i \sum_v \frac{1}{V d_v} \| x_{iv} - g_v(f(\tilde x_i)) \|^2,
        \qquad \tilde x_i \sim c(\cdot \mid x_i)

    with a corruption :math:`c` drawn afresh in every epoch [1]_. `transform` encodes what it is
    given, unspoiled. Several views are laid side by side and count alike.

    Parameters
    ----------
    n_components : int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    corruption : {"gaussian", "masking", "salt_and_pepper"} or Corruption, default="gaussian"
        What spoils the inputs; a name stands for `skrep.Corruption(name)`. Its `level` can be set
        and searched as `corruption__level`: more noise gives smoother codes, too much loses
        detail.
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
    Autoencoder : Without noise.
    SparseAutoencoder : Codes with few active units.

    Notes
    -----
    Cost of an epoch: that of `Autoencoder` and one draw per entry. Departures from [1]_: squared
    error instead of cross-entropy; all layers are trained together.

    References
    ----------
    .. [1] Vincent, P., Larochelle, H., Lajoie, I., Bengio, Y. and Manzagol, P.-A. "Stacked
       denoising autoencoders." Journal of Machine Learning Research 11, 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrep import Corruption, DenoisingAutoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = DenoisingAutoencoder(8, corruption=Corruption("masking", level=0.3), max_epochs=2)
    >>> model.set_params(corruption__level=0.2, random_state=0).fit_transform(X).shape
    (1797, 8)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **AUTOENCODER_CONSTRAINTS,
        "corruption": [StrOptions(set(Corruption.KINDS)), Corruption],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "corruption": Corruption,
    }

    def __init__(
        self,
        n_components: int = 16,
        *,
        corruption: Literal["gaussian", "masking", "salt_and_pepper"] | Corruption = "gaussian",
        hidden_layer_sizes: Sequence[int] = (256,),
        activation: str = "relu",
        output_activation: str = "identity",
        encoder: Callable[[int, int], Any] | None = None,
        decoder: Callable[[int, int], Any] | Literal["tied"] | None = None,
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
        self.corruption = corruption
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.output_activation = output_activation
        self.encoder = encoder
        self.decoder = decoder
        self.scaling = scaling
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    def _check_parameters(self, checked: CheckedViews) -> None:
        super()._check_parameters(checked)
        Corruption.of(self.corruption).check()

    def _make_module(self, spec: ModuleSpec) -> AutoencoderModule:
        return build(self, spec, corruption=Corruption.of(self.corruption))
