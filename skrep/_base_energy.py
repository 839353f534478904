"""What energy models share: working units, the fitted weights, what is refused and warned of."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import check_array
from torch import Tensor

from skrep._base_networks import per_view
from skrep.base import ModuleSpec
from skrep.engine.seeding import make_generator
from skrep.engine.trainer import Trainer
from skrep.functional.annealing import LogMean
from skrep.mixins import LogPartition
from skrep.nn.rbm import MAX_STATES, ContrastiveSettings, RBMModule
from skrep.nn.scaling import ViewScaler
from skrep.nn.units import VISIBLE_UNITS
from skrep.utils.domains import DOMAINS, check_domains
from skrep.utils.settings import Gradient, Sparsity
from skrep.utils.validation import CheckedViews

__all__ = [
    "SAMPLE_STEPS",
    "WorkingMoments",
    "check_hidden_states",
    "check_learning",
    "check_trainer",
    "contrastive_settings",
    "draw_samples",
    "estimate_log_partition",
    "refuse_outside",
    "row_sums",
    "view_kinds",
    "warn_of_spread",
    "weights_in_input_units",
    "working_moments",
]


#: Steps of the chains from which the reverse estimate of log Z and `sample` take their states.
SAMPLE_STEPS = 1000


class WorkingMoments(NamedTuple):
    """Scale of the views, and what visible units start from.

    Attributes
    ----------
    scaler : ViewScaler
        Centres real-valued views and divides them by one overall standard deviation each; leaves
        all others alone.
    mean : Tensor of shape (n_features,)
        Of the data in working units.
    variance : Tensor of shape (n_features,) or None
        Of real-valued features in working units, 1 for others; None where there is no real view.
    """

    scaler: ViewScaler
    mean: Tensor
    variance: Tensor | None


def working_moments(spec: ModuleSpec, is_real: Sequence[bool]) -> WorkingMoments:
    """Return scale and moments of the data of a machine.

    Parameters
    ----------
    spec : ModuleSpec
        The data.
    is_real : sequence of bool
        For each view, whether its units are gaussian.
    """
    centres, scales, means, variances, overall = [], [], [], [], []
    for moments, real in zip(spec.moments, is_real, strict=True):
        mean = torch.from_numpy(moments.mean).float()
        size = (float(moments.variance.mean()) or 1.0) if real else 1.0
        overall.append(size if real else float(moments.variance.mean()) or 1.0)
        centres.append(mean if real else torch.zeros_like(mean))
        scales.append(torch.full_like(mean, size**0.5))
        means.append(torch.zeros_like(mean) if real else mean)
        variance = moments.variance / size if real else np.ones_like(moments.variance)
        variances.append(torch.from_numpy(variance).float())
    return WorkingMoments(
        ViewScaler(centres, scales, overall),
        torch.cat(means),
        torch.cat(variances) if any(is_real) else None,
    )


def row_sums(checked: CheckedViews) -> np.ndarray:
    """Return the sum of each row over all views, (n_samples,)."""
    return sum(np.asarray(array.sum(axis=1)).reshape(-1) for array in checked.arrays)  # type: ignore[return-value]


def weights_in_input_units(module: RBMModule) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return connections, visible and hidden biases in the units of the input."""
    w, b, c = (p.detach() for p in (module.weight, module.visible_bias, module.hidden_bias))
    if module.log_variance is None:
        return w.numpy(), b.numpy(), c.numpy()
    std = torch.exp(0.5 * module.log_variance.detach()) * module.scaler.scale
    centre = module.scaler.centre
    return (w * std).numpy(), (centre + std * b).numpy(), (c - w @ (centre / std)).numpy()


def contrastive_settings(estimator: Any) -> ContrastiveSettings:
    """Return how the gradient is estimated, from an estimator's parameters.

    Parameters
    ----------
    estimator : estimator
        With `n_components`, `n_gibbs_steps`, `persistent`, `gradient` and `sparsity`.
    """
    gradient = Gradient.of(estimator.gradient)
    betas = np.linspace(1.0, 0.0, gradient.n_temperatures) if estimator.persistent else [1.0]
    sparsity = None if estimator.sparsity is None else Sparsity.of(estimator.sparsity)
    return ContrastiveSettings(
        n_gibbs_steps=estimator.n_gibbs_steps,
        persistent=estimator.persistent,
        centred=gradient.kind == "centred",
        offset_rate=gradient.offset_rate,
        averaging=gradient.averaging,
        betas=tuple(map(float, betas)),
        target=None if sparsity is None else sparsity.resolve(estimator.n_components),
        target_weight=0.0 if sparsity is None else sparsity.weight,
    )


def estimate_log_partition(
    module: RBMModule,
    method: str,
    n_chains: int,
    n_temperatures: int,
    seed: int,
    n_words: int | None,
) -> LogPartition:
    """Return log Z of a machine, with a warning where an estimate cannot be trusted.

    Parameters
    ----------
    module : RBMModule
        The machine.
    method : {"auto", "exact", "ais", "reverse_ais"}
        As in `EnergyMixin.log_partition`.
    n_chains, n_temperatures : int
        Chains that are annealed, and length of the ladder.
    seed : int
        Of all draws.
    n_words : int or None
        Words a row, for counts.
    """
    if method == "auto":
        method = "exact" if module.n_states() <= MAX_STATES else "ais"
    if method == "exact":
        return LogPartition(module.exact_log_partition(n_words), 0.0)
    generator = make_generator(seed)
    start = None
    if method == "reverse_ais":
        words = None if n_words is None else torch.full((n_chains, 1), float(n_words))
        start = module.sample(n_chains, generator, SAMPLE_STEPS, words)
    found = module.annealed_log_partition(
        n_chains, n_temperatures, generator, count=n_words, start=start
    )
    warn_of_spread(found, n_chains, n_temperatures, stacklevel=5)
    return LogPartition(found.value, found.standard_error)


