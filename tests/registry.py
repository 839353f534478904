"""One row per estimator: everything in `tests/contract` is run for every row.

A new estimator is a new row; one without a row fails `test_registry.py` by name.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import skrep
from skrep.base import RepresentationEstimator
from skrep.datasets import make_low_rank, make_multiview

__all__ = ["CASES", "Case", "estimator_classes"]


@dataclass(frozen=True)
class Case:
    """What the contract tests need to know of an estimator.

    Attributes
    ----------
    make : callable
        Returns an unfitted estimator that fits the data below in about a tenth of a second.
    data : callable
        `seed -> ndarray`, data with structure to find.
    views : callable
        `seed -> Views`, the same for several views.
    adapter : callable or None
        Wraps the estimator for scikit-learn's stock checks, where it needs two views or data in
        a domain. None runs it bare.
    """

    make: Callable[[], Any]
    data: Callable[[int], np.ndarray] = field(
        default=lambda seed: make_low_rank(120, 12, rank=3, noise=0.1, random_state=seed)
    )
    views: Callable[[int], Any] = field(default=lambda seed: make_multiview(120, random_state=seed))
    adapter: Callable[[Any], Any] | None = None

    @property
    def name(self) -> str:
        """Class name, the id of the row."""
        return type(self.make()).__name__


def _small(cls: type, **parameters: Any) -> Callable[[], Any]:
    settings = {"n_components": 3, "max_epochs": 4, "batch_size": 32, "random_state": 0}
    settings |= {"hidden_layer_sizes": (16,), **parameters}
    return lambda: cls(**settings)


CASES = [
    Case(_small(skrep.Autoencoder)),
    Case(_small(skrep.DenoisingAutoencoder)),
    Case(_small(skrep.SparseAutoencoder)),
    Case(_small(skrep.VAE)),
]


def estimator_classes() -> dict[str, type]:
    """Return every public estimator that `skrep` lists."""
    found = {name: getattr(skrep, name) for name in skrep.__all__}
    return {
        name: cls
        for name, cls in found.items()
        if isinstance(cls, type) and issubclass(cls, RepresentationEstimator)
    }
