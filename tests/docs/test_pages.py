"""Every Python block of every page runs, in order, as a reader would type it."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    if "_build" not in path.parts and "api" not in path.relative_to(ROOT).parts[1:2]
)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def blocks(text: str) -> list[tuple[int, str]]:
    """Return (line number of the first line of code, code) for each block."""
    return [(text[: m.start(1)].count("\n"), m.group(1)) for m in BLOCK.finditer(text)]


def run_page(path: Path) -> None:
    namespace: dict[str, object] = {"__name__": "__main__"}
    for lines_before, code in blocks(path.read_text(encoding="utf-8")):
        # Blank lines in front make a traceback name the page's own line.
        compiled = compile("\n" * lines_before + code, str(path), "exec")
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compiled, namespace)


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
        run_page(path)
    finally:
        from matplotlib import pyplot as plt

        plt.close("all")


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(path):
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        # The API page is written by the documentation build.
        found = (path.parent / target).exists() or Path(target).name == "api.md"
        assert found, f"{path.name} links to {target}"


def test_a_failing_block_names_its_line(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text\n\n```python\nx = 1\n```\n\n```python\nx += 1\nassert x == 1\n```\n")
    with pytest.raises(AssertionError) as caught:
        run_page(page)
    assert caught.traceback[-1].lineno == 8  # counted from 0: the ninth line of the page
