"""What a multimodal autoencoder starts at: PCA of the views, and codes of incomplete samples."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from skrep._base_networks import principal_maps
from skrep.base import ModuleSpec
from skrep.nn.fusion import Completion
from skrep.utils.validation import CheckedViews

__all__ = ["Start", "Working", "make_completion", "principal_start", "sample_rows"]

# More rows than this are represented by a random part of them.
_MAX_ROWS = 10_000
# Rounds of filling absent views in and computing the axes again.
_N_ROUNDS = 5
# No view counts less than this to start with, or it could not come back.
_LEAST_SHARE = 1e-3
# Of the regression that completes codes, for as many features as samples.
_RIDGE = 0.2


class Working(NamedTuple):
    """The space in which encoders see the data.

    Attributes
    ----------
    centre, scale : Tensor of shape (n_features,)
        Subtracted and divided by.
    is_count : tuple of bool
        Views of which the logarithm of 1 + x is taken before.
    """

    centre: Tensor
    scale: Tensor
    is_count: tuple[bool, ...]

    def logs(self, arrays: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arrays before centring."""
        return tuple(
            (array.log1p() if sp.issparse(array) else np.log1p(array)) if count else array
            for array, count in zip(arrays, self.is_count, strict=True)
        )

    def part(self, views: slice, features: slice) -> "Working":
        """Return some views of the space."""
        return Working(self.centre[features], self.scale[features], self.is_count[views])


class Start(NamedTuple):
    """A linear autoencoder of the views.

    Attributes
    ----------
    into : ndarray of shape (n_components, n_features)
        Views, side by side in working units, to codes.
    out_of : ndarray of shape (n_features, n_components)
        Codes to views.
    shares : ndarray of shape (n_views,)
        Of the size of the code, by view; they sum to 1.
    completion : Completion
        Of codes of incomplete samples.
    """

    into: np.ndarray
    out_of: np.ndarray
    shares: np.ndarray
    completion: Completion


def sample_rows(n_samples: int, seed: int, at_most: int = _MAX_ROWS) -> np.ndarray:
    """Return the rows that represent the data, in order."""
    if n_samples <= at_most:
        return np.arange(n_samples)
    return np.sort(np.random.default_rng(seed).choice(n_samples, at_most, replace=False))


def principal_start(
    spec: ModuleSpec, working: Working, weights: np.ndarray, *, is_mean: bool
) -> Start:
    """Return weighted PCA of the views, and what subsets of them say of its codes.

    With incomplete samples the axes are found in rounds: absent views are filled in with what
    the codes of the present ones decode to, and the axes computed again.

    Parameters
    ----------
    spec : ModuleSpec
        The data.
    working : Working
        Where PCA is done.
    weights : ndarray of shape (n_features,)
        Of the squared errors.
    is_mean : bool
        Whether codes are fused by a mean weighted with the shares, not by a sum.
    """
    rows = sample_rows(spec.data.n_samples, spec.seed)
    sample = working.logs(tuple(array[rows] for array in spec.data.arrays))
    present = None if spec.data.present is None else spec.data.present[rows]
    if present is None:
        # The rows are drawn as `principal_axes` draws them: complete data are not copied.
        arrays = working.logs(spec.data.arrays)
        into, out_of = _maps(spec, arrays, working, weights)
    else:
        into, out_of = _maps_of_incomplete(spec, sample, present, working, weights)
    messages = _messages(into, sample, working, present)
    sizes = np.array([np.sqrt((m * m).sum() / max(1, np.any(m, axis=1).sum())) for m in messages])
    shares = np.maximum(sizes / max(sizes.sum(), 1e-30), _LEAST_SHARE)
    shares = shares / shares.sum()
    completion = make_completion(
        messages,
        present,
        shares if is_mean else None,
        n_features=sum(spec.widths),
        n_samples=spec.data.n_samples,
    )
    return Start(into, out_of, shares, completion)


