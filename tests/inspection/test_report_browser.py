"""The report in a real browser: nothing fails, nothing is fetched, nothing runs over the edge."""

import html
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from sklearn.decomposition import PCA, FactorAnalysis

from skrep.datasets import make_low_rank
from skrep.inspection import compare

pytest.importorskip("matplotlib")

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no chromium, chromium-browser or google-chrome on the path"
)

# Tells what the page looks like from inside; `seen` is the window whose document it is.
PROBE = """
<script>
addEventListener("load", () => {
  const frame = document.querySelector("iframe.probed");
  const seen = frame ? frame.contentWindow : window;
  const root = seen.document.documentElement;
  const all = [...seen.document.body.querySelectorAll("*")];
  const wide = all.filter(e => !e.closest(".scroll") && !e.closest("svg")
    && e.getBoundingClientRect().right > root.clientWidth + 1);
  document.title = "PROBE" + JSON.stringify({
    window: root.clientWidth,
    content: root.scrollWidth,
    over: wide.map(e => e.tagName + "." + e.className),
    table: seen.document.querySelector(".scroll table").getBoundingClientRect().width,
    rows: seen.document.querySelectorAll(".scroll table tbody tr").length,
    broken: [...seen.document.images].filter(i => !i.naturalWidth).length,
    images: seen.document.images.length,
    drawings: [...seen.document.querySelectorAll("svg")].filter(
      s => s.getBoundingClientRect().height > 20).length,
    fetched: seen.performance.getEntriesByType("resource").map(r => r.name)
      .filter(n => !n.startsWith("data:")),
  });
});
</script>
"""


class Trained(PCA):
    def fit(self, X, y=None):
        self.loss_curve_ = np.array([3.0, 2.0, 1.5])
        return super().fit(X)


class Failing(PCA):
    def fit(self, X, y=None):
        raise ValueError("a_message_without_any_place_to_break_it_" * 4)


@pytest.fixture(scope="module")
def page():
    X = make_low_rank(80, 9, rank=3, random_state=0)
    y = np.arange(80) % 4
    models = {
        "an estimator of a rather long name": Trained(3),
        "<b>FactorAnalysis</b>": FactorAnalysis(3),
        "Failing": Failing(3),
    }
    found = compare(
        models,
        X,
        y,
        baselines="pca",
        metrics=("reconstruction_r2", "linear_probe_accuracy", "knn_accuracy"),
        cv=3,
        random_state=0,
        verbose=0,
    )
    return found.to_html(title="In a browser")


def opened(text, folder, width):
    """Return the dumped document and what the browser logged, without its talk of the desktop."""
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--disable-dev-shm-usage", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr", "--v=0", f"--user-data-dir={folder / 'profile'}",
            f"--window-size={width},900", "--dump-dom", path.as_uri(),
        ],
        env={**os.environ, "HOME": str(folder)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = re.search(r"<title>PROBE(.*?)</title>", done.stdout)
    assert told, done.stdout[:2000]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, json.loads(html.unescape(told.group(1))), console


def check(probe, console):
    assert console == []
    assert probe["fetched"] == []
    assert probe["broken"] == 0
    assert probe["images"] == 3 + 4
    assert probe["drawings"] == 3 + 1
    assert probe["over"] == []
    assert probe["content"] <= probe["window"]


def test_wide_window(page, tmp_path):
    dom, probe, console = opened(page.replace("</body>", f"{PROBE}</body>"), tmp_path, 1280)
    check(probe, console)
    assert probe["window"] > 1200
    # Wide enough for all columns.
    assert probe["table"] <= probe["window"]
    assert probe["rows"] >= 4
    assert "&lt;b&gt;FactorAnalysis&lt;/b&gt;" in dom
    assert "On held-out reconstruction" in dom


def test_narrow_window(page, tmp_path):
    # Browsers on a desktop refuse windows as narrow as a phone; a frame may be.
    frame = (
        f'<!DOCTYPE html><meta charset="utf-8"><iframe class="probed" style="width:390px;'
        f'height:800px;border:0" srcdoc="{html.escape(page)}"></iframe>{PROBE}'
    )
    _, probe, console = opened(frame, tmp_path, 500)
    check(probe, console)
    assert probe["window"] == 390
    # What is wider than the window scrolls by itself.
    assert probe["table"] > probe["window"]


def test_the_probe_sees_trouble(tmp_path):
    text = (
        '<!DOCTYPE html><title>x</title><body><div class="scroll"><table></table></div>'
        '<img src="missing.png"><p style="width:3000px">wide</p><script>nothing()</script></body>'
    )
    _, probe, console = opened(text.replace("</body>", f"{PROBE}</body>"), tmp_path, 600)
    assert len(console) == 1
    assert probe["broken"] == 1
    assert probe["over"] == ["P."]
    assert probe["content"] > probe["window"]
    assert len(probe["fetched"]) <= 1
