"""The dependency direction and the single doors, read from the source with `ast`.

Every rule is a function from one parsed file to a list of complaints that name file and line, so
the rules can be tried on a small tree that breaks each of them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

FAMILIES = frozenset({"autoencoder", "boltzmann", "cross_decomposition", "multimodal"})
LEFT = {"exceptions", "views"}
CORE = LEFT | {"utils", "functional", "nn", "engine"}

# What each part of the package may import of the package. A part that is not named here is
# itself a complaint, so the table stays complete.
MAY_IMPORT: dict[str, set[str]] = {
    "exceptions": set(),
    "views": {"exceptions"},
    "utils": LEFT,
    "functional": LEFT | {"utils"},
    "nn": LEFT | {"utils", "functional"},
    "engine": LEFT | {"utils", "functional", "nn"},
    "mixins": CORE,
    "base": CORE | {"mixins"},
    "compose": CORE | {"base", "mixins"},
    "datasets": LEFT | {"utils", "base", "mixins"},
    "metrics": LEFT | {"utils", "base", "mixins", "compose", "datasets"},
    "inspection": LEFT | {"utils", "base", "mixins", "compose", "datasets", "metrics"},
    **{family: CORE | {"base", "mixins"} for family in FAMILIES},
}
# The package itself (its lazy table of names) and the command line stand right of everything.
UNLIMITED = {"__init__", "__main__"}

# Foreign package -> the parts that may import it.
DOORS: dict[str, set[str]] = {
    "skorch": {"engine"},
    "accelerate": {"engine"},
    "dask": {"engine"},
    "distributed": {"engine"},
}
# Foreign packages that some parts must never see.
CLOSED: dict[str, set[str]] = {
    "sklearn": {"functional", "nn"},
    "torch": {"__init__", "exceptions", "views", "compose"},
}

# `hasattr` is allowed where the other side is not ours and offers no declaration.
HASATTR_ALLOWED: dict[str, str] = {
    "compose/_per_view.py": "of a user's transformer scikit-learn declares a method by having it",
}
# Private names of scikit-learn are met in one place.
PRIVATE_DOOR = "utils/sklearn_private.py"


class Source(NamedTuple):
    """One parsed file: its path below the package, its part, its tree."""

    path: str
    part: str
    tree: ast.Module

    def at(self, node: ast.AST, text: str) -> str:
        return f"skrep/{self.path}:{getattr(node, 'lineno', 1)}: {text}"


def read_tree(package: Path) -> Iterator[Source]:
    for file in sorted(package.rglob("*.py")):
        path = file.relative_to(package)
        part = part_of(path.parts[0].removesuffix(".py"))
        yield Source(path.as_posix(), part, ast.parse(file.read_text(encoding="utf-8")))


def part_of(name: str) -> str:
    """Return the part a top-level name belongs to: `_views_frames` holds a piece of `views`."""
    pieces = {"_views_": "views", "_base_": "base"}
    return next((part for start, part in pieces.items() if name.startswith(start)), name)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(tree: ast.Module) -> Iterator[tuple[ast.stmt, str, bool, bool]]:
    """Yield (statement, dotted name, at import time, for types only) for every imported name."""

    def visit(node: ast.AST, at_import: bool, typing: bool) -> Iterator:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield child, alias.name, at_import, typing
            elif isinstance(child, ast.ImportFrom):
                for alias in child.names:
                    module = "." * child.level + (child.module or "")
                    yield child, f"{module}.{alias.name}", at_import, typing
            else:
                inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from visit(child, at_import and not inside, typing or is_type_checking(child))

    yield from visit(tree, True, False)


def check_direction(source: Source) -> list[str]:
    """Imports of our own parts go to the left only; families are strangers to each other."""
    if source.part in UNLIMITED:
        return []
    if source.part not in MAY_IMPORT:
        return [source.at(source.tree, f"{source.part!r} has no place in the layout")]
    allowed = MAY_IMPORT[source.part] | {source.part}
    found = []
    for node, name, _, _ in imports(source.tree):
        if name.startswith("."):
            found.append(source.at(node, f"relative import {name!r}; write it from skrep"))
        elif name == "skrep" or name.startswith("skrep."):
            target = part_of(name.split(".")[1]) if "." in name else ""
            if target not in allowed:
                found.append(source.at(node, f"{source.part} may not import {name}"))
    return found


def check_doors(source: Source) -> list[str]:
    """Each foreign engine has one door, and some parts never see a foreign package."""
    found = []
    for node, name, at_import, typing in imports(source.tree):
        top = name.split(".")[0]
        if top in DOORS and source.part not in DOORS[top]:
            doors = ", ".join(sorted(DOORS[top]))
            found.append(source.at(node, f"{top} is imported only in {doors}"))
        # Inside a function torch may be met late; for types it costs nothing.
        late = top == "torch" and (typing or not at_import)
        if source.part in CLOSED.get(top, ()) and not late:
            found.append(source.at(node, f"{source.part} may not import {top}"))
        if top == "matplotlib" and at_import and not typing:
            found.append(source.at(node, "matplotlib is imported only inside a plotting function"))
    return found


def check_private_names(source: Source) -> list[str]:
    """Names of scikit-learn that start with an underscore come through one file."""
    if source.path == PRIVATE_DOOR:
        return []
    return [
        source.at(node, f"{name} is private to scikit-learn; go through {PRIVATE_DOOR}")
        for node, name, _, _ in imports(source.tree)
        if name.startswith("sklearn.") and any(p.startswith("_") for p in name.split("."))
    ]


def check_statements(source: Source) -> list[str]:
    """No print, no assert, no probing with hasattr."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Assert):
            found.append(source.at(node, "assert in the library; raise an error that explains"))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "print":
                found.append(source.at(node, "print in the library"))
            if node.func.id == "hasattr" and source.path not in HASATTR_ALLOWED:
                found.append(source.at(node, "hasattr probes for what should be declared"))
    return found


