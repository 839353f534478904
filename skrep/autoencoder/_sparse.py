"""The sparse autoencoder."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from skrep.autoencoder._shared import AUTOENCODER_CONSTRAINTS, AutoencoderMixin, build
from skrep.base import GradientEstimator, ModuleSpec
from skrep.engine.trainer import Trainer
from skrep.nn.autoencoder import AutoencoderModule, CodeSparsity
from skrep.utils.settings import Sparsity
from skrep.utils.sklearn_private import StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["SparseAutoencoder"]


class SparseAutoencoder(AutoencoderMixin, GradientEstimator):
    r"""Autoencoder whose codes have few active units.

    Each sample is described by a few of many possible parts, so that single units can be read.
    Codes may be wider than the data. Choose it over `Autoencoder` when you want to look at units,
    not only to compress.

    Objective, to be minimised, in squared units of the scaled data per feature:

    .. math:: \frac1n \sum_i \sum_v \frac{1}{V d_v} \| x_{iv} - g_v(f(x_i)) \|^2 + \Omega

    where :math:`\Omega` is, by `sparsity`: "l1", a weight times the mean over samples of the sum
    of rectified codes; "kl", a weight times the divergence (nats, summed over units) of each
    unit's mean activation, in (0, 1), from a target rate [1]_; "top_k", nothing, but only the
    `target` codes of largest size are kept for each sample [2]_.

    Parameters
    ----------
    n_components : int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    sparsity : {"l1", "kl", "top_k"} or Sparsity, default="kl"
        What makes codes sparse; a name stands for `skrep.Sparsity(name)`. Its `weight` and
        `target` can be set and searched as `sparsity__weight` and `sparsity__target`.
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
    Autoencoder : Dense codes.
    sklearn.decomposition.DictionaryLearning : Sparse codes of a linear model.

    Notes
    -----
    Cost of an epoch: that of `Autoencoder`. With "l1" the decoder can trade larger weights for
    smaller codes; `Trainer(weight_decay=...)` holds that back. "kl" measures a unit's mean in each
    batch, so batches should be large against 1 / target. The linear path of `Autoencoder` is left
    out, because rectified codes cannot start at PCA.

    References
    ----------
    .. [1] Lee, H., Ekanadham, C. and Ng, A. "Sparse deep belief net model for visual area V2."
       NeurIPS 2007.
    .. [2] Makhzani, A. and Frey, B. "k-Sparse autoencoders." ICLR 2014.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skrep import Sparsity, SparseAutoencoder
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = SparseAutoencoder(32, sparsity=Sparsity("top_k", target=4), max_epochs=2)
    >>> codes = model.set_params(random_state=0).fit_transform(X)
    >>> int((codes != 0).sum(axis=1).max())
    4
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **AUTOENCODER_CONSTRAINTS,
        "sparsity": [StrOptions(set(Sparsity.KINDS)), Sparsity],
    }
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "trainer": lambda _: Trainer(),
        "sparsity": Sparsity,
    }

    def __init__(
        self,
        n_components: int = 16,
        *,
        sparsity: Literal["l1", "kl", "top_k"] | Sparsity = "kl",
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
        self.sparsity = sparsity
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
        Sparsity.of(self.sparsity).check(self.n_components)

    def _make_module(self, spec: ModuleSpec) -> AutoencoderModule:
        chosen = Sparsity.of(self.sparsity)
        target = chosen.resolve(self.n_components)
        return build(self, spec, sparsity=CodeSparsity(chosen.kind, chosen.weight, target))
