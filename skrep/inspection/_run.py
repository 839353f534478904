"""The work behind `compare`: fit and measure every model on every split."""

import pickle
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

import numpy as np
import pandas as pd
from joblib import wrap_non_picklable_objects
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from skrep.inspection._baselines import CompleteRows, is_classes, make_baselines, mean_filler
from skrep.inspection._comparison import MEASURED, Comparison, Notes
from skrep.inspection._display_inputs import estimator_name
from skrep.inspection._memory import PeakMemory
from skrep.inspection._splits import as_samples, fold_seeds, make_splits, rows_of
from skrep.metrics._inputs import code_of, labels_of, matrix_of
from skrep.metrics._reconstruction import reconstruction_r2
from skrep.metrics._scorers import LABEL_METRICS, METRICS, VIEW_METRICS, Scorer, scorers
from skrep.utils.random import seed_from
from skrep.utils.streams import is_terminal
from skrep.views import Views, as_views, is_multiview

__all__ = ["run_comparison"]

_UNLABELLED: Final = ("reconstruction_r2",)


class RidgeDecoded:
    """A fitted transformer that lacks a decoder, with a ridge regression in its place."""

    def __init__(self, estimator: Any, X: Any) -> None:
        self.estimator = estimator
        # Codes of very different scale are shrunk alike once standardised; one unit of penalty
        # against hundreds of rows only keeps collinear codes from blowing up.
        self.decoder = make_pipeline(StandardScaler(), Ridge(alpha=1.0))
        X = _complete_if_needed(estimator, X)[0]
        self.decoder.fit(
            code_of(estimator, X), mean_filler().fit_transform(matrix_of(X, absent=True))
        )

    def transform(self, X: Any) -> Any:
        """Code `X` with the estimator."""
        return self.estimator.transform(X)

    def inverse_transform(self, Z: Any) -> np.ndarray:
        """Decode codes with the regression."""
        Z = matrix_of(Z)
        return self.decoder.predict(Z).reshape(len(Z), -1)


@dataclass
class _Split:
    """Rows to train on, rows to measure on, and the seed of what is fitted on them."""

    number: int
    train: np.ndarray
    test: np.ndarray
    seed: int


@dataclass
class _Outcome:
    """What came of one model on one split."""

    values: dict[str, float] = field(default_factory=dict)
    notes: list[tuple[str | None, str]] = field(default_factory=list)
    model: Any = None
    error: str = ""


def run_comparison(
    estimators: Mapping[str, Any] | Iterable[Any],
    X: Any,
    y: Any,
    *,
    baselines: Any = None,
    metrics: Any = None,
    cv: Any = 5,
    n_repeats: int = 1,
    random_state: Any = None,
    n_jobs: int | None = None,
    verbose: int = 1,
) -> Comparison:
    """Do what `compare` describes."""
    models = _named(estimators)
    X = as_samples(X)
    if y is not None and len(y) != X.shape[0]:
        raise ValueError(f"X has {X.shape[0]} samples and y has {len(y)}. Give one label per row.")
    makers = make_baselines(baselines, X, list(models))
    notes = Notes()
    measures = _measures(metrics, X, y, notes)
    seed = seed_from(random_state)
    rows, remark = make_splits(cv, X.shape[0], y, seed, n_repeats)
    if remark:
        notes.add(remark)
    seeds = fold_seeds(seed, len(rows))
    splits = [_Split(i, *pair, seeds[i]) for i, pair in enumerate(rows)]
    total = (len(models) + len(makers)) * len(splits)
    outcomes: dict[str, list[_Outcome]] = {}
    with _progress(total, verbose) as bar:
        context = _Context(X, y, measures, splits, n_jobs, bar)
        outcomes.update(context.run(models))
        size = _code_size(outcomes)
        if size:
            # A baseline that cannot be fitted on so few rows would be no help.
            size = min(size, *(len(split.train) for split in splits))
            built = {label: make(size) for label, make in makers.items()}
            outcomes.update(context.run(built))
    _collect_notes(outcomes, next(iter(measures)), notes)
    failed = [name for name, results in outcomes.items() if results[-1].error]
    if len([name for name in failed if name in models]) == len(models):
        reasons = "; ".join(f"{name}: {outcomes[name][-1].error}" for name in models)
        raise ValueError(f"Every estimator failed. {reasons}")
    folds = {
        (name, split): result.values
        for name, results in outcomes.items()
        for split, result in enumerate(results)
        if name not in failed
    }
    return Comparison(
        folds=_frame(folds, list(measures)),
        names=list(outcomes),
        metrics=list(measures),
        notes=notes,
        baselines=[name for name in outcomes if name in makers],
        models={name: r[0].model for name, r in outcomes.items() if name not in failed},
        estimators=models,
        held_out=rows_of(X, splits[0].test),
        held_out_labels=None if y is None else rows_of(y, splits[0].test),
        test_to_train=float(np.mean([len(s.test) / len(s.train) for s in splits])),
        data=_describe(X, y, splits),
    )


