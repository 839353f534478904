"""Parameter objects: a choice and the numbers that belong to it, searchable from outside.

Each is an ordinary scikit-learn parameter object, so that `corruption__level` works in a stock
search, and each has a name that stands for it with its defaults.
"""

from numbers import Integral, Real
from typing import Any, ClassVar, Final, Literal

from sklearn.base import BaseEstimator

from skrep.utils.sklearn_private import Interval, StrOptions, validate_parameter_constraints

__all__ = [
    "SCALINGS",
    "Corruption",
    "Fusion",
    "Gradient",
    "Likelihood",
    "Pretraining",
    "Sparsity",
    "Warmup",
]

SCALINGS: Final = frozenset({"view", "feature"})


class _Setting(BaseEstimator):
    """Checking against the constraint table."""

    KINDS: ClassVar[tuple[str, ...]] = ()

    _parameter_constraints: ClassVar[dict[str, list[Any]]]

    @classmethod
    def _made_of(cls, value: Any) -> Any:
        """Return `value` if it is a setting of this class, or the one that a name stands for."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(value)
        kinds = ", ".join(repr(kind) for kind in cls.KINDS)
        raise TypeError(
            f"A {cls.__name__.lower()} is one of {kinds}, or a `{cls.__name__}`. Got {value!r}."
        )

    def _check_table(self) -> None:
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), type(self).__name__
        )


class Corruption(_Setting):
    """What spoils the inputs of a denoising model.

    Parameters
    ----------
    kind : {"gaussian", "masking", "salt_and_pepper"}, default="gaussian"
        Normal noise; entries set to 0; entries set to the feature's smallest or largest value.
    level : float, default=0.3
        Standard deviation of the noise in units of the scaled data, or share of entries spoiled
        (at most 1).

    Examples
    --------
    >>> from skrep import Corruption
    >>> Corruption("masking", level=0.5).level
    0.5
    """

    KINDS: ClassVar[tuple[str, ...]] = ("gaussian", "masking", "salt_and_pepper")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "kind": [StrOptions(set(KINDS))],
        "level": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        kind: Literal["gaussian", "masking", "salt_and_pepper"] = "gaussian",
        *,
        level: float = 0.3,
    ) -> None:
        self.kind = kind
        self.level = level

    @classmethod
    def of(cls, value: "str | Corruption") -> "Corruption":
        """Return the object that a name stands for, or the object itself."""
        return cls._made_of(value)

    def check(self) -> None:
        """Raise for values that are not legal.

        Raises
        ------
        ValueError
            If a share is above 1.
        """
        self._check_table()
        if self.kind != "gaussian" and self.level > 1:
            raise ValueError(
                f"`level={self.level}` of Corruption({self.kind!r}) is the share of entries that "
                f"are spoiled. Pass a number in [0, 1]."
            )


class Sparsity(_Setting):
    """What makes the codes of a sparse model sparse.

    Parameters
    ----------
    kind : {"l1", "kl", "top_k"}, default="kl"
        Penalty on the size of rectified codes; on the distance of units' mean activations from a
        rate; or only the largest codes kept.
    weight : float, default=0.01
        Of the penalty, relative to the squared error per feature. More gives sparser codes.
        Unused for "top_k".
    target : float, int or None, default=None
        "kl": the rate, in (0, 1), None meaning 0.05. "top_k": codes kept per sample, None meaning
        a quarter of `n_components`. Unused for "l1".

    Examples
    --------
    >>> from skrep import Sparsity
    >>> Sparsity("top_k", target=4).kind
    'top_k'
    """

    KINDS: ClassVar[tuple[str, ...]] = ("l1", "kl", "top_k")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "kind": [StrOptions(set(KINDS))],
        "weight": [Interval(Real, 0, None, closed="left")],
        "target": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        kind: Literal["l1", "kl", "top_k"] = "kl",
        *,
        weight: float = 0.01,
        target: float | None = None,
    ) -> None:
        self.kind = kind
        self.weight = weight
        self.target = target

    @classmethod
    def of(cls, value: "str | Sparsity") -> "Sparsity":
        """Return the object that a name stands for, or the object itself."""
        return cls._made_of(value)

    def resolve(self, n_components: int) -> float:
        """Return `target` with its default filled in."""
        if self.target is not None:
            return self.target
        return max(1, n_components // 4) if self.kind == "top_k" else 0.05

    def check(self, n_components: int) -> None:
        """Raise for values that are not legal.

        Raises
        ------
        ValueError
            If a rate is not below 1, or more codes are kept than there are.
        """
        self._check_table()
        target = self.resolve(n_components)
        if self.kind == "kl" and not target < 1:
            raise ValueError(
                f"`target={target}` of Sparsity('kl') is a mean activation. Pass a number in "
                f"(0, 1), such as 0.05."
            )
        whole = isinstance(target, Integral) or float(target).is_integer()
        if self.kind == "top_k" and not (whole and 1 <= target <= n_components):
            raise ValueError(
                f"`target={target}` of Sparsity('top_k') is the number of codes kept per sample. "
                f"Pass an integer from 1 to n_components={n_components}."
            )


class Likelihood(_Setting):
    """How data are distributed around what a decoder returns.

    Parameters
    ----------
    kind : {"gaussian", "bernoulli", "categorical", "poisson"}, default="gaussian"
        Real data; data in [0, 1]; one-hot rows; counts.
    variance : {"view", "feature"} or float, default="view"
        Of a gaussian: one learned per view, one learned per feature, or a fixed number in squared
        units of the scaled data. Unused by the others.
    scaling : {"view", "feature"} or None, default="view"
        Of a gaussian: data are centred and divided, inside the model, by one overall standard
        deviation, or by one per feature, so that a learning rate means the same on any data.
        Counts, categories and data in [0, 1] are left alone.

    Examples
    --------
    >>> from skrep import Likelihood
    >>> Likelihood("gaussian", variance="feature").variance
    'feature'
    """

    KINDS: ClassVar[tuple[str, ...]] = ("gaussian", "bernoulli", "categorical", "poisson")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "kind": [StrOptions(set(KINDS))],
        "variance": [StrOptions({"view", "feature"}), Interval(Real, 0, None, closed="neither")],
        "scaling": [StrOptions(SCALINGS), None],
    }

    def __init__(
        self,
        kind: Literal["gaussian", "bernoulli", "categorical", "poisson"] = "gaussian",
        *,
        variance: Literal["view", "feature"] | float = "view",
        scaling: Literal["view", "feature"] | None = "view",
    ) -> None:
        self.kind = kind
        self.variance = variance
        self.scaling = scaling

    @classmethod
    def of(cls, value: "str | Likelihood") -> "Likelihood":
        """Return the object that a name stands for, or the object itself."""
        return cls._made_of(value)

    def check(self) -> None:
        """Raise for values that are not legal."""
        self._check_table()


class Warmup(_Setting):
    """A weight that rises linearly from 0 over the first epochs.

    Parameters
    ----------
    value : float, default=1.0
        The weight after the warm-up.
    n_epochs : int, default=10
        Length of the rise. Longer lets a model learn to reconstruct before its codes are pulled
        to the prior.

    Examples
    --------
    >>> from skrep import Warmup
    >>> Warmup(4.0, n_epochs=20).n_epochs
    20
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "value": [Interval(Real, 0, None, closed="left")],
        "n_epochs": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(self, value: float = 1.0, *, n_epochs: int = 10) -> None:
        self.value = value
        self.n_epochs = n_epochs

    @classmethod
    def of(cls, value: "float | Warmup") -> "Warmup":
        """Return the object itself, or a constant weight."""
        return value if isinstance(value, Warmup) else cls(float(value), n_epochs=0)

    def check(self) -> None:
        """Raise for values that are not legal."""
        self._check_table()


