"""Whether a difference over repeated splits is more than luck."""

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student_t

__all__ = ["LEVEL", "PairedTest", "corrected_t_test", "holm"]

# Differences with a smaller p-value are called clear.
LEVEL = 0.05


class PairedTest(NamedTuple):
    """A mean difference over splits and how far it is from nothing.

    Attributes
    ----------
    difference : float
        Mean of the differences.
    spread : float
        Their standard deviation, with n - 1.
    t : float
        Statistic with n - 1 degrees of freedom; NaN with one split.
    p : float
        Two-sided p-value; NaN with one split.
    """

    difference: float
    spread: float
    t: float
    p: float


def corrected_t_test(differences: np.ndarray, test_to_train: float) -> PairedTest:
    """Test paired differences whose splits share training rows (Nadeau and Bengio, 2003).

    The variance of the mean is ``(1/n + test_to_train) * var(differences)``, where a plain t-test
    has 1/n: folds overlap in training, so n of them are worth fewer.
    """
    n_splits = len(differences)
    mean = float(np.mean(differences))
    if n_splits < 2:
        return PairedTest(mean, np.nan, np.nan, np.nan)
    spread = float(np.std(differences, ddof=1))
    scale = spread * np.sqrt(1.0 / n_splits + test_to_train)
    if scale == 0.0:
        return PairedTest(mean, spread, np.sign(mean) * np.inf if mean else 0.0, float(mean == 0.0))
    t = mean / scale
    return PairedTest(mean, spread, t, float(2.0 * student_t.sf(abs(t), n_splits - 1)))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Correct p-values of a family of tests by Holm's step-down method; NaN stays NaN."""
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(factors * p_values[order]))
    return adjusted
