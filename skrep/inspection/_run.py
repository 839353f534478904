"""The work behind `compare`: fit, measure and sum up over folds."""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from skrep.inspection._splits import as_samples, fold_seeds, make_splits, rows_of
from skrep.metrics._inputs import code_of, labels_of, matrix_of
from skrep.metrics._reconstruction import reconstruction_r2
from skrep.metrics._scorers import LABEL_METRICS, METRICS, Scorer, scorers
from skrep.utils.random import seed_from
from skrep.utils.streams import is_terminal

__all__ = ["Comparison", "run_comparison"]

_FIRST_COLUMN = "n_components"
_SECONDS = ("fit_seconds", "transform_seconds")


@dataclass
class Comparison:
    """What `compare` tabulates, before and after it is summed up.

    Attributes
    ----------
    table : DataFrame
        What `compare` returns.
    folds : dict of str to list of dict
        The measured values of each estimator, one dict a fold; shorter if it failed.
    first_models : dict of str to estimator
        As fitted on the first fold, able to decode.
    first_test : ndarray of int
        Held-out rows of the first fold.
    """

    table: pd.DataFrame
    folds: dict[str, list[dict[str, float]]]
    first_models: dict[str, Any]
    first_test: np.ndarray


@dataclass
class _Notes:
    """Remarks in order of appearance, each once."""

    texts: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        if text not in self.texts:
            self.texts.append(text)


class RidgeDecoded:
    """A fitted transformer that lacks a decoder, with a ridge regression in its place."""

    def __init__(self, estimator: Any, X: Any) -> None:
        self.estimator = estimator
        # Codes of very different scale are shrunk alike once standardised; one unit of penalty
        # against hundreds of rows only keeps collinear codes from blowing up.
        self.decoder = make_pipeline(StandardScaler(), Ridge(alpha=1.0))
        self.decoder.fit(code_of(estimator, X), matrix_of(X))

    def transform(self, X: Any) -> Any:
        """Code `X` with the estimator."""
        return self.estimator.transform(X)

    def inverse_transform(self, Z: Any) -> np.ndarray:
        """Decode codes with the regression."""
        return self.decoder.predict(matrix_of(Z))


def run_comparison(
    estimators: Mapping[str, Any] | Iterable[Any],
    X: Any,
    y: Any,
    *,
    metrics: Any,
    cv: Any,
    random_state: Any,
    verbose: int,
) -> Comparison:
    """Do what `compare` describes and keep the first fold's models beside the table."""
    models = _named(estimators)
    X = as_samples(X)
    if y is not None and len(y) != X.shape[0]:
        raise ValueError(f"X has {X.shape[0]} samples and y has {len(y)}. Give one label per row.")
    notes = _Notes()
    measures = _measures(metrics, y, notes)
    seed = seed_from(random_state)
    splits, remark = make_splits(cv, X.shape[0], y, seed)
    if remark:
        notes.add(remark)
    seeds = fold_seeds(seed, len(splits))
    folds: dict[str, list[dict[str, float]]] = {name: [] for name in models}
    first_models: dict[str, Any] = {}
    failures: dict[str, Exception] = {}
    live = is_terminal(sys.stderr)
    with _progress(len(models) * len(splits), verbose, live) as bar:
        for number, (train, test) in enumerate(splits):
            for name, model in models.items():
                bar.set_description(f"fold {number + 1}/{len(splits)}, {name}", refresh=live)
                if name not in failures:
                    try:
                        values, fitted = _evaluate(
                            name, _seeded(model, seeds[number]), X, y, train, test, measures, notes
                        )
                    except Exception as error:  # noqa: BLE001 - the other models must finish
                        failures[name] = error
                        notes.add(f"{name} failed in fold {number + 1}: {_brief(error)}")
                    else:
                        folds[name].append(values)
                        first_models.setdefault(name, fitted)
                bar.update()
    if len(failures) == len(models):
        reasons = "; ".join(f"{name}: {_brief(error)}" for name, error in failures.items())
        raise ValueError(f"Every estimator failed. {reasons}") from next(iter(failures.values()))
    for name in failures:
        first_models.pop(name, None)
    table = _tabulate(folds, list(failures), list(measures), notes)
    return Comparison(table, folds, first_models, splits[0][1])


def _progress(total: int, verbose: int, live: bool) -> Any:
    # A log file or a notebook gets few lines in place of a line that redraws itself.
    return tqdm(
        total=total,
        disable=not verbose or sys.stderr is None,
        leave=False,
        unit="fit",
        mininterval=0.1 if live else 2.0,
        delay=0.0 if live else 1.0,
    )