class Gradient(_Setting):
    """How the likelihood gradient of a Boltzmann machine is estimated and followed.

    Parameters
    ----------
    kind : {"centred", "plain"}, default="centred"
        "centred" subtracts running mean activations from both layers, so that learning does not
        depend on whether data or their complement is shown, and is better conditioned.
    offset_rate : float, default=0.01
        How fast the means follow the batches, in (0, 1]. Unused by "plain".
    momentum : float, default=0.0
        Share of the last step that is kept, in [0, 1). Unused when `Trainer(optimizer=...)`
        names an optimiser.
    averaging : float, default=0.0
        Weight of the newest weights in a running mean that takes the place of the last weights,
        such as 0.001. 0 keeps the last ones.
    n_chains : int or None, default=None
        Persistent chains beside the data. None runs as many as a batch has rows.
    n_temperatures : int, default=1
        Temperatures of every persistent chain; more than one exchanges states between them
        (parallel tempering), which mixes better at as many times the cost.

    Examples
    --------
    >>> from skrep import Gradient
    >>> Gradient(momentum=0.5).kind
    'centred'
    """

    KINDS: ClassVar[tuple[str, ...]] = ("centred", "plain")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "kind": [StrOptions(set(KINDS))],
        "offset_rate": [Interval(Real, 0, 1, closed="right")],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "averaging": [Interval(Real, 0, 1, closed="left")],
        "n_chains": [Interval(Integral, 1, None, closed="left"), None],
        "n_temperatures": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        kind: Literal["centred", "plain"] = "centred",
        *,
        offset_rate: float = 0.01,
        momentum: float = 0.0,
        averaging: float = 0.0,
        n_chains: int | None = None,
        n_temperatures: int = 1,
    ) -> None:
        self.kind = kind
        self.offset_rate = offset_rate
        self.momentum = momentum
        self.averaging = averaging
        self.n_chains = n_chains
        self.n_temperatures = n_temperatures

    @classmethod
    def of(cls, value: "str | Gradient") -> "Gradient":
        """Return the object that a name stands for, or the object itself."""
        return cls._made_of(value)

    def check(self) -> None:
        """Raise for values that are not legal."""
        self._check_table()


