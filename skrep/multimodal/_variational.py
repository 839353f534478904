"""What MultimodalVAE and JMVAE have in common: checks, density, imputation, draws."""

from numbers import Real
from typing import Any, ClassVar, Final

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skrep._base_networks import NETWORK_CONSTRAINTS, check_factory, per_view, sizes_per_view
from skrep._base_variational import (
    PAIRS_AT_ONCE,
    Posterior,
    balanced_noise,
    check_domains,
    check_draws,
    check_likelihoods,
    draw_noise,
    fitted_kinds,
)
from skrep._base_views import ImputeMixin, SampleGivenMixin
from skrep.engine.data import ViewData
from skrep.engine.inference import apply_in_chunks
from skrep.mixins import DensityMixin, GenerativeMixin, ReconstructionMixin
from skrep.nn.mlp import MLP
from skrep.nn.module import Batch
from skrep.utils.settings import Likelihood, Warmup
from skrep.utils.sklearn_private import Interval, StrOptions
from skrep.utils.validation import CheckedViews

__all__ = ["LATENT_CONSTRAINTS", "LatentViewsMixin"]

#: Legality of the parameters that the two models share.
LATENT_CONSTRAINTS: Final[dict[str, list[Any]]] = {
    **NETWORK_CONSTRAINTS,
    "hidden_layer_sizes": [*NETWORK_CONSTRAINTS["hidden_layer_sizes"], dict],
    "encoder": [callable, dict, tuple, None],
    "decoder": [callable, dict, tuple, None],
    "likelihood": [StrOptions(set(Likelihood.KINDS)), Likelihood, dict, tuple],
    "beta": [Interval(Real, 0, None, closed="left"), Warmup],
}