def _named(estimators: Mapping[str, Any] | Iterable[Any]) -> dict[str, Any]:
    if isinstance(estimators, Mapping):
        models = {str(name): model for name, model in estimators.items()}
    else:
        if callable(getattr(estimators, "fit", None)):
            estimators = [estimators]
        models = {}
        for model in estimators:
            last = model.steps[-1][1] if isinstance(model, Pipeline) else model
            name, count = type(last).__name__, 1
            while (label := name if count == 1 else f"{name}-{count}") in models:
                count += 1
            models[label] = model
    if not models:
        raise ValueError("`estimators` is empty. Give a dict or a list of transformers.")
    for name, model in models.items():
        if isinstance(model, type) or not callable(getattr(model, "fit", None)):
            hint = f"{model.__name__}()" if isinstance(model, type) else "an instance with `fit`"
            raise TypeError(f"{name!r} in `estimators` is {model!r}. Pass {hint}.")
    return models


def _measures(metrics: Any, y: Any, notes: _Notes) -> dict[str, Scorer]:
    if metrics is None:
        if y is None:
            return scorers("reconstruction_r2")
        try:
            labels_of(y, "compare")
        except ValueError as error:
            notes.add(f"No metric of labels was computed: {error}")
            return scorers("reconstruction_r2")
        return scorers()
    if isinstance(metrics, Mapping):
        chosen = dict(metrics)
    else:
        chosen = scorers(*([metrics] if isinstance(metrics, str) else metrics))
    for name, scorer in chosen.items():
        if not callable(scorer):
            raise TypeError(
                f"The metric {name!r} is {scorer!r}. Give a callable (estimator, X, y) -> float."
            )
        if name in LABEL_METRICS and scorer is METRICS[name]:
            labels_of(y, name)
    return chosen


def _seeded(model: Any, seed: int) -> Any:
    model = clone(model)
    names = [name for name in model.get_params() if name.split("__")[-1] == "random_state"]
    return model.set_params(**dict.fromkeys(names, seed))


def _evaluate(
    name: str,
    model: Any,
    X: Any,
    y: Any,
    train: np.ndarray,
    test: np.ndarray,
    measures: Mapping[str, Scorer],
    notes: _Notes,
) -> tuple[dict[str, float], Any]:
    X_train, X_test = rows_of(X, train), rows_of(X, test)
    y_train, y_test = (None, None) if y is None else (rows_of(y, train), rows_of(y, test))
    started = perf_counter()
    model.fit(X_train, y_train)
    fitted = perf_counter()
    if getattr(model, "transform", None) is None:
        raise TypeError("it has no `transform`, so it cannot code rows it was not fitted on.")
    code = code_of(model, X_test)
    values = {_FIRST_COLUMN: float(code.shape[1])}
    seconds = (fitted - started, perf_counter() - fitted)
    decodable = model
    if getattr(model, "inverse_transform", None) is None and "reconstruction_r2" in measures:
        decodable = RidgeDecoded(model, X_train)
        notes.add(
            f"{name} has no inverse_transform: a ridge regression fitted on its training codes "
            f"decodes."
        )
    for metric, scorer in measures.items():
        subject = decodable if scorer is reconstruction_r2 else model
        try:
            values[metric] = float(scorer(subject, X_test, y_test))
        except Exception as error:  # noqa: BLE001 - a scorer may be the user's
            values[metric] = np.nan
            notes.add(f"{name} has no {metric}: {_brief(error)}")
    values.update(zip(_SECONDS, seconds, strict=True))
    return values, decodable


def _tabulate(
    folds: Mapping[str, list[dict[str, float]]],
    failed: list[str],
    metrics: list[str],
    notes: _Notes,
) -> pd.DataFrame:
    rows = {}
    for name, values in folds.items():
        columns = [_FIRST_COLUMN, *metrics, *_SECONDS]
        # A mean over the folds that happened to succeed would not compare with the others'.
        measured = pd.DataFrame([] if name in failed else values, columns=columns, dtype=float)
        row = {_FIRST_COLUMN: measured[_FIRST_COLUMN].mean()}
        for metric in metrics:
            row[metric] = measured[metric].mean(skipna=False)
            row[f"{metric}_std"] = measured[metric].std(skipna=False)
        row.update({column: measured[column].mean() for column in _SECONDS})
        rows[name] = row
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "estimator"
    table[_FIRST_COLUMN] = table[_FIRST_COLUMN].round().astype("Int64")
    sizes = table[_FIRST_COLUMN].dropna()
    if sizes.nunique() > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        notes.add(f"Code sizes differ, so the rows do not compare like with like: {listed}.")
    table.attrs["notes"] = notes.texts
    return table


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