class Pretraining(_Setting):
    """How the layers of a deep model are trained, one on the codes of the one below.

    Parameters
    ----------
    kind : {"rbm", "denoising", "autoencoder"}, default="rbm"
        What a layer is trained as: a restricted Boltzmann machine, an autoencoder of spoiled
        inputs, or an autoencoder.
    n_epochs : int or None, default=None
        Passes for each layer. None takes those of the model.
    batch_size : int or None, default=None
        Rows a step. None takes that of the model.
    learning_rate : float or None, default=None
        Length of a step. None takes 0.05 for an RBM, 0.01 where one of its layers is
        gaussian, and 0.001 for autoencoders.
    n_gibbs_steps : int, default=1
        Of an RBM, between two gradient steps.
    persistent : bool, default=False
        Whether the chains of an RBM go on from step to step. False starts them at the data, which
        learns features faster.
    corruption_level : float, default=0.3
        Share of the entries of a denoising layer's inputs that are masked, in [0, 1].

    Examples
    --------
    >>> from skrep import Pretraining
    >>> Pretraining("denoising", corruption_level=0.2).kind
    'denoising'
    """

    KINDS: ClassVar[tuple[str, ...]] = ("rbm", "denoising", "autoencoder")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "kind": [StrOptions(set(KINDS))],
        "n_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), None],
        "n_gibbs_steps": [Interval(Integral, 1, None, closed="left")],
        "persistent": ["boolean"],
        "corruption_level": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        kind: Literal["rbm", "denoising", "autoencoder"] = "rbm",
        *,
        n_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        n_gibbs_steps: int = 1,
        persistent: bool = False,
        corruption_level: float = 0.3,
    ) -> None:
        self.kind = kind
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.n_gibbs_steps = n_gibbs_steps
        self.persistent = persistent
        self.corruption_level = corruption_level

    @classmethod
    def of(cls, value: "str | Pretraining") -> "Pretraining":
        """Return the object that a name stands for, or the object itself."""
        return cls._made_of(value)

    def rate(self, *, gaussian: bool = False) -> float:
        """Return `learning_rate` with its default filled in."""
        if self.learning_rate is not None:
            return self.learning_rate
        if self.kind != "rbm":
            return 1e-3
        return 0.01 if gaussian else 0.05

    def check(self) -> None:
        """Raise for values that are not legal."""
        self._check_table()


