"""The directive `capabilities`: a table of what each estimator can do, read from the classes."""

import inspect
from dataclasses import dataclass

from docutils import nodes
from docutils.statemachine import StringList
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils import get_tags
from sphinx.util.docutils import SphinxDirective

import skrep
from skrep.base import RepresentationEstimator

YES, NO = "✓", ""


@dataclass(frozen=True)
class Capabilities:
    """What an estimator can do, as its tags and methods say it.

    Attributes
    ----------
    name : str
        As `skrep` exports it.
    family : str
        The module it lives in, without the private file.
    cells : dict of str
        What stands in each column.
    """

    name: str
    family: str
    cells: dict[str, str]


def estimators() -> dict[str, type]:
    """Return the public estimators that make codes, heads apart, family by family."""
    found = {
        name: member
        for name in skrep.__all__
        if inspect.isclass(member := getattr(skrep, name))
        and issubclass(member, RepresentationEstimator)
        and not issubclass(member, ClassifierMixin | RegressorMixin)
    }
    return dict(sorted(found.items(), key=lambda item: (family_of(item[1]), item[0])))


def family_of(cls: type) -> str:
    return ".".join(cls.__module__.split(".")[:2])


def capabilities_of(name: str, cls: type) -> Capabilities:
    """Return the row of one estimator: tags where there is one, methods elsewhere."""
    tags = get_tags(cls())
    has = {method: callable(getattr(cls, method, None)) for method in ("impute", "partial_fit")}
    each = callable(getattr(cls, "transform_each", None))
    values = cls._accepts_nan
    cells = {
        "code": "one per view" if tags.coordinated else "one",
        "`inverse_transform`": mark(tags.reconstruction),
        "`score_samples`": mark(tags.density),
        "`sample`": mark(tags.generative),
        "`impute`": "views" if tags.imputation else "values" if has["impute"] else NO,
        "`sample_given`": mark(tags.conditional),
        "`transform_each`": mark(each),
        "`partial_fit`": mark(has["partial_fit"]),
        "fine-tuning": mark(tags.fine_tunable),
        "absent views": absent(cls, tags.absent_views) or ("values, after" if values else NO),
        "fewest views": str(cls._min_views),
    }
    return Capabilities(name, family_of(cls), cells)


def mark(able: bool) -> str:
    return YES if able else NO


def absent(cls: type, in_fit: bool) -> str:
    """Return when samples may lack views."""
    if in_fit:
        return "in `fit`, after"
    return "after" if cls._encodes_absent else NO


def table(rows: list[Capabilities]) -> list[str]:
    """Return the lines of a Markdown table."""
    columns = list(rows[0].cells)
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    return lines + [
        f"| {{py:obj}}`~skrep.{row.name}` | {' | '.join(row.cells.values())} |" for row in rows
    ]


class CapabilitiesDirective(SphinxDirective):
    """Insert the table; it takes no arguments."""

    def run(self) -> list[nodes.Node]:
        lines = table([capabilities_of(name, cls) for name, cls in estimators().items()])
        holder = nodes.container(classes=["capabilities"])
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), 0, holder)
        return [holder]


def setup(app):
    """Register the directive."""
    app.add_directive("capabilities", CapabilitiesDirective)
    return {"parallel_read_safe": True}