def _maps(
    spec: ModuleSpec, arrays: tuple[Any, ...], working: Working, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    complete = replace(spec, data=CheckedViews(arrays, spec.names))
    return principal_maps(complete, working, weights)


def _maps_of_incomplete(
    spec: ModuleSpec,
    sample: tuple[Any, ...],
    present: np.ndarray,
    working: Working,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    cuts = np.cumsum(spec.widths)[:-1]
    centres = np.split(working.centre.double().numpy(), cuts)
    scales = np.split(working.scale.double().numpy(), cuts)
    arrays = [np.array(a.toarray() if sp.issparse(a) else a, dtype=np.float64) for a in sample]
    for i, array in enumerate(arrays):
        array[~present[:, i]] = centres[i]
    for _ in range(_N_ROUNDS):
        # Spare directions are drawn once, by the call after the last round.
        with torch.random.fork_rng(devices=[]):
            into, out_of = _maps(spec, tuple(arrays), working, weights)
        messages = _messages(into, tuple(arrays), working, present)
        completion = make_completion(
            messages, present, n_features=sum(spec.widths), n_samples=spec.data.n_samples
        )
        known = torch.from_numpy(present.astype(np.float64))
        codes = completion.double()(torch.from_numpy(sum(messages)), known).numpy()
        for i, decoded in enumerate(np.split(codes @ out_of.T, cuts, axis=1)):
            absent = ~present[:, i]
            arrays[i][absent] = decoded[absent] * scales[i] + centres[i]
    return _maps(spec, tuple(arrays), working, weights)


def _messages(
    into: np.ndarray, sample: tuple[Any, ...], working: Working, present: np.ndarray | None
) -> list[np.ndarray]:
    """Return what each view adds to the code, (n_samples, n_components) each; 0 where absent."""
    cuts = np.cumsum([array.shape[1] for array in sample])[:-1]
    factors = np.split(into / working.scale.double().numpy(), cuts, axis=1)
    centres = np.split(working.centre.double().numpy(), cuts)
    found = []
    for i, (array, factor, centre) in enumerate(zip(sample, factors, centres, strict=True)):
        message = np.asarray(array @ factor.T, dtype=np.float64) - factor @ centre
        if present is not None:
            message[~present[:, i]] = 0.0
        found.append(message)
    return found


def make_completion(
    messages: list[np.ndarray],
    present: np.ndarray | None,
    shares: np.ndarray | None = None,
    *,
    n_features: int,
    n_samples: int,
    keeps: bool = False,
) -> Completion:
    """Return the completion of codes that are a sum of the views' messages.

    Parameters
    ----------
    messages : list of ndarray of shape (n_samples, n_components)
        One per view; 0 where absent.
    present : ndarray of shape (n_samples, n_views) or None
        Pairs of views are compared where both are present; a pair that never is counts as
        uncorrelated.
    shares : ndarray of shape (n_views,) or None, default=None
        Of codes that are a mean instead.
    n_features, n_samples : int
        Of the data from which the messages were learned. Axes of many features that were found on
        few samples fit these better than others, so the regression has to shrink more.
    keeps : bool, default=False
        See `Completion`.
    """
    stacked = np.stack(messages)
    n_views, n, k = stacked.shape
    there = np.ones((n, n_views)) if present is None else present.astype(np.float64)
    means = stacked.sum(axis=1) / np.maximum(there.sum(axis=0), 1.0)[:, None]
    centred = (stacked - means[:, None]) * there.T[:, :, None]
    flat = centred.transpose(1, 0, 2).reshape(n, n_views * k)
    gram = (flat.T @ flat).reshape(n_views, k, n_views, k).transpose(0, 2, 1, 3)
    pairs = np.maximum(there.T @ there, 1.0)
    moments = gram / pairs[:, :, None, None]
    return Completion(
        torch.from_numpy(moments),
        torch.from_numpy(means),
        _RIDGE * n_features / n_samples,
        None if shares is None else torch.from_numpy(shares),
        keeps=keeps,
    ).float()
