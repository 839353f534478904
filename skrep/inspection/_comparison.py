"""What `compare` found: one table, the figures behind it, and ways to show them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from skrep.inspection._baselines import CompleteRows
from skrep.inspection._report_text import format_table, layout, markdown_table, verdict
from skrep.inspection._significance import LEVEL, corrected_t_test, holm

__all__ = ["MEASURED", "Comparison", "Notes"]

# What every fit is measured by, whatever the metrics.
MEASURED: Final = ("fit_seconds", "transform_seconds", "peak_memory")


class Notes:
    """Remarks in order of appearance, each once, some of them on a cell of the table."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.cells: dict[tuple[str, str], int] = {}

    def add(self, text: str, cell: tuple[str, str] | None = None) -> None:
        """Add a remark as one line; of several on one cell the first stays."""
        text = " ".join(text.splitlines())
        if cell is not None and cell in self.cells:
            return
        if text not in self.texts:
            self.texts.append(text)
        if cell is not None:
            self.cells[cell] = self.texts.index(text) + 1


class Comparison:
    """The result of `compare`: a table to read, and the figures of every split behind it.

    Made by `compare`, not by hand.

    Parameters
    ----------
    folds : DataFrame
        A row per estimator and split, a column per measured value.
    names : list of str
        All estimators in order, those that failed included.
    metrics : list of str
        Metrics in order; the first one ranks.
    notes : Notes
        Remarks.
    baselines : list of str
        Which of the estimators `compare` added.
    models : dict of str to estimator
        As fitted on the first split, able to decode.
    estimators : dict of str to estimator
        As they were given, unfitted.
    held_out : array, CSR, DataFrame or Views
        Held-out rows of the first split.
    held_out_labels : array-like or None
        Their labels.
    test_to_train : float
        Held-out rows per training row, for the test of differences.
    data : dict
        Counts that describe the data.

    Attributes
    ----------
    table : DataFrame
        A row per estimator, in the order given, baselines last. `n_components` is the width of
        the code; every metric has its mean over splits in a column of its name and the standard
        deviation (with n - 1) in `<name>_std`; `fit_seconds`, `transform_seconds` (of coding the
        held-out rows) and `peak_memory` (MiB by which the process grew during `fit`, a lower
        bound) are means over splits. What could not be measured is NaN.
    folds : DataFrame
        The same before averaging, indexed by estimator and split.
    notes : list of str
        Why a cell is empty, which estimator was decoded by a ridge regression for want of an
        `inverse_transform`, how many rows a baseline left out, whether code sizes differ.
    metrics : list of str
        Names of the metrics.
    baselines : list of str
        Which rows are baselines that `compare` added.
    models : dict of str to estimator
        Fitted on the training rows of the first split. One that was given a ridge regression to
        decode is the `estimator` of the object here.
    held_out, held_out_labels : array, CSR, DataFrame or Views; array-like or None
        The rows of the first split that none of `models` was fitted on, and their labels.

    See Also
    --------
    skrep.compare : Makes it.

    Examples
    --------
    >>> from sklearn.decomposition import PCA, FactorAnalysis
    >>> from skrep.datasets import make_low_rank
    >>> from skrep.inspection import compare
    >>> X = make_low_rank(200, 10, rank=3, random_state=0)
    >>> found = compare([FactorAnalysis(3)], X, baselines="pca", random_state=0, verbose=0)
    >>> list(found.table.index), found.folds.shape
    (['FactorAnalysis', 'PCA'], (10, 5))
    """

    def __init__(
        self,
        *,
        folds: pd.DataFrame,
        names: Sequence[str],
        metrics: Sequence[str],
        notes: Notes,
        baselines: Sequence[str],
        models: Mapping[str, Any],
        estimators: Mapping[str, Any],
        held_out: Any,
        held_out_labels: Any,
        test_to_train: float,
        data: Mapping[str, Any],
    ) -> None:
        self.folds = folds
        self.metrics = list(metrics)
        self.baselines = list(baselines)
        self.models = dict(models)
        # Measured on other rows than the rest: shown, and left out of every ranking and test.
        self._apart = {name for name, model in models.items() if isinstance(model, CompleteRows)}
        self.estimators = dict(estimators)
        self.held_out = held_out
        self.held_out_labels = held_out_labels
        self.data = dict(data)
        self._test_to_train = test_to_train
        self._notes = notes
        self.table = self._tabulate(names)

    @property
    def notes(self) -> list[str]:
        """Remarks, in the order of their numbers in the table."""
        return list(self._notes.texts)

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table.

        Returns
        -------
        DataFrame
            As `table`; `attrs["notes"]` holds the notes.
        """
        return self.table.copy()

    def significance(self, metric: str | None = None, reference: str | None = None) -> pd.DataFrame:
        """Test whether estimators differ from a reference by more than the luck of the splits.

        All estimators were measured on the same splits, so their differences are paired. The
        corrected resampled t-test [1]_ allows for training rows that splits share; Holm's method
        allows for several estimators being tried. With few splits only large differences are
        clear: give `compare` more folds or repeats.

        Parameters
        ----------
        metric : str, default=None
            Name of a metric; None is the first.
        reference : str, default=None
            Name of an estimator; None is the best baseline, or where there is none, the first
            estimator.

        Returns
        -------
        DataFrame
            A row per other estimator that was measured on all splits and held-out rows: `mean`,
            `difference` (from the reference, positive is better), `std` of the differences, `t`,
            `p` (two-sided), `p_holm` and `clear`, which is `p_holm` < 0.05.

        Raises
        ------
        ValueError
            If there is no such metric or estimator, or the reference was not measured.

        References
        ----------
        .. [1] Nadeau, C. and Bengio, Y. "Inference for the generalization error." Machine Learning
           52, 2003.
        """
        metric = self._metric(metric)
        scores = self._scores(metric)
        reference = self._reference(reference, scores)
        rows = {}
        for name, values in scores.items():
            if name != reference:
                test = corrected_t_test(values - scores[reference], self._test_to_train)
                rows[name] = (float(values.mean()), *test)
        columns = ["mean", "difference", "std", "t", "p"]
        table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
        table["p_holm"] = holm(table["p"].to_numpy(dtype=float))
        table["clear"] = table["p_holm"] < LEVEL
        table.index.name = f"{metric} against {reference}"
        return table

    def verdict(self) -> str:
        """Say in one sentence what won and by how much.

        Returns
        -------
        str
            What is called a clear win has p < 0.05 against the second in the test of
            `significance`, without Holm's correction.
        """
        scores = {metric: self._scores(metric) for metric in self.metrics}
        first = self._reference_name()
        return verdict(scores, self._test_to_train, baseline=first)

    def to_markdown(self) -> str:
        """Return the table and its notes as Markdown.

        Returns
        -------
        str
            The best by the first metric on top. In each column the best value is bold, and a
            value that is not clearly below it (p >= 0.05, corrected resampled t-test) is marked
            "≈"; "–" with a number points to a note.
        """
        return markdown_table(self._layout(), self.notes)

    def to_html(self, path: Any = None, *, title: str = "Comparison") -> str | None:
        """Make the report one HTML page that needs nothing else; return it or write it.

        Table, verdict, notes, significance, settings and pictures (if matplotlib is installed),
        styles and images inside: it can be opened without a network and sent by mail.

        Parameters
        ----------
        path : str or path-like, default=None
            File to write, in UTF-8; None returns the page.
        title : str, default="Comparison"
            Heading of the page.

        Returns
        -------
        str or None
            The page, if there is no `path`.
        """
        from skrep.inspection._report_html import html_page

        page = html_page(self, title)
        if path is None:
            return page
        Path(path).write_text(page, encoding="utf-8")
        return None

    def plot(self, metrics: Any = None, *, ax: Any = None) -> Any:
        """Draw every estimator's value on every split, a panel per metric.

        Parameters
        ----------
        metrics : str, iterable of str or None, default=None
            Which metrics; None is all.
        ax : matplotlib axes, default=None
            Where to draw a single metric; None makes a figure.

        Returns
        -------
        ndarray of matplotlib axes
            One per metric.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a metric is unknown, or `ax` is given for several.
        """
        from skrep.inspection._comparison_plot import draw_comparison

        asked = [metrics] if isinstance(metrics, str) else metrics
        chosen = self.metrics if asked is None else [self._metric(name) for name in asked]
        return draw_comparison(self, chosen, ax)

    def __repr__(self) -> str:
        """Return the table as aligned text, with its notes."""
        lines = [format_table(self._layout())]
        lines += [f"[{i}] {note}" for i, note in enumerate(self.notes, 1)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from skrep.inspection._report_html import html_table

        return html_table(self)

    def _layout(self) -> list[list[Any]]:
        return layout(self.table, self.metrics, self._notes.cells, self._is_close, self._apart)

    def _is_close(self, name: str, best: str, metric: str) -> bool:
        scores = self._scores(metric)
        test = corrected_t_test(scores[best] - scores[name], self._test_to_train)
        return not test.p < LEVEL

    def _metric(self, metric: str | None) -> str:
        if metric is None:
            return self.metrics[0]
        if metric not in self.metrics:
            raise ValueError(
                f"There is no metric {metric!r} in this comparison; there are "
                f"{', '.join(map(repr, self.metrics))}."
            )
        return metric

    def _scores(self, metric: str) -> dict[str, np.ndarray]:
        """Return the values over splits of the estimators that have all of them, on all rows."""
        found = {}
        for name in self.models:
            if name in self._apart:
                continue
            values = self.folds.loc[name, metric].to_numpy(dtype=float)
            if np.isfinite(values).all():
                found[name] = values
        return found

    def _reference(self, reference: str | None, scores: Mapping[str, np.ndarray]) -> str:
        if reference is None:
            known = [name for name in self.baselines if name in scores] or list(scores)[:1]
            reference = max(known, key=lambda name: scores[name].mean(), default="nothing")
        if reference not in scores:
            raise ValueError(
                f"There is no estimator {reference!r} that was measured on all splits; there are "
                f"{', '.join(map(repr, scores)) or 'none'}."
            )
        return reference

    def _reference_name(self) -> str:
        names = ["PCA", *self.baselines]
        return next((name for name in names if name in self.models), "PCA")

    def _tabulate(self, names: Sequence[str]) -> pd.DataFrame:
        rows = {}
        for name in names:
            # A mean over the splits that happened to succeed would not compare with the others'.
            measured = (
                self.folds.loc[name] if name in self.models else self.folds.iloc[:0].astype(float)
            )
            row = {"n_components": measured["n_components"].mean()}
            for metric in self.metrics:
                row[metric] = measured[metric].mean(skipna=False)
                row[f"{metric}_std"] = measured[metric].std(skipna=False)
            row.update({column: measured[column].mean() for column in MEASURED})
            rows[name] = row
        table = pd.DataFrame.from_dict(rows, orient="index")
        table.index.name = "estimator"
        table["n_components"] = table["n_components"].round().astype("Int64")
        sizes = table["n_components"].dropna()
        if sizes.nunique() > 1:
            listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
            text = f"Code sizes differ, so the rows do not compare like with like: {listed}."
            self._notes.add(text)
        table.attrs["notes"] = self.notes
        return table