class LatentViewsMixin(
    ImputeMixin, SampleGivenMixin, DensityMixin, GenerativeMixin, ReconstructionMixin
):
    """Checks, decoding, density, imputation and draws of a model of several views given a code."""

    _accepts_absent: ClassVar[bool] = True

    def _check_parameters(self, checked: CheckedViews) -> None:
        estimator: Any = self
        for argument in ("encoder", "decoder"):
            value = getattr(estimator, argument)
            for factory in per_view(value, checked.names, argument):
                check_factory(factory, argument)
        for sizes in sizes_per_view(estimator.hidden_layer_sizes, checked.names):
            MLP(sizes)
        Warmup.of(estimator.beta).check()
        check_likelihoods(estimator.likelihood, checked)

    def _decode(self, codes: np.ndarray) -> list[np.ndarray]:
        checked = CheckedViews((codes,), ("code",))
        return self._apply("decode_batch", checked)  # type: ignore[attr-defined]

    def _draw(self, n_samples: int, generator: torch.Generator) -> list[np.ndarray]:
        with torch.inference_mode():
            views = self.module_.sample(n_samples, generator)  # type: ignore[attr-defined]
        return [view.numpy() for view in views]

    def posterior(self, X: Any) -> Posterior:
        """Return mean and spread of the shared code of each sample, given the views present.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`.

        Returns
        -------
        Posterior
            Named tuple of `mean` and `std`, each of shape (n_samples, n_components). Of a
            mixture they are the moments of the whole.
        """
        check_is_fitted(self)
        checked = self._check(X)  # type: ignore[attr-defined]
        mean, log_var = self._apply("posterior", checked)  # type: ignore[attr-defined]
        return Posterior(mean, np.exp(0.5 * log_var))

    # -- density ----------------------------------------------------------------------------

    def score_samples(
        self, X: Any, n_importance_samples: int = 1, *, given: Any = None
    ) -> np.ndarray:
        """Return a bound or an estimate of the log-probability of the views of each sample.

        Parameters
        ----------
        X : array-like, sparse matrix or several views
            As in `transform`. Absent views do not count.
        n_importance_samples : int, default=1
            1 gives the evidence lower bound (beta = 1, averaged over 32 balanced draws of the
            code, KL in closed form); more give the importance-weighted estimate with that many
            draws from each part of the posterior and from the prior, which tends to the
            log-probability from below.
        given : str, list of str or None, default=None
            Name of the views that are given: the result is then log p(other views | given views),
            the difference of two estimates. Neither a lower nor an upper bound; take 100 draws or
            more. Where a sample has none of the given views it is log p(other views).

        Returns
        -------
        ndarray of shape (n_samples,)
            Nats per sample in the units of the input. The same draws serve every row and were
            fixed at `fit`, so a row's value does not depend on the rows beside it.

        Raises
        ------
        ValueError
            If `n_importance_samples` is not a positive integer, the data are not what the
            likelihoods describe, or `given` names no view of the model, or all.
        """
        check_is_fitted(self)
        n_draws = check_draws(n_importance_samples)
        checked = self._check(X)  # type: ignore[attr-defined]
        places = [] if given is None else _places(self, given)
        if not places:
            return self._estimate(checked, n_draws)
        everything = np.ones((checked.n_samples, len(checked.names)), dtype=bool)
        present = everything if checked.present is None else checked.present
        kept = present.copy()
        kept[:, [v for v in range(len(checked.names)) if v not in places]] = False
        rows = np.flatnonzero(kept.any(axis=1))
        total = self._estimate(checked, n_draws)
        arrays = tuple(array[rows] for array in checked.arrays)
        if len(rows):
            part = CheckedViews(arrays, checked.names, kept[rows])
            total[rows] -= self._estimate(part, n_draws)
        return total

    def _log_density(self, checked: CheckedViews) -> np.ndarray:
        return self._estimate(checked, 1)

    def _estimate(self, checked: CheckedViews, n_draws: int) -> np.ndarray:
        """Return the bound (one draw) or the importance-weighted estimate, (n_samples,)."""
        estimator: Any = self
        module = estimator.module_
        check_domains(checked, fitted_kinds(module.likelihoods))
        seed, width = estimator._noise_seed, module.n_noise
        noise = balanced_noise(seed, width) if n_draws == 1 else draw_noise(seed, n_draws, width)

        def bound(placed: Any, batch: Batch) -> Tensor:
            value: Tensor = (placed.elbo if n_draws == 1 else placed.importance_bound)(
                batch, noise.to(batch.views[0])
            )
            return value

        # The importance-weighted estimate has the prior as one more part.
        rows = PAIRS_AT_ONCE // (len(noise) * (module.n_parts + 1))
        return estimator._apply_to_batches(bound, checked, rows)

    # -- absent views -----------------------------------------------------------------------

    def _expect(
        self, checked: CheckedViews, with_std: bool
    ) -> tuple[list[np.ndarray], list[np.ndarray] | None]:
        """Average what draws of the code are decoded to, the same draws for every row."""
        estimator: Any = self
        noise = balanced_noise(estimator._noise_seed, estimator.module_.n_noise)
        module, data = estimator._placed(checked)
        rows = PAIRS_AT_ONCE // (len(noise) * module.n_parts)
        found = apply_in_chunks(
            lambda batch: module.expected(batch, noise.to(batch.views[0])),
            data,
            chunk_rows=max(1, rows),
        )
        return found[: len(checked.names)], found[len(checked.names) :]

    def _draw_given(self, checked: CheckedViews, generator: torch.Generator) -> list[np.ndarray]:
        estimator: Any = self
        # Where the generator is, which is the CPU.
        data = ViewData(checked.arrays, checked.present, dtype=estimator._dtype)
        return apply_in_chunks(lambda batch: estimator.module_.sample_given(batch, generator), data)


def _places(estimator: Any, given: Any) -> list[int]:
    """Return the positions of the views that `given` names."""
    names = list(getattr(estimator, "view_names_in_", ()))
    wanted = [given] if isinstance(given, str) else list(given)
    unknown = [name for name in wanted if name not in names]
    if unknown or not 0 < len(set(wanted)) < len(names):
        raise ValueError(
            f"`given` must name some, but not all, of the views {names}. Got {given!r}. Leave it "
            f"None for the log-probability of all views."
        )
    return [names.index(name) for name in wanted]
