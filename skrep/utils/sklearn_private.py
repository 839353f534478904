"""The one door to names that scikit-learn keeps private.

Every other module imports them from here, so that a scikit-learn release that moves one is met
in one place. Tested on scikit-learn 1.6 and 1.9.
"""

from typing import Any

from sklearn.base import _fit_context as fit_context
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils._set_output import _get_output_config

__all__ = [
    "HasMethods",
    "Interval",
    "InvalidParameterError",
    "StrOptions",
    "fit_context",
    "get_output_config",
    "validate_parameter_constraints",
]


def get_output_config(estimator: Any) -> str:
    """Return what `set_output` asked of `transform`: "default", "pandas" or "polars"."""
    return str(_get_output_config("transform", estimator)["dense"])
