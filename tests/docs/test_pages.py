"""Every Python block of every page runs, in order, and prints what the page says it prints.

A comment behind a `print` that begins like a value is a claim: `print(codes.shape)  # (500, 8)`.
After the value, punctuation may be followed by words: `# True; chance is 0.1`. A comment that
begins with a word explains and claims nothing.
"""

import ast
import contextlib
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    # What the documentation build makes is not written by hand.
    if not {"_build", "api", "gallery"} & set(path.relative_to(ROOT).parts)
    and path != ROOT / "docs" / "api.md"
)
# The second kind stands beside the same work in another library, under the caption of ours.
BLOCK = re.compile(
    r"^```(?:python|\{code-block\} python\n:caption: skrep)\n(.*?)^```", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
TOCTREE = re.compile(r"^:::\{toctree\}\n(.*?)^:::", re.MULTILINE | re.DOTALL)
TARGET = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)
CLAIM = re.compile(r"[-(\[{'\"\d]|(True|False|None)\b")


def blocks(text: str) -> list[tuple[int, str]]:
    """Return (line number of the first line of code, code) for each block."""
    return [(text[: m.start(1)].count("\n"), m.group(1)) for m in BLOCK.finditer(text)]


def comments(code: str) -> dict[int, str]:
    """Return the comment of each line that has one, line numbers from 1."""
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}


def claimed(node: ast.stmt, said: dict[int, str]) -> str | None:
    """Return what a statement is said to print and the words behind it; None without a claim."""
    prints = (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "print"
    )
    comment = said.get(node.end_lineno or 0, "")
    return comment if prints and CLAIM.match(comment) else None


def agrees(printed: str, claim: str) -> bool:
    """Tell whether a claim is what was printed, words after punctuation aside."""
    printed, claim = " ".join(printed.split()), " ".join(claim.split())
    return claim == printed or any(claim.startswith(printed + mark) for mark in ":;,")


def run_page(path: Path) -> list[str]:
    """Run all blocks in one namespace and return the claims that are not true."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    wrong = []
    for lines_before, code in blocks(path.read_text(encoding="utf-8")):
        said = comments(code)
        for node in ast.parse(code).body:
            claim = claimed(node, said)
            # A traceback names the page's own line.
            ast.increment_lineno(node, lines_before)
            compiled = compile(ast.Module([node], []), str(path), "exec")
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compiled, namespace)
            if claim is not None and not agrees(printed.getvalue(), claim):
                found = " ".join(printed.getvalue().split())
                wrong.append(f"line {node.lineno}: says {claim!r}, prints {found!r}")
    return wrong


def has_code(path: Path) -> bool:
    return bool(blocks(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "path", [p for p in PAGES if has_code(p)], ids=lambda p: str(p.relative_to(ROOT))
)
def test_page_runs(path, tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    matplotlib.use("Agg")
    try:
        assert run_page(path) == []
    finally:
        from matplotlib import pyplot as plt

        plt.close("all")


def anchors(path: Path) -> set[str]:
    """Return what can be linked to on a page: headings, as the build names them, and targets."""
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    slugs = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in HEADING.findall(text)}
    return slugs | set(TARGET.findall(text))


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(path):
    for target, anchor in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        page = path.parent / target if target else path
        # The pages of the API and of the gallery are written by the documentation build.
        made = {"api", "auto_examples", "gallery"} & set(Path(target).parts)
        if made or Path(target).name == "api.md":
            continue
        assert page.exists(), f"{path.name} links to {target}"
        if anchor and page.suffix == ".md":
            assert anchor in anchors(page), f"{path.name} links to {target}#{anchor}"


def listed(path: Path) -> set[Path]:
    """Return the pages that the tables of contents of a page name."""
    tables = TOCTREE.findall(path.read_text(encoding="utf-8"))
    names = {re.sub(r".*<(.+)>$", r"\1", line) for table in tables for line in table.splitlines()}
    return {path.parent / f"{name}.md" for name in names if name and not name.startswith(":")}


def test_every_page_is_in_the_contents():
    """A page that no table of contents names cannot be found."""
    docs = ROOT / "docs"
    pages = {p for p in PAGES if docs in p.parents and p.parent.name != "changes"}
    assert pages - set().union(*map(listed, pages)) == {docs / "index.md"}


def test_a_failing_block_names_its_line(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text\n\n```python\nx = 1\n```\n\n```python\nx += 1\nassert x == 1\n```\n")
    with pytest.raises(AssertionError) as caught:
        run_page(page)
    assert caught.traceback[-1].lineno == 8  # counted from 0: the ninth line of the page


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("print(1 + 1)  # 2", 0),
        ("print(1 + 1)  # 3", 1),
        ("print(True)  # True; chance is 0.1", 0),
        ("print(12)  # 1", 1),
        ("print(1)  # 12", 1),
        ("print((1, 2))  # the two numbers", 0),
        ("x = 1  # 2", 0),
    ],
)
def test_claims_are_compared(tmp_path, line, wrong):
    page = tmp_path / "page.md"
    page.write_text(f"```python\n{line}\n```\n")
    assert len(run_page(page)) == wrong