def draw_samples(module: RBMModule, n_samples: int, generator: torch.Generator) -> list[np.ndarray]:
    """Return one array (n_samples, width) per view, from chains as many."""
    known, count = module.chain_counts, None
    if known is not None:
        count = known[torch.randint(len(known), (n_samples,), generator=generator)]
    with torch.inference_mode():
        x = module.sample(n_samples, generator, SAMPLE_STEPS, count)
        return [view.numpy() for view in module.to_views(x)]


def check_hidden_states(H: Any, shape: tuple[int, int], kind: str) -> np.ndarray:
    """Return hidden states as an array.

    Parameters
    ----------
    H : array-like
        As the caller gave it.
    shape : tuple of (int, int)
        (n_samples, n_components).
    kind : {"bernoulli", "gaussian", "rectified"}
        Of the hidden units.

    Raises
    ------
    ValueError
        If the shape is another, or a value is outside the domain.
    """
    hidden: np.ndarray = check_array(H, dtype=(np.float32, np.float64), input_name="H")
    if hidden.shape != shape:
        raise ValueError(f"H must have shape {shape}. Got {hidden.shape}.")
    if kind == "bernoulli":
        DOMAINS["unit_interval"](hidden, view=None, argument="hidden='bernoulli'")
    elif kind == "rectified" and (hidden < 0).any():
        raise ValueError(
            f"Rectified hidden units are at least 0. The least value of H is "
            f"{hidden.min().item()!r}. Pass states such as `transform` returns."
        )
    return hidden


def check_learning(estimator: Any, hidden: str = "bernoulli") -> None:
    """Refuse settings of the gradient that do not fit each other.

    Parameters
    ----------
    estimator : estimator
        As for `contrastive_settings`, with a `trainer`.
    hidden : str, default="bernoulli"
        Kind of the hidden units.

    Raises
    ------
    ValueError
        If tempering lacks persistent chains, sparsity bernoulli units, or a setting of the
        trainer does not apply.
    """
    gradient = Gradient.of(estimator.gradient)
    gradient.check()
    if gradient.n_temperatures > 1 and not estimator.persistent:
        raise ValueError(
            f"Parallel tempering needs chains that go on. Got `n_temperatures="
            f"{gradient.n_temperatures}` with `persistent=False`. Set `persistent=True`."
        )
    if estimator.sparsity is not None:
        _check_sparsity(Sparsity.of(estimator.sparsity), hidden, estimator.n_components)
    check_trainer(estimator.trainer)


def _check_sparsity(sparsity: Sparsity, hidden: str, n_components: int) -> None:
    if sparsity.kind != "kl" or hidden != "bernoulli":
        raise ValueError(
            f"An RBM draws the mean activation of bernoulli hidden units to a rate: pass "
            f"Sparsity('kl') or None. Got Sparsity({sparsity.kind!r}) with hidden={hidden!r}."
        )
    sparsity.check(n_components)


def check_trainer(trainer: Trainer | None) -> None:
    """Refuse settings that do not apply to a model that fills its own gradients.

    Parameters
    ----------
    trainer : Trainer or None
        As the estimator got it.

    Raises
    ------
    ValueError
        If one of them is set.
    """
    if trainer is None:
        return
    refused = {
        "optimizer": trainer.optimizer == "lbfgs",
        "precision": trainer.precision == "bfloat16",
        "compile": trainer.compile,
        "distributed": trainer.distributed is not None,
    }
    for name, bad in refused.items():
        if bad:
            raise ValueError(
                f"An RBM fills its own, noisy gradients, to which Trainer({name}="
                f"{getattr(trainer, name)!r}) does not apply. Leave it at its default."
            )


def warn_of_spread(found: LogMean, n_chains: int, n_temperatures: int, stacklevel: int = 4) -> None:
    """Warn where few chains carry an estimate by annealing.

    Parameters
    ----------
    found : LogMean
        The estimate.
    n_chains, n_temperatures : int
        What it was made with.
    stacklevel : int, default=4
        Calls between this one and the caller's own.
    """
    if found.effective_size < 0.1 * n_chains:
        warnings.warn(
            f"Annealing with {n_temperatures} temperatures is unreliable: the log-weights of "
            f"{n_chains} chains have a standard deviation of {found.spread:.2g} nats, and "
            f"{found.effective_size:.1f} chains carry the estimate. Raise `n_temperatures`.",
            UserWarning,
            stacklevel=stacklevel,
        )


def view_kinds(visible: Any, names: Sequence[str]) -> list[str]:
    """Return the kind of units of every view.

    Raises
    ------
    ValueError
        If there is no such kind, or names or number do not match the views.
    """
    kinds = per_view(visible, names, "visible")
    for name, kind in zip(names, kinds, strict=True):
        if not (isinstance(kind, str) and kind in VISIBLE_UNITS):
            raise ValueError(
                f"`visible` of view {name!r} must be one of {', '.join(map(repr, VISIBLE_UNITS))}. "
                f"Got {kind!r}."
            )
    return kinds


def refuse_outside(checked: CheckedViews, kinds: Sequence[str]) -> None:
    """Raise for values outside the domain of their view's units; absent rows pass.

    Raises
    ------
    ValueError
        Naming view, row and value.
    """
    check_domains(
        checked,
        [VISIBLE_UNITS[kind].domain for kind in kinds],
        [f"visible={kind!r}" for kind in kinds],
    )