@dataclass
class _Context:
    """What all models share."""

    X: Any
    y: Any
    measures: Mapping[str, Scorer]
    splits: list[_Split]
    n_jobs: int | None
    bar: Any

    def run(self, models: Mapping[str, Any]) -> dict[str, list[_Outcome]]:
        """Return the outcomes of each model, in the order of splits, the last one its failure."""
        tasks = [(name, split) for split in self.splits for name in models]
        found: dict[str, list[_Outcome]] = {name: [] for name in models}
        for (name, _), outcome in zip(tasks, self._outcomes(models, tasks), strict=True):
            self.bar.update()
            if not (found[name] and found[name][-1].error):
                found[name].append(outcome)
        return found

    def _outcomes(
        self, models: Mapping[str, Any], tasks: list[tuple[str, _Split]]
    ) -> Iterator[_Outcome]:
        if self.n_jobs in (None, 1):
            failed: dict[str, _Outcome] = {}
            for name, split in tasks:
                if name not in failed:
                    where = f"split {split.number + 1}/{len(self.splits)}, {name}"
                    self.bar.set_description(where, refresh=is_terminal(sys.stderr))
                    outcome = _evaluate(name, models[name], self.X, self.y, split, self.measures)
                    if outcome.error:
                        failed[name] = outcome
                    yield outcome
                else:
                    yield failed[name]
            return
        parallel = Parallel(n_jobs=self.n_jobs, return_as="generator")
        yield from parallel(
            delayed(_evaluate_apart)(name, models[name], self.X, self.y, split, self.measures)
            for name, split in tasks
        )


def _evaluate(
    name: str, model: Any, X: Any, y: Any, split: _Split, measures: Mapping[str, Scorer]
) -> _Outcome:
    outcome = _Outcome()
    try:
        model = _seeded(model, split.seed)
        _fit_and_measure(name, model, X, y, split, measures, outcome)
    except Exception as error:  # noqa: BLE001 - the other models must finish
        outcome.error = _brief(error)
    return outcome


def _evaluate_apart(
    name: str, model: Any, X: Any, y: Any, split: _Split, measures: Mapping[str, Scorer]
) -> _Outcome:
    """Evaluate in a process of its own, from which what was fitted has to be sent back."""
    outcome = _evaluate(name, model, X, y, split, measures)
    try:
        pickle.dumps(wrap_non_picklable_objects(outcome.model))
    except Exception as error:  # noqa: BLE001 - the other models must finish
        text = f"it cannot be sent between processes ({_brief(error)}); use `n_jobs=None`."
        return _Outcome(error=text)
    return outcome


def _fit_and_measure(
    name: str,
    model: Any,
    X: Any,
    y: Any,
    split: _Split,
    measures: Mapping[str, Scorer],
    outcome: _Outcome,
) -> None:
    X_train, X_test = rows_of(X, split.train), rows_of(X, split.test)
    y_train, y_test = (None if y is None else rows_of(y, r) for r in (split.train, split.test))
    started = perf_counter()
    with PeakMemory() as memory:
        model.fit(X_train, y_train)
    fitted = perf_counter()
    if getattr(model, "transform", None) is None:
        raise TypeError("it has no `transform`, so it cannot code rows it was not fitted on.")
    X_test, kept = _complete_if_needed(model, X_test)
    if len(kept) < len(split.test):
        y_test = None if y_test is None else rows_of(y_test, kept)
    if isinstance(model, CompleteRows) and split.number == 0:
        dropped = len(split.test) - len(kept)
        text = (
            f"{name} left out {model.n_dropped_} of {model.n_given_} training rows and {dropped} "
            f"of {len(split.test)} held-out rows, which lack a view, in the first split; its "
            f"figures are of the other rows."
        )
        outcome.notes += [(metric, text) for metric in measures]
    before = perf_counter()
    code = code_of(model, X_test)
    seconds = (fitted - started, perf_counter() - before)
    values = {"n_components": float(code.shape[1])}
    decodable = model
    if getattr(model, "inverse_transform", None) is None and "reconstruction_r2" in measures:
        decodable = RidgeDecoded(model, X_train)
        note = (
            f"{name} has no inverse_transform: a ridge regression fitted on its training codes "
            f"decodes."
        )
        outcome.notes.append(("reconstruction_r2", note))
    for metric, scorer in measures.items():
        subject = decodable if scorer is reconstruction_r2 else model
        try:
            values[metric] = float(scorer(subject, X_test, y_test))
            if not np.isfinite(values[metric]):
                raise ValueError(f"it came out as {values[metric]}.")
        except Exception as error:  # noqa: BLE001 - a scorer may be the user's
            values[metric] = np.nan
            # In place of what was said of how it is measured.
            outcome.notes = [note for note in outcome.notes if note[0] != metric]
            # Measures of this library say in words what a model lacks.
            lacks = isinstance(error, TypeError) and METRICS.get(metric) is scorer
            reason = str(error).partition("\n")[0] if lacks else _brief(error)
            outcome.notes.append((metric, f"{name} has no {metric}: {reason}"))
    values.update(zip(MEASURED, (*seconds, memory.mib), strict=True))
    outcome.values = values
    if split.number == 0:
        outcome.model = decodable


