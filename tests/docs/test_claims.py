"""What pages say of the code: defaults, equations and their files, capabilities, checks."""

import ast
import functools
import importlib.util
import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import sklearn
from registry import CASES, CLOSED, HEADS
from sklearn.base import clone
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator

import skrep
from skrep.base import RepresentationEstimator

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    p
    for p in [ROOT / "README.md", *DOCS.glob("*.md"), *(DOCS / "guide").glob("*.md")]
    if p.name != "api.md"
)
TICKED = re.compile(r"`([^`]+)`")


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows_of(text: str) -> list[tuple[list[str], list[str]]]:
    """Return (cells of the header, cells of the row) of every row of every table."""
    found, header = [], None
    for line in text.splitlines():
        if not line.startswith("|"):
            header = None
            continue
        # A bar inside mathematics would be written \mid.
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if header is None:
            header = cells
        elif not set(line) <= set("|-: "):
            found.append((header, cells))
    return found


def load_extension(name: str):
    """Import a module of docs/_ext; numpydoc brings Sphinx along."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "_ext" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


# -- defaults -----------------------------------------------------------------------------------

PUBLIC = {
    name: member
    for name in skrep.__all__
    if inspect.isclass(member := getattr(skrep, name)) and not issubclass(member, Exception)
}
CALLABLE = PUBLIC | {
    name: member for name in skrep.__all__ if inspect.isfunction(member := getattr(skrep, name))
}
SAID_IN_A_LINE = re.compile(
    r"`(?:(\w+)\()?(\w+)=([^`]+?)\)?`(?:,| \||) (?:is )?the (?:new )?default\b"
)


def defaults(name: str) -> dict[str, object]:
    signature = inspect.signature(CALLABLE[name]).parameters.values()
    return {p.name: p.default for p in signature if p.default is not p.empty}


def claims_of(text: str) -> list[tuple[str | None, str, str]]:
    """Return (class or None, parameter, value) of what a page calls a default."""
    found = [(m[1], m[2], m[3]) for m in SAID_IN_A_LINE.finditer(text)]
    for header, cells in rows_of(text):
        if header[0] == "default of":
            (cls,), (parameter,) = TICKED.findall(header[-1]), TICKED.findall(cells[0])
            found.append((cls, parameter, TICKED.findall(cells[-1])[0]))
        elif cells[0].endswith("(default)"):
            names = TICKED.findall(header[0])
            found.append((None, names[0], TICKED.findall(cells[0])[0]))
    return found


CLAIMS = [
    pytest.param(*claim, id=f"{page.stem}-{claim[0]}-{claim[1]}")
    for page in PAGES
    for claim in claims_of(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("cls", "parameter", "value"), CLAIMS)
def test_defaults_in_prose_are_those_of_the_signature(cls, parameter, value):
    """Where no class is named, some public one must have the parameter with that default."""
    names = [cls] if cls in CALLABLE else list(CALLABLE)
    of = {name: defaults(name) for name in names}
    assert any(d[parameter] == ast.literal_eval(value) for d in of.values() if parameter in d)


def test_claims_of_defaults_are_found():
    assert len(CLAIMS) > 20
    said = 'With `verbose=0`, the default, … | `precision="float32"` | the default: …'
    assert claims_of(said) == [(None, "verbose", "0"), (None, "precision", '"float32"')]
    table = '| `fusion` | x |\n|---|---|\n| `"late"` (default) | y |\n'
    assert claims_of(table) == [(None, "fusion", '"late"')]


# -- equations ----------------------------------------------------------------------------------


@functools.cache
def definitions(path: Path) -> set[str]:
    """Return the functions and classes of a file, methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{f.name}" for f in node.body if isinstance(f, ast.FunctionDef)}
    return found


def named_places(cell: str) -> list[tuple[str, str]]:
    """Return (file, name) of a cell that reads "`file`: `name`, `name`; `file`: `name`"."""
    found, file = [], ""
    for ticked in TICKED.findall(cell):
        if ticked.endswith(".py"):
            file = ticked
        else:
            found.append((file, ticked))
    return found


PLACES = [
    pytest.param(file, name, id=f"{Path(file).stem}-{name}")
    for _, cells in rows_of(read("equations.md"))
    for cell in cells[2:]
    for file, name in named_places(cell)
]


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_equations_lead_to_code(file, name):
    path = ROOT / file
    assert path.exists()
    assert name in definitions(path)


def test_every_equation_has_code_and_oracle():
    for _, cells in rows_of(read("equations.md")):
        code, oracle = (named_places(cell) for cell in cells[2:])
        assert code, cells[0]
        assert oracle, cells[0]
        assert all(file.startswith("skrep/") for file, _ in code)
        assert all(file.startswith("tests/") for file, _ in oracle)


