"""Every page of the gallery runs, draws and says something, on an eighth of the data."""

import ast
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

import skrep.datasets
from skrep.engine.net import Net
from skrep.nn import rbm_partition

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "examples").glob("plot_*.py"))
MAX_LINES = 80
MAX_EPOCHS = 2
MAX_TEMPERATURES = 20


@pytest.fixture
def fast(monkeypatch):
    """Train and anneal briefly, and load every eighth digit; the pages know nothing of it."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    train, load, ladder = Net.run, skrep.datasets.load_mfeat, rbm_partition.temperature_ladder

    def run_briefly(net, *args, **kwargs):
        net.max_epochs = min(net.max_epochs, MAX_EPOCHS)
        # Two epochs leave early stopping nothing to wait for, and it would warn.
        net.plan.expects_stop = 0
        return train(net, *args, **kwargs)

    def load_some(*, return_X_y=False, as_frame=False):
        digits = load(as_frame=as_frame)
        for name in ("data", "target", "frame"):
            whole = digits[name]
            if whole is not None:
                # Rows are sorted by class, 200 each, so that classes keep their shares.
                digits[name] = whole.iloc[::8] if as_frame else whole[::8]
        return (digits.data, digits.target) if return_X_y else digits

    monkeypatch.setattr(Net, "run", run_briefly)
    monkeypatch.setattr(
        rbm_partition, "temperature_ladder", lambda n: ladder(min(n, MAX_TEMPERATURES))
    )
    monkeypatch.setattr(skrep.datasets, "load_mfeat", load_some)
    pyplot.switch_backend("agg")
    # Without a screen it would only warn.
    monkeypatch.setattr(pyplot, "show", lambda **_: None)
    pyplot.close("all")
    yield pyplot
    pyplot.close("all")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
class TestPage:
    def test_runs_and_shows(self, page, fast, capsys):
        before = np.random.get_state(legacy=False)["state"], torch.get_rng_state()  # noqa: NPY002
        runpy.run_path(str(page))
        after = np.random.get_state(legacy=False)["state"], torch.get_rng_state()  # noqa: NPY002
        drawn = [ax for number in fast.get_fignums() for ax in fast.figure(number).axes]
        assert any(ax.has_data() for ax in drawn), "no picture"
        assert capsys.readouterr().out.strip(), "no number"
        np.testing.assert_equal(after[0], before[0], "the global generator of NumPy moved")
        assert torch.equal(after[1], before[1]), "the global generator of torch moved"
        # What is laid out only when it is drawn may warn only then.
        for number in fast.get_fignums():
            fast.figure(number).canvas.draw()

    def test_reads_like_a_page(self, page):
        text = page.read_text(encoding="utf-8")
        lines = text.splitlines()
        assert len(lines) < MAX_LINES
        assert max(map(len, lines)) <= 100
        title, rule, *rest = ast.get_docstring(ast.parse(text)).splitlines()
        assert set(rule) == {"="}
        assert len(rule) >= len(title)
        assert any(rest)
        cells = [line for line in lines if line.startswith("# %%")]
        assert cells, "a page is text between blocks of code"
        assert "__main__" not in text
        prose = "\n".join([title, *rest, *(line for line in lines if line.startswith("# "))])
        unquoted = re.sub(r"``[^`]+``|`[^`]+`_|:\w+:`[^`]+`", "", prose)
        assert "`" not in unquoted, "code is between two backticks in reStructuredText"


def test_the_course_lists_every_page():
    tree = ast.parse((ROOT / "docs" / "_ext" / "course.py").read_text(encoding="utf-8"))
    course = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "COURSE"
    )
    assert sorted(course) == [page.name for page in PAGES]
