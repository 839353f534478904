"""Contrastive alignment of views."""

from collections.abc import Callable, Sequence
from itertools import combinations
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_is_fitted
from torch import nn

from skrep._base_networks import (
    NETWORK_CONSTRAINTS,
    beside,
    call_factory,
    check_factory,
    linear_layer,
    make_scaler,
    per_view,
)
from skrep._base_views import CoordinatedMixin, mean_code
from skrep.base import GradientEstimator, ModuleSpec
from skrep.engine.trainer import Trainer
from skrep.functional.contrastive import recall_at_one
from skrep.mixins import ReconstructionMixin
from skrep.multimodal._aligned import aligned_maps
from skrep.nn.clip import BoundedTemperature, CLIPModule
from skrep.nn.mlp import MLP
from skrep.nn.scaling import ViewScaler
from skrep.utils.ridge import fit_ridge
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.tags import SkrepTags
from skrep.utils.temperature import Temperature
from skrep.utils.validation import CheckedViews
from skrep.views import Views, is_multiview

__all__ = ["CLIP"]

# Ridge of the start, relative to the mean variance of a view's principal axes.
_START_RIDGE = 0.1


class CLIP(CoordinatedMixin, ReconstructionMixin, GradientEstimator):
    r"""Contrastive language-image pre-training: codes that find their partner in the other view.

    Each view, image and text or any two or more others, has its own network (tower). Codes have
    unit length, and training draws those of one sample together and pushes those of different
    samples apart. Choose it for retrieval across views and zero-shot classification; over `CCA`
    where there are many pairs and relations are curved; over `MultimodalVAE` where nothing needs
    to be generated.

    Objective, to be minimised, in nats per sample, for two views ("infonce" [1]_):

    .. math:: -\frac{1}{2n} \sum_i \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}
              + \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ji}}}, \quad
              s_{ij} = \cos(f(x_i), g(y_j)) / \tau

    over the n samples of a batch, with towers f and g and the temperature :math:`\tau`. With more
    views it is the mean over their pairs.

    Parameters
    ----------
    n_components : int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.
    objective : {"infonce", "sigmoid"}, default="infonce"
        "infonce" asks which of the batch is the partner. "sigmoid" asks of every pair whether it
        belongs together [2]_, with a learned bias; it depends less on the size of the batch.
    temperature : float or Temperature, default=0.07
        Where the learned temperature starts; it stays between 0.01 and 1, or wider bounds where
        the start asks for them. Lower separates close neighbours and overfits sooner.
        `Temperature(0.07, learned=False)` keeps it fixed and its `bounds` move the bounds.
    positives : {"pairs", "labels"}, default="pairs"
        What belongs together: the views of a sample, and y is ignored; or all samples with the
        same label, and `fit` needs y [3]_.
    hidden_layer_sizes : tuple of int, default=(256,)
        Widths of the encoder's hidden layers; the decoder mirrors them. `()` gives a linear model.
        Unused by a network that comes from a factory.
    activation : str, default="relu"
        Between layers: "identity", "logistic", "tanh", "relu" or another name in
        `skrep.nn.activations.ACTIVATIONS`.
    encoder : callable or None, default=None
        Factory `(n_in, n_out) -> torch.nn.Module` that replaces the default encoder, such as
        `skrep.nn.conv_encoder((1, 28, 28))`. Picklable; a module instance is refused.
    chunk_size : int or None, default=None
        Rows that towers process at a time. A batch may then be as large as the codes allow:
        it is encoded chunk by chunk without what the gradient needs, and every chunk a second
        time when its gradient is due, which costs a third more time. The gradient is that of the
        whole batch. None keeps everything.
    max_epochs : int, default=50
        Passes over the data, at most.
    batch_size : int, default=256
        Rows a step. Larger is faster per epoch and takes fewer steps.
    learning_rate : float, default=3e-4
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
        Fitted towers in evaluation mode, on the CPU.
    temperature_ : float
        The temperature after training.
    decoder_ : RidgeDecoder
        Regression of the views on the mean of a sample's codes.
    n_features_in_ : int
        Number of features, of all views together.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        `view__column`, where the input had column names.
    view_names_in_ : ndarray of shape (n_views,)
        Names of the views.
    n_iter_ : int
        Epochs done.
    loss_curve_ : ndarray of shape (n_iter_,)
        Mean training objective per epoch, nats per sample; lower is better. Guessing gives
        "infonce" the log of the number of rows of a batch.
    history_ : DataFrame
        One row an epoch: loss, held-out loss, learning rate, seconds.

    See Also
    --------
    skrep.CCA : The linear way, in closed form.
    skrep.MultimodalVAE : A joint density of the views, which can fill in and draw.
    skrep.compose.CrossModalRetriever : Finds neighbours across views in a gallery.

    Notes
    -----
    The default towers put a linear path beside each network and start it at a ridge canonical
    correlation analysis, so that small tables begin where the linear method ends; a tower that
    comes from a factory starts at its own weights. `encoder` also takes a dict by view name or a
    tuple by position, of factories and None. There is no decoder network: `inverse_transform` is
    a ridge regression, fitted to the data of the last call of `fit` or `partial_fit`. Data are
    centred and divided, inside the model, by one overall standard deviation per view.

    Samples that lack a view take part in the pairs of views they have; in `transform` the code of
    an absent view is NaN. The last batch of an epoch joins the one before it where it would have
    fewer than half as many rows, since the loss depends on that number.

    With `chunk_size` batch normalisation in a tower of your own sees chunks instead of the batch,
    and its running statistics see each twice: the gradient is then not that of the whole batch.
    Dropout draws the same values both times.

    Cost of an epoch: O(n_samples * (weights + batch_size * n_components)). Memory: the weights
    three times (Adam), a batch with all that its gradient needs, and similarities of
    batch_size * batch_size; with `chunk_size` the latter two are those of a chunk.

    Departures from [1]_: the temperature is bounded on both sides by a smooth map of a free weight
    instead of being clipped, and starts are linear instead of random.

    References
    ----------
    .. [1] Radford, A., et al. "Learning transferable visual models from natural language
       supervision." ICML 2021. https://arxiv.org/abs/2103.00020
    .. [2] Zhai, X., Mustafa, B., Kolesnikov, A. and Beyer, L. "Sigmoid loss for language image
       pre-training." ICCV 2023. https://arxiv.org/abs/2303.15343
    .. [3] Khosla, P., et al. "Supervised contrastive learning." NeurIPS 2020.
       https://arxiv.org/abs/2004.11362
    .. [4] Gao, L., Zhang, Y., Han, J. and Callan, J. "Scaling deep contrastive learning batch size
       under memory limited setup." RepL4NLP 2021. https://arxiv.org/abs/2101.06983

    Examples
    --------
    >>> from skrep import CLIP
    >>> from skrep.datasets import make_multiview
    >>> views = make_multiview(200, random_state=0)
    >>> model = CLIP(n_components=4, max_epochs=5, random_state=0).fit(views)
    >>> codes = model.transform(views)
    >>> codes.names == views.names, codes.widths
    (True, (4, 4))
    >>> model.score(views) > 10 / 200
    True
    """

    _accepts_absent: ClassVar[bool] = True
    _coordinated: ClassVar[bool] = True
    _min_views: ClassVar[int] = 2
    _nested: ClassVar[dict[str, Callable[[Any], Any]]] = {
        **GradientEstimator._nested,
        "temperature": Temperature.of,
    }

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **{name: legal for name, legal in NETWORK_CONSTRAINTS.items() if name != "decoder"},
        "objective": [StrOptions({"infonce", "sigmoid"})],
        "temperature": [Interval(Real, 0, None, closed="neither"), Temperature],
        "positives": [StrOptions({"pairs", "labels"})],
        "encoder": [callable, dict, tuple, None],
        "chunk_size": [Interval(Integral, 1, None, closed="left"), None],
    }

    module_: CLIPModule
    temperature_: float

    def __init__(
        self,
        n_components: int = 16,
        *,
        objective: Literal["infonce", "sigmoid"] = "infonce",
        temperature: float | Temperature = 0.07,
        positives: Literal["pairs", "labels"] = "pairs",
        hidden_layer_sizes: Sequence[int] = (256,),
        activation: str = "relu",
        encoder: Any = None,
        chunk_size: int | None = None,
        max_epochs: int = 50,
        batch_size: int = 256,
        learning_rate: float = 3e-4,
        device: str = "auto",
        random_state: Any = None,
        verbose: int = 0,
        trainer: Trainer | None = None,
    ) -> None:
        self.n_components = n_components
        self.objective = objective
        self.temperature = temperature
        self.positives = positives
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.encoder = encoder
        self.chunk_size = chunk_size
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.trainer = trainer

    def _check_parameters(self, checked: CheckedViews) -> None:
        Temperature.of(self.temperature).check()
        MLP(self.hidden_layer_sizes)
        for factory in per_view(self.encoder, checked.names, "encoder"):
            check_factory(factory, "encoder")
            if factory is not None and not callable(factory):
                raise TypeError(
                    f"`encoder` must hold a factory `(n_in, n_out) -> torch.nn.Module` or None for "
                    f"every view. Got {factory!r}."
                )
        if self.batch_size < 2 or checked.n_samples < 2:
            what = f"batch_size={self.batch_size}" if self.batch_size < 2 else "one sample"
            raise ValueError(
                f"CLIP tells the samples of a batch apart, so a batch needs at least 2. Got "
                f"{what}. Hundreds are usual; `chunk_size` bounds the memory."
            )
        _check_pairs(checked)

    def _labels(self, y: Any, checked: CheckedViews) -> np.ndarray | None:
        if self.positives == "pairs":
            return None
        if y is None:
            raise ValueError(
                "`positives='labels'` requires y to be passed, but the target y is None. Pass one "
                "label per sample, or set `positives='pairs'`."
            )
        labels = column_or_1d(y, warn=True)
        if len(labels) != checked.n_samples:
            raise ValueError(
                f"y has {len(labels)} labels, but X has {checked.n_samples} samples. Pass one "
                f"label per sample."
            )
        if pd.isna(labels).any():
            raise ValueError(
                f"Input y contains NaN in row {int(pd.isna(labels).argmax())}, and "
                f"`positives='labels'` needs to know which samples belong together. Leave the "
                f"samples without a label out."
            )
        return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int64)

    def _make_module(self, spec: ModuleSpec) -> CLIPModule:
        whole = make_scaler(spec, ["view"] * len(spec.names))
        scalers = [
            ViewScaler([centre], [scale])
            for centre, scale in zip(
                whole.centre.split(spec.widths), whole.scale.split(spec.widths), strict=True
            )
        ]
        towers = self._towers(spec, scalers)
        start = Temperature.of(self.temperature)
        return CLIPModule(
            scalers,
            towers,
            BoundedTemperature(start.value, *start.resolve(), learned=start.learned),
            objective=self.objective,
            # No pair is thought to belong together before anything is known, as in the paper.
            bias=-1.0 / start.value,
            chunk_rows=self.chunk_size,
            smallest=max(2, self.batch_size // 2),
        )

    def _towers(self, spec: ModuleSpec, scalers: list[ViewScaler]) -> list[nn.Module]:
        factories = per_view(self.encoder, spec.names, "encoder")
        default = MLP(self.hidden_layer_sizes, self.activation)
        towers = [
            call_factory(factory or default, "encoder", width, spec.n_components)
            for factory, width in zip(factories, spec.widths, strict=True)
        ]
        if all(factory is not None for factory in factories):
            return towers
        maps = aligned_maps(spec, scalers, _START_RIDGE)
        return [
            beside(linear_layer(found), tower) if factory is None else tower
            for factory, found, tower in zip(factories, maps, towers, strict=True)
        ]

    def _conclude(self, checked: CheckedViews) -> None:
        self.temperature_ = float(self.module_.temperature().detach())
        codes = mean_code(self._encode(checked), len(checked.names))
        self.decoder_ = fit_ridge(codes, checked.arrays, checked.present)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean recall@1 of both directions; higher is better.

        The share of samples whose code in one view is nearer, in cosine, to their own code in
        the other view than to that of any other sample in `X`; the mean over both directions and
        all pairs of views, on the samples that have both. It falls with the number of samples, so
        compare it on the same ones. It does not depend on `temperature` or `objective` as such.

        Parameters
        ----------
        X : several views
            As in `transform`.
        y : None
            Ignored; with labels `skrep.metrics.mean_average_precision` says more.

        Returns
        -------
        float
            0 to 1; chance gives one over the number of samples.

        Raises
        ------
        ValueError
            If no sample has two views.
        """
        check_is_fitted(self)
        checked = self._check(X)
        codes = torch.from_numpy(self._encode(checked)).chunk(len(checked.names), dim=1)
        recalls = []
        for a, b in combinations(codes, 2):
            both = ~(a[:, 0].isnan() | b[:, 0].isnan())
            if both.any():
                recalls.append(recall_at_one(a[both], b[both]))
        if not recalls:
            raise ValueError(
                "No sample of X has two views, so there is no partner to find. Pass samples with "
                "two or more of their views."
            )
        return float(np.mean(recalls))

    def zero_shot(
        self, X: Any, prompts: Any, *, source: str | None = None, target: str | None = None
    ) -> np.ndarray:
        """Return the probability of classes that are described in another view.

        The softmax, over classes, of the cosine between a sample's code and that of a class's
        prompt, divided by `temperature_`. No label is learned from.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or several views
            Samples, in the view `source`: its array alone, or all views of `fit`.
        prompts : array-like or sparse matrix of shape (n_classes, n_prompt_features), or views
            One description per class, in the view `target`. Of several per class pass all, and
            add up their probabilities.
        source : str or None, default=None
            View of the samples. None is the first.
        target : str or None, default=None
            View of the prompts. None is the other of two.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Rows sum to 1. Classes are in the order of the prompts.

        Raises
        ------
        ValueError
            If a view is not one of `fit`, or `target` is not given and there are more than two.

        Examples
        --------
        >>> from skrep import CLIP
        >>> from skrep.datasets import make_multiview
        >>> views = make_multiview(200, random_state=0)
        >>> model = CLIP(n_components=4, max_epochs=5, random_state=0).fit(views)
        >>> model.zero_shot(views[0], views[1][:3]).shape
        (200, 3)
        """
        check_is_fitted(self)
        source, target = self._two_views(source, target)
        samples, classes = (
            self._codes_of(X, source, "X"),
            self._codes_of(prompts, target, "prompts"),
        )
        logits = samples @ classes.T / self.temperature_
        return np.asarray(softmax(logits, axis=1))

    def _two_views(self, source: str | None, target: str | None) -> tuple[str, str]:
        names = [str(name) for name in self.view_names_in_]
        for argument, name in (("source", source), ("target", target)):
            if name is not None and name not in names:
                raise ValueError(f"`{argument}` must be one of the views {names}. Got {name!r}.")
        if target is None:
            others = [name for name in names if name != (source or names[0])]
            if len(others) > 1:
                raise ValueError(
                    f"There are the views {names}: say which of them the prompts are with "
                    f"`target`. Got None."
                )
            target = others[0]
        if source is None:
            source = next(name for name in names if name != target)
        return source, target

    def _codes_of(self, X: Any, name: str, argument: str) -> np.ndarray:
        """Return the codes of one view, given alone or among the others."""
        names = [str(known) for known in self.view_names_in_]
        if not is_multiview(X):
            X = Views({known: X if known == name else None for known in names})
        checked = self._check(X)
        place = names.index(name)
        if checked.present is not None and not checked.present[:, place].all():
            raise ValueError(
                f"`{argument}` lacks the view {name!r} for some rows. Drop them, or choose another "
                f"view with `{'source' if argument == 'X' else 'target'}`."
            )
        return self._apply_to_batches(
            lambda module, batch: module.encode_view(place, batch.views[place]),  # type: ignore[operator]
            checked._replace(present=None),
        )

    def __sklearn_tags__(self) -> SkrepTags:
        """Declare that labels are needed where they say what belongs together."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.positives == "labels"
        return tags


def _check_pairs(checked: CheckedViews) -> None:
    """Raise where a view is never seen together with another."""
    if checked.present is None:
        return
    there = checked.present.astype(np.int64)
    together = there.T @ there
    np.fill_diagonal(together, 0)
    for i, name in enumerate(checked.names):
        if together[i].max() < 2:
            raise ValueError(
                f"View {name!r} stands beside another view in {int(together[i].max())} sample(s), "
                f"and CLIP learns from pairs of views of at least 2. Leave it out, or add samples "
                f"that have it and another."
            )