def _complete_if_needed(model: Any, X: Any) -> tuple[Any, np.ndarray]:
    """Return the rows that the model can code."""
    if isinstance(model, CompleteRows):
        kept = np.flatnonzero(as_views(X).present.all(axis=1))
        return rows_of(X, kept), kept
    return X, np.arange(X.shape[0])


def _progress(total: int, verbose: int) -> Any:
    # A log file or a notebook gets few lines in place of a line that redraws itself.
    live = is_terminal(sys.stderr)
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
        if len(models) < len(estimators):
            raise ValueError(
                f"Two of `estimators` have the same name as text: {list(estimators)!r}. Give each "
                f"a name of its own."
            )
    else:
        if callable(getattr(estimators, "fit", None)):
            estimators = [estimators]
        models = {}
        for model in estimators:
            name = model.__name__ if isinstance(model, type) else estimator_name(model)
            count = 1
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


def _measures(metrics: Any, X: Any, y: Any, notes: Notes) -> dict[str, Scorer]:
    if metrics is None:
        incomplete = isinstance(X, Views) and not X.is_complete
        more = ("imputation_r2",) if incomplete else ()
        if y is None:
            return scorers(*_UNLABELLED, *more)
        try:
            labels_of(y, "compare")
        except ValueError as error:
            notes.add(f"No metric of labels was computed: {error}")
            return scorers(*_UNLABELLED, *more)
        return scorers(*scorers(), *more)
    if callable(metrics):
        raise TypeError(f"`metrics` is {metrics!r}. Give your own scorers as a dict by name.")
    if isinstance(metrics, Mapping):
        chosen = {str(name): scorer for name, scorer in metrics.items()}
    else:
        names = [metrics] if isinstance(metrics, str) else list(metrics)
        chosen = scorers(*names) if names else {}
    _check_names(chosen)
    for name, scorer in chosen.items():
        if not callable(scorer):
            raise TypeError(
                f"The metric {name!r} is {scorer!r}. Give a callable (estimator, X, y) -> float."
            )
        if name in LABEL_METRICS and scorer is METRICS[name]:
            labels_of(y, name)
        if name in VIEW_METRICS and not is_multiview(X):
            raise ValueError(
                f"The metric {name!r} compares views, and X is a single matrix. Pass `Views`."
            )
    return chosen


def _check_names(metrics: Iterable[str]) -> None:
    """Refuse names that other columns of the table have."""
    names = list(metrics)
    if not names:
        raise ValueError("`metrics` is empty. Name one or more, or pass None for the usual ones.")
    others = {"n_components", *MEASURED, *(f"{name}_std" for name in names)}
    taken = sorted(others.intersection(names))
    if taken:
        raise ValueError(
            f"The metric {taken[0]!r} has the name of another column of the table. Give it another."
        )


def _seeded(model: Any, seed: int) -> Any:
    model = clone(model)
    names = [name for name in model.get_params() if name.split("__")[-1] == "random_state"]
    return model.set_params(**dict.fromkeys(names, seed))


def _code_size(outcomes: Mapping[str, list[_Outcome]]) -> int:
    """Return the width of the first code that came out, for the baselines."""
    sizes = [int(r[0].values["n_components"]) for r in outcomes.values() if r[0].values]
    return sizes[0] if sizes else 0


def _collect_notes(outcomes: Mapping[str, list[_Outcome]], first_metric: str, notes: Notes) -> None:
    for name, results in outcomes.items():
        for split, result in enumerate(results, 1):
            for metric, text in result.notes:
                notes.add(text, None if metric is None else (name, metric))
            if result.error:
                text = f"{name} failed in split {split}: {result.error}"
                notes.cells.pop((name, first_metric), None)
                notes.add(text, (name, first_metric))


def _frame(folds: Mapping[tuple[str, int], dict[str, float]], metrics: list[str]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(list(folds), names=["estimator", "split"])
    columns = ["n_components", *metrics, *MEASURED]
    return pd.DataFrame(list(folds.values()), index=index, columns=columns, dtype=float)


def _describe(X: Any, y: Any, splits: list[_Split]) -> dict[str, Any]:
    described: dict[str, Any] = {"samples": int(X.shape[0]), "features": int(X.shape[1])}
    if isinstance(X, Views):
        described["views"] = dict(zip(X.names, X.widths, strict=True))
        absent = (~X.present).sum(axis=0)
        if absent.any():
            described["absent"] = dict(zip(X.names, map(int, absent), strict=True))
    if is_classes(y):
        described["classes"] = len(np.unique(np.asarray(y)))
    described["splits"] = len(splits)
    return described


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