class Fusion(_Setting):
    """How a multimodal autoencoder makes one code of several views.

    Parameters
    ----------
    kind : {"early", "early_weighted", "late", "concat", "gate", "attention"}, default="concat"
        One encoder of the views side by side; the same with a learned weight per view; an
        autoencoder per view, trained by itself, the codes side by side; one encoder per view and
        a linear map of their codes to the joint one; a mean of the views' codes with weights for
        each sample; the same after the codes have looked at each other (self-attention).
    denoise_views : bool, float or None, default=None
        Whether views are dropped at random in training, all that are known being reconstructed,
        so that any subset can be encoded. A number is the share of the samples, in each step,
        that may lose views: of those a number of views, uniform from 1 to all, is kept. True is
        1.0. More makes codes of incomplete samples better and those of complete ones slightly
        worse. None means False for "early" and "late", True for the others.
    shared_decoder : bool or None, default=None
        Whether one network decodes all views; otherwise each has its own. None means True for
        "early", which then is an `Autoencoder`, and False for the others.

    Examples
    --------
    >>> from skrep import Fusion
    >>> Fusion("gate", denoise_views=0.5).kind
    'gate'
    """

    KINDS: ClassVar[tuple[str, ...]] = (
        "early",
        "early_weighted",
        "late",
        "concat",
        "gate",
        "attention",
    )

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "kind": [StrOptions(set(KINDS))],
        "denoise_views": ["boolean", Interval(Real, 0, 1, closed="both"), None],
        "shared_decoder": ["boolean", None],
    }

    def __init__(
        self,
        kind: Literal["early", "early_weighted", "late", "concat", "gate", "attention"] = "concat",
        *,
        denoise_views: bool | float | None = None,
        shared_decoder: bool | None = None,
    ) -> None:
        self.kind = kind
        self.denoise_views = denoise_views
        self.shared_decoder = shared_decoder

    @classmethod
    def of(cls, value: "str | Fusion") -> "Fusion":
        """Return the object that a name stands for, or the object itself."""
        return cls._made_of(value)

    @property
    def rate(self) -> float:
        """Share of the samples that may lose views in a step, the default filled in."""
        if self.denoise_views is None:
            return 0.0 if self.kind in ("early", "late") else 1.0
        return float(self.denoise_views)

    @property
    def shares_decoder(self) -> bool:
        """`shared_decoder`, the default filled in."""
        return self.kind == "early" if self.shared_decoder is None else self.shared_decoder

    def check(self) -> None:
        """Raise for values that are not legal.

        Raises
        ------
        ValueError
            If autoencoders that are trained by themselves are asked to share anything.
        """
        self._check_table()
        if self.kind == "late" and (self.rate or self.shares_decoder):
            raise ValueError(
                f"Fusion('late') trains one autoencoder per view by itself, so there is no shared "
                f"decoder and no code from other views to learn. Got denoise_views="
                f"{self.denoise_views!r}, shared_decoder={self.shared_decoder!r}. Leave both at "
                f"None, or choose another kind."
            )


class Experts(_Setting):
    """How the opinions of the views on their shared code are joined.

    Parameters
    ----------
    kind : {"product", "mixture", "mixture_of_products"}, default="product"
        "product" multiplies the views' densities of the code, so that sure views count for more;
        "mixture" averages them, so that each view alone learns to generate the others;
        "mixture_of_products" averages the products over subsets of the views.
    prior : bool or None, default=None
        Whether the prior is one more factor of every product. None takes it in for "product"
        only. Unused by "mixture".
    n_subsets : int or None, default=None
        Subsets of some, but not all, of three or more views. "product" also trains so many, drawn
        anew in every step; None means 1. "mixture_of_products" averages over so many, drawn once,
        beside single views and all together; None means all, or 25 where there are more. Unused
        by "mixture".
    n_private : int, default=0
        Size of a further code for each view by itself, which keeps what the others know nothing
        of out of the shared code.
    view_weights : {"features", "balanced"} or dict, default="features"
        Weights of the views' log-likelihoods in training: "features" is the plain sum, which is
        the evidence bound; "balanced" lets each view's mean per feature count alike; a dict by
        view name multiplies, such as `{"image": 1, "label": 50}`.

    Examples
    --------
    >>> from skrep import Experts
    >>> Experts("mixture", n_private=4).n_private
    4
    """

    KINDS: ClassVar[tuple[str, ...]] = ("product", "mixture", "mixture_of_products")

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "kind": [StrOptions(set(KINDS))],
        "prior": ["boolean", None],
        "n_subsets": [Interval(Integral, 0, None, closed="left"), None],
        "n_private": [Interval(Integral, 0, None, closed="left")],
        "view_weights": [StrOptions({"features", "balanced"}), dict],
    }

    def __init__(
        self,
        kind: Literal["product", "mixture", "mixture_of_products"] = "product",
        *,
        prior: bool | None = None,
        n_subsets: int | None = None,
        n_private: int = 0,
        view_weights: Literal["features", "balanced"] | dict[str, float] = "features",
    ) -> None:
        self.kind = kind
        self.prior = prior
        self.n_subsets = n_subsets
        self.n_private = n_private
        self.view_weights = view_weights

    @classmethod
    def of(cls, value: "str | Experts") -> "Experts":
        """Return the object that a name stands for, or the object itself."""
        return cls._made_of(value)

    @property
    def takes_prior(self) -> bool:
        """`prior` with its default filled in."""
        return self.kind == "product" if self.prior is None else bool(self.prior)

    @property
    def subsets_between(self) -> int:
        """`n_subsets` with its default filled in."""
        if self.n_subsets is not None:
            return int(self.n_subsets)
        return 1 if self.kind == "product" else 25

    def check(self) -> None:
        """Raise for values that are not legal."""
        self._check_table()
