import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.preprocessing import MinMaxScaler

from skrep import Views
from skrep.datasets import make_low_rank, make_multiview
from skrep.inspection import compare
from skrep.inspection._baselines import MeanFilled
from skrep.inspection._report_html import Part, html_report
from skrep.inspection._report_picture import Pictured, codes_in_plane, decoded

pytest.importorskip("matplotlib")

NASTY = '<b>x</b> & "y" $z$ 自'
VOID = {"meta", "link", "img", "br", "hr"}


class Failing(PCA):
    def fit(self, X, y=None):
        raise ValueError("broken <script>alert(1)</script>")


class Trained(PCA):
    def fit(self, X, y=None):
        self.loss_curve_ = np.array([3.0, 2.0, 1.5])
        return super().fit(X)


class Mute(MinMaxScaler):
    """Cannot decode what it is asked to, though it says it can."""

    def inverse_transform(self, X):
        raise RuntimeError("never")


class Page(HTMLParser):
    """Collects what is on a page, and fails where an element is not closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.seen, self.ids, self.links, self.texts = [], [], [], [], {}
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "xlink:href", "action", "srcset", "data"):
                self.links.append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and text.strip():
            self.texts.setdefault(self.open[-1], []).append(text.strip())

    def all(self, tag):
        return [attrs for name, attrs in self.seen if name == tag]


@pytest.fixture(scope="module")
def found():
    X = make_low_rank(80, 9, rank=3, random_state=0)
    y = np.array(["left", "right & <i>up</i>"])[(X[:, 0] > 0).astype(int)]
    models = {NASTY: Trained(3), "FactorAnalysis": FactorAnalysis(3), "failing": Failing(2)}
    metrics = ("reconstruction_r2", "linear_probe_accuracy")
    return compare(models, X, y, baselines="pca", metrics=metrics, cv=3, random_state=0, verbose=0)


@pytest.fixture(scope="module")
def incomplete():
    left, right = make_multiview(60, (4, 5), random_state=0)
    present = np.ones((60, 2), dtype=bool)
    present[:8, 0] = present[8:20, 1] = False
    X = Views({"rna": left, "protein": right}, present=present)

    models = {"filled": MeanFilled(PCA(3))}
    return compare(models, X, baselines="cca", cv=3, random_state=0, verbose=0)


@pytest.fixture(scope="module")
def text(found):
    return found.to_html(title="Data <1> & co")


def check(text):
    """Return the parsed page, after what every page must hold to."""
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    inside = [link for link in page.links if link.startswith("#")]
    assert {link[1:] for link in inside} <= set(page.ids)
    assert all(link.startswith(("#", "data:")) for link in page.links)
    assert not page.all("script")
    assert "@import" not in text
    # The only addresses are the names of SVG's vocabularies.
    assert set(re.findall(r"https?://[^\s\"'<]*", text)) <= {"http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"url\(([^)#])", text)) == set()
    return page


def test_page_stands_alone_and_says_everything(found, text):
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    page = check(text)
    assert {"charset": "utf-8"} in page.all("meta")
    assert page.texts["title"] == page.texts["h1"] == ["Data <1> & co"]
    assert found.verdict() in page.texts["p"]
    assert page.texts["li"][:4] == ["80 samples", "9 features", "2 classes", "3 splits"]
    assert page.texts["h3"] == [
        "Every split",
        "What the splits can tell",
        "Codes of held-out rows",
        "What comes back from the codes",
        "Training loss",
        "Settings",
    ]
    for note in found.notes:
        assert note in page.texts["li"]
    assert "R² against PCA" in page.texts["summary"]
    assert any("skrep 0." in line and "scikit-learn" in line for line in page.texts["p"])
    assert "linear probe" in page.texts["dt"]


def test_table_marks_best_close_and_empty_cells(found, text):
    page = Page(text)
    rows = found._layout()
    bold = [cell.text for row in rows for cell in row if cell.best]
    assert page.texts["b"] == [*bold, "Bold"]
    assert {"href": "#p1-note-2"} in page.all("a") or {"href": "#p1-note-1"} in page.all("a")
    assert page.texts["th"][: len(rows[0])] == [cell.text for cell in rows[0]]
    assert page.texts["small"] == ["baseline"]


def test_names_show_as_text(text):
    page = check(text)
    assert "<b>x</b>" not in text
    assert "<script" not in text
    assert "<i>up" not in text
    assert NASTY in page.texts["th"]
    assert NASTY in page.texts["figcaption"]
    assert NASTY in page.texts["text"]
    assert "right & <i>up</i>" in page.texts["span"]


def test_every_picture_has_words_for_it(text):
    page = Page(text)
    pictures = [svg["aria-label"] for svg in page.all("svg")]
    images = [img["alt"] for img in page.all("img")]
    assert pictures[0].startswith("R² of each estimator on each split. Means: ")
    assert pictures[-1] == f"Training loss of {NASTY} over 3 epochs, from 3 to 1.5."
    # Codes of three models, then the data and what comes back from each code.
    assert len(images) == 3 + 4
    assert all(img["src"].startswith("data:image/png;base64,iVBOR") for img in page.all("img"))


def test_settings_are_those_given_and_those_of_baselines(text):
    page = Page(text)
    assert page.texts["pre"] == ["Trained(n_components=3)", "FactorAnalysis(n_components=3)",
                                 "Failing(n_components=2)", page.texts["pre"][3]]  # fmt: skip
    assert page.texts["pre"][3].startswith("PCA(n_components=3")


def test_differences_are_called_clear_only_if_they_are(text):
    told = re.findall(r"<td>([−+][^<]*)</td><td>([^<]*)</td><td>([^<]*)</td><td>(\w+)</td>", text)
    assert told
    for difference, _, p_holm, finding in told:
        clear = "better" if difference.startswith("+") else "worse"
        assert finding == (clear if p_holm != "–" and float(p_holm[-5:]) < 0.05 else "no")


def test_incomplete_views_are_shown(incomplete):
    page = check(incomplete.to_html())
    assert "2 views (rna 4, protein 5 columns)" in page.texts["li"]
    assert "samples that lack a view: rna 8, protein 12" in page.texts["li"]
    assert "imputed R²" in page.texts["dt"]
    captions = page.texts["figcaption"]
    assert "filled" in captions
    assert "CCA (scikit-learn) on complete rows" in captions


def test_a_model_that_codes_complete_rows_leaves_the_others_clear(incomplete):
    name = "CCA (scikit-learn) on complete rows"
    model, X = incomplete.models[name], incomplete.held_out
    complete = X.present.all(axis=1)
    points, rows = codes_in_plane(model, X)
    np.testing.assert_array_equal(rows, np.flatnonzero(complete))
    assert points.shape == (complete.sum(), 2)
    back = decoded(model, X, np.arange(len(X)))
    np.testing.assert_array_equal(np.isfinite(back).all(axis=1), complete)
    np.testing.assert_array_equal(np.isnan(back).all(axis=1), ~complete)


def test_codes_keep_their_widest_directions(seed):
    X = make_low_rank(50, 6, rank=4, random_state=seed)
    model = PCA(4).fit(X)
    points, rows = codes_in_plane(model, X)
    expected = PCA(2).fit_transform(model.transform(X))
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-5)
    np.testing.assert_array_equal(rows, np.arange(50))


def test_what_a_model_lacks_is_left_out(seed):
    X = make_low_rank(40, 5, rank=2, random_state=seed)
    assert decoded(FactorAnalysis(2).fit(X), X, np.arange(3)) is None
    assert decoded(Mute().fit(X), X, np.arange(3)) is None
    found = compare(
        [FactorAnalysis(2)], X, baselines=None, metrics={"zero": lambda *_: 0.0}, cv=2, verbose=0
    )
    page = check(found.to_html())
    assert "What comes back from the codes" not in page.texts["h3"]
    assert "Training loss" not in page.texts["h3"]
    # One estimator differs from none.
    assert "What the splits can tell" not in page.texts["h3"]


def test_images_are_shown_as_images(seed):
    X = make_low_rank(40, 12, rank=2, random_state=seed)
    found = compare([PCA(2)], X, baselines=None, cv=2, verbose=0)
    pictured = Pictured("x", found.table, found.models, found.held_out, None, (3, 4))
    text = html_report([Part(found, "one", ["Said first."], pictured), Part(found, "two")], "both")
    page = check(text)
    assert page.texts["h2"] == ["one", "two", "How it was measured"]
    assert "Said first." in page.texts["p"]
    assert page.all("img")[1]["alt"] == "10 held-out images, as they are."
    assert {"href": "#p2"} in page.all("a")


def test_one_split_has_no_p_value(seed):
    X = make_low_rank(40, 5, rank=2, random_state=seed)
    split = [(np.arange(30), np.arange(30, 40))]
    found = compare([PCA(2), FactorAnalysis(2)], X, baselines=None, cv=split, verbose=0)
    text = found.to_html()
    assert "1 split</li>" in text
    assert "<td>–</td><td>–</td><td>no</td>" in text


def test_sparse_data_are_pictured(seed):
    sp = pytest.importorskip("scipy.sparse")
    X = sp.csr_matrix(np.maximum(make_low_rank(40, 5, rank=2, random_state=seed), 0.0))
    found = compare([PCA(2, svd_solver="arpack")], X, baselines=None, cv=2, verbose=0)
    assert "What comes back from the codes" in found.to_html()


def test_drawing_leaves_no_trace_and_repeats(found, text, tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    before = dict(plt.rcParams)
    held_out = found.held_out.copy()
    path = tmp_path / "report.html"
    assert found.to_html(path, title="Data <1> & co") is None
    assert path.read_text(encoding="utf-8") == text
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before
    np.testing.assert_array_equal(found.held_out, held_out)


def test_without_matplotlib_the_page_says_so(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = check(found.to_html())
    assert not page.all("img")
    assert not page.all("svg")
    assert any(
        "This page has no pictures: A picture needs matplotlib. Install it with" in line
        for line in page.texts["p"]
    )
    assert found.verdict() in page.texts["p"]


def test_notebook_table_stands_inside_a_page(found):
    text = found._repr_html_()
    page = check(text)
    assert text.startswith('<div class="skrep-comparison">')
    assert NASTY in page.texts["th"]
    assert found.notes[0] in page.texts["li"]
    # A notebook shows many tables: ids would clash.
    assert page.ids == []