def check_module_names(source: Source) -> list[str]:
    """A public function does not share its module's name, which would hide the module."""
    module = Path(source.path).stem
    return [
        source.at(node, f"function {node.name!r} has the name of its module")
        for node in source.tree.body
        if isinstance(node, ast.FunctionDef) and node.name == module and module[0] != "_"
    ]


def check_family_init(source: Source) -> list[str]:
    """A family's `__init__` holds a docstring, its exports and `__all__`, nothing more."""
    if Path(source.path).name != "__init__.py" or source.part not in FAMILIES:
        return []
    found = []
    for node in source.tree.body:
        named = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        export = isinstance(node, ast.ImportFrom) and all(a.asname == a.name for a in node.names)
        if not (named or text or export):
            found.append(source.at(node, "write `from skrep.x._y import Y as Y`, nothing more"))
    return found


RULES = [
    check_direction,
    check_doors,
    check_private_names,
    check_statements,
    check_module_names,
    check_family_init,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_package_keeps_the_rule(rule):
    found = [line for source in read_tree(ROOT / "skrep") for line in rule(source)]
    assert not found, "\n" + "\n".join(found)


def test_hasattr_list_is_current():
    """A file that no longer needs its exception must leave the list."""
    used = {
        source.path
        for source in read_tree(ROOT / "skrep")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "hasattr"
    }
    assert set(HASATTR_ALLOWED) <= used


def test_nothing_else_at_the_top():
    """The layout at the top of the package is fixed."""
    parts = {source.part for source in read_tree(ROOT / "skrep")}
    assert parts <= set(MAY_IMPORT) | UNLIMITED


# file, text, the complaint that must come of it
BAD = [
    ("functional/kl.py", "from skrep.nn.mlp import MLP", "skrep/functional/kl.py:1: functional"),
    ("views.py", "import skrep.utils.random", "skrep/views.py:1: views may not import skrep.utils"),
    ("nn/a.py", "from skrep import VAE", "nn may not import skrep.VAE"),
    ("engine/a.py", "if True:\n    from skrep.base import Base", "skrep/engine/a.py:2: engine"),
    ("utils/a.py", "def f():\n    from skrep.engine import x", "skrep/utils/a.py:2: utils may not"),
    ("autoencoder/_a.py", "from skrep.boltzmann._rbm import RBM", "may not import skrep.boltzmann"),
    ("compose/_a.py", "from skrep.autoencoder import VAE", "compose may not import"),
    ("inspection/_a.py", "from skrep.autoencoder import VAE", "inspection may not import"),
    ("nn/a.py", "from .b import c", "relative import"),
    ("models/a.py", "x = 1", "'models' has no place in the layout"),
    ("autoencoder/_a.py", "import skorch", "skorch is imported only in engine"),
    ("utils/a.py", "from dask import array", "dask is imported only in engine"),
    ("functional/a.py", "from sklearn.base import clone", "functional may not import sklearn"),
    ("nn/a.py", "def f():\n    import sklearn", "skrep/nn/a.py:2: nn may not import sklearn"),
    ("__init__.py", "import torch", "__init__ may not import torch"),
    ("inspection/_a.py", "import matplotlib.pyplot as plt", "only inside a plotting function"),
    ("base.py", "from sklearn.base import _fit_context", "private to scikit-learn"),
    ("base.py", "from sklearn.utils._param_validation import Interval", "private to scikit-learn"),
    ("base.py", "def f(x):\n    assert x", "skrep/base.py:2: assert"),
    ("base.py", "print(1)", "print in the library"),
    ("base.py", "y = hasattr(1, 'sample')", "hasattr probes"),
    ("inspection/compare.py", "def compare(): ...", "has the name of its module"),
    ("autoencoder/__init__.py", "X = 3", "nothing more"),
    ("autoencoder/__init__.py", "from skrep.autoencoder._vae import VAE", "nothing more"),
]

GOOD = [
    ("functional/kl.py", "import torch\nfrom skrep.utils.a import b"),
    ("autoencoder/_a.py", "import torch\nfrom skrep.base import Base\nfrom skrep.nn.mlp import M"),
    ("autoencoder/__init__.py", '"""Family."""\nfrom skrep.base import V as V\n__all__ = ["V"]'),
    ("inspection/_a.py", "def plot():\n    import matplotlib.pyplot as plt"),
    ("views.py", "def f():\n    import torch"),
    ("utils/sklearn_private.py", "from sklearn.base import _fit_context"),
    ("engine/net.py", "import skorch"),
]


def complaints(tmp_path: Path, path: str, text: str) -> list[str]:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return [line for source in read_tree(tmp_path) for rule in RULES for line in rule(source)]


@pytest.mark.parametrize(("path", "text", "complaint"), BAD)
def test_bad_file_is_named_with_its_line(tmp_path, path, text, complaint):
    found = complaints(tmp_path, path, text)
    assert any(complaint in line for line in found), found


@pytest.mark.parametrize(("path", "text"), GOOD)
def test_good_file_passes(tmp_path, path, text):
    assert complaints(tmp_path, path, text) == []
