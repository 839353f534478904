"""Weights from features to components, wherever an estimator keeps them."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from skrep.inspection._display_inputs import estimator_name, last_step, place_of_view
from skrep.metrics._inputs import matrix_of

__all__ = ["Found", "find_weights"]


class Found(NamedTuple):
    """Weights of one view, (n_components, n_features), and what is known of them."""

    weights: np.ndarray
    source: str
    ordered: bool
    view: str | None
    feature_names: list[str] | None


class _Layout(NamedTuple):
    """The features that an estimator was fitted on, and the part that one view has of them."""

    n_features: int | None
    view: str | None
    place: int
    columns: slice


def find_weights(estimator: Any, view: Any) -> Found:
    last = last_step(estimator)
    layout = _layout(last, view)
    one_each = getattr(last, "transformers_", None)
    if layout.view is not None and isinstance(one_each, Mapping):
        return find_weights(one_each[layout.view], None)._replace(view=layout.view)
    for look in _LOOKS:
        raw = look(last, layout)
        if raw is None:
            continue
        weights, source, ordered = raw
        width = weights.shape[1]
        if layout.view is not None and width == layout.n_features:
            weights = weights[:, layout.columns]
        names = getattr(last, "feature_names_in_", None)
        names = None if names is None else names[layout.columns]
        if names is not None and len(names) != weights.shape[1]:
            names = None
        own = None if names is None else [str(name) for name in names]
        return Found(weights, source, ordered, layout.view, own)
    raise TypeError(
        f"ComponentsDisplay needs weights from features to components, and "
        f"{estimator_name(estimator)} has none that it knows: `components_`, `weights_`, "
        f"`patterns_`, `coupling_`, `coefs_`, or a `module_` whose first layer is linear. PCA, "
        f"CCA, RBMs, autoencoders and scikit-learn's networks have them."
    )


def _layout(last: Any, view: Any) -> _Layout:
    total = getattr(last, "n_features_in_", None)
    names = getattr(last, "view_names_in_", None)
    if names is None:
        if view is not None:
            raise ValueError(
                f"`view` chooses among several views, and {estimator_name(last)} was fitted on one "
                f"array. Got `view={view!r}`; leave it None."
            )
        return _Layout(total, None, 0, slice(None))
    place = 0 if view is None else place_of_view(list(names), view)
    widths = getattr(last, "view_widths_in_", None)
    if widths is None:
        # Composers keep models, not weights.
        return _Layout(None, str(names[place]), place, slice(None))
    ends = np.cumsum(widths).tolist()
    return _Layout(ends[-1], str(names[place]), place, slice([0, *ends][place], ends[place]))


_Raw = tuple[np.ndarray, str, bool]


def _from_components(last: Any, layout: _Layout) -> _Raw | None:
    components = getattr(last, "components_", None)
    if components is None:
        return None
    # Of what scikit-learn orders, these say by how much.
    ordered = (
        getattr(last, "explained_variance_", getattr(last, "singular_values_", None)) is not None
    )
    return _rows(components), "components", ordered


def _from_weights_of_views(last: Any, layout: _Layout) -> _Raw | None:
    weights = getattr(last, "weights_", None)
    if layout.view is None or not isinstance(weights, (list, tuple)):
        return None
    return _rows(weights[layout.place]).T, "weights", True


def _from_patterns(last: Any, layout: _Layout) -> _Raw | None:
    patterns = getattr(last, "patterns_", None)
    return None if patterns is None else (_rows(patterns), "stored patterns", True)


def _from_coupling(last: Any, layout: _Layout) -> _Raw | None:
    coupling = getattr(last, "coupling_", None)
    if coupling is None or layout.n_features is None:
        return None
    full = _rows(coupling)
    n = layout.n_features
    if len(full) == n:
        return full, "couplings of each unit", True
    return full[n:, :n], "couplings of the hidden units", False


def _from_coefs(last: Any, layout: _Layout) -> _Raw | None:
    coefs = getattr(last, "coefs_", None)
    return None if coefs is None else (_rows(coefs[0]).T, "weights of the first layer", False)


def _from_module(last: Any, layout: _Layout) -> _Raw | None:
    """Look for the matrix that meets the features of the view, or of all views, first."""
    module = getattr(last, "module_", None)
    named = getattr(module, "named_parameters", None)
    if named is None or layout.n_features is None:
        return None
    width = layout.n_features
    if layout.view is not None:
        width = len(range(*layout.columns.indices(layout.n_features)))
    fits: list[tuple[str, Any]] = []
    for name, value in named():
        if value.ndim != 2 or any(word in name for word in ("decoder", "down.")):
            continue
        whole = value.shape[1] == layout.n_features
        # Networks of the views stand in lists, in the order of the views.
        at = next((int(part) for part in name.split(".") if part.isdigit()), -1)
        mine = layout.view is not None and at == layout.place
        if whole or (mine and value.shape[1] == width):
            fits.append((name, value))
    if not fits:
        return None
    # Where a linear path stands beside the layers it says what each number of the code answers to;
    # of variational encoders it gives the mean first, then the spread.
    for name, value in fits:
        if name.split(".")[-2] in ("linear", "both"):
            size = int(getattr(last, "_code_size", len(value)))
            weights = _rows(value.detach().cpu().numpy())[:size]
            return weights, "linear path to the code", True
    weights = _rows(fits[0][1].detach().cpu().numpy())
    view_part = weights[:, layout.columns] if weights.shape[1] == layout.n_features else weights
    # Units of other views are not connected to this one.
    alive = np.abs(view_part).max(axis=1) > 0.0
    return weights[alive] if alive.any() else weights, "weights of the first layer", False


_LOOKS: tuple[Callable[[Any, _Layout], _Raw | None], ...] = (
    _from_components,
    _from_weights_of_views,
    _from_patterns,
    _from_coupling,
    _from_coefs,
    _from_module,
)


def _rows(values: Any) -> np.ndarray:
    return np.atleast_2d(matrix_of(values))