def test_every_model_has_an_equation():
    listed = {
        name for _, cells in rows_of(read("equations.md")) for name in TICKED.findall(cells[0])
    }
    assert set(models()) <= {name.partition("(")[0] for name in listed}


# -- models and what they can do ------------------------------------------------------------------


def models() -> dict[str, type]:
    return {n: c for n, c in PUBLIC.items() if issubclass(c, RepresentationEstimator)}


def test_the_chooser_knows_every_model():
    named = {name for _, cells in rows_of(read("choose.md")) for name in TICKED.findall(cells[2])}
    assert set(models()) <= named


def test_the_readme_and_the_scores_name_every_model():
    scores = read("sklearn.md").split("## Scores")[1]
    for text in ((ROOT / "README.md").read_text(encoding="utf-8"), scores):
        ticked = {name for line in text.splitlines() for name in TICKED.findall(line)}
        # "autoencoders" stands for the family.
        missing = {n for n in models() if n not in ticked and not n.endswith("Autoencoder")}
        assert not missing


@pytest.fixture(scope="module")
def table():
    extension = load_extension("capabilities")
    return {n: extension.capabilities_of(n, c).cells for n, c in extension.estimators().items()}


METHODS = {
    "`inverse_transform`": "inverse_transform",
    "`score_samples`": "score_samples",
    "`sample`": "sample",
    "`impute`": "impute",
    "`sample_given`": "sample_given",
    "`transform_each`": "transform_each",
    "`partial_fit`": "partial_fit",
}


def test_capabilities_are_methods(table):
    heads = {type(case.make()).__name__ for case in HEADS}
    assert set(table) == set(models()) - heads
    for name, cells in table.items():
        for column, method in METHODS.items():
            assert bool(cells[column]) == callable(getattr(PUBLIC[name], method, None)), (
                name,
                column,
            )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_capabilities_are_behaviour(table, case, seed):
    """Views that lack a row of the second view, and a single matrix, are taken or refused."""
    cells, views = table[case.name], case.views(seed)
    first, second = (np.array(array, dtype=float) for array in views.arrays)
    second[:3] = np.nan
    holes = skrep.Views((first, second), views.names)
    assert takes(lambda: case.make().fit(holes)) == cells["absent views"].startswith("in")
    fitted = case.make().fit(views)
    assert takes(lambda: fitted.transform(holes)) == ("after" in cells["absent views"])
    assert takes(lambda: case.make().fit(first)) == (cells["fewest views"] == "1")
    codes = fitted.transform(views)
    assert isinstance(codes, skrep.Views) == (cells["code"] == "one per view")
    assert get_tags(fitted).fine_tunable == bool(cells["fine-tuning"])


def takes(call) -> bool:
    try:
        call()
    except ValueError:
        return False
    return True


# -- scikit-learn's checks ------------------------------------------------------------------------


def checks_said() -> dict[str, set[int]]:
    """Return how many checks the page says each estimator passes."""
    found: dict[str, set[int]] = {}
    for header, cells in rows_of(read("sklearn.md")):
        if header[1:2] == ["checks each"]:
            for name in TICKED.findall(cells[0]):
                found.setdefault(name, set()).add(int(cells[1]))
    return found


def test_checks_are_as_many_as_the_page_says():
    said = checks_said()
    rows = [*CASES, *CLOSED, *HEADS]
    assert {case.name for case in rows} == set(said)
    version = re.search(r"scikit-learn ([\d.]+) that is", " ".join(read("sklearn.md").split()))[1]
    if sklearn.__version__ != version:
        pytest.skip(f"the page counts the checks of scikit-learn {version}")
    for case in rows:
        estimator = clone(case.make())
        made = estimator if case.adapter is None else case.adapter(estimator)
        assert {len(list(estimator_checks_generator(made)))} == said[case.name], case.name


# -- equations on the page --------------------------------------------------------------------


def test_equations_become_mathml():
    to_mathml = load_extension("mathml").to_mathml
    half = to_mathml(r"\frac12 x", display=True)
    assert half.startswith('<math display="block"')
    assert re.search(r"<mfrac>\s*<mn>1</mn>\s*<mn>2</mn>\s*</mfrac>", half)
    assert "munder" not in to_mathml(r"\hat x_i")
    assert to_mathml(r"\Big( h_1, \dots, h_L \Big)")
    with pytest.raises(ValueError, match=r"No MathML for the equation .*nothing"):
        to_mathml(r"\nothing x")
