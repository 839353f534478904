import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA

from skrep.datasets import make_low_rank
from skrep.inspection._report_picture import Pictured, draw_report
from skrep.inspection._report_text import Cell, format_table, layout
from skrep.inspection._report_text import verdict as verdict_on
from skrep.inspection._run import run_comparison


def folds(**scores):
    return {"reconstruction_r2": {name: np.array(row) for name, row in scores.items()}}


def verdict(scores):
    """Speak of folds, where the share of held-out to training rows is 1 / (n - 1)."""
    counts = [len(row) for rows in scores.values() for row in rows.values()]
    return verdict_on(scores, 1 / (counts[0] - 1) if counts else 1.0)


def test_verdict_names_a_clear_winner_and_the_gaps():
    text = verdict(folds(PCA=[0.60, 0.61, 0.62], AE=[0.70, 0.71, 0.73], FA=[0.5, 0.5, 0.5]))
    assert text == (
        "On held-out reconstruction AE wins clearly with R² 0.713, 0.103 ± 0.006 above PCA."
    )
    text = verdict(folds(PCA=[0.60, 0.61, 0.62], AE=[0.70, 0.71, 0.73], VAE=[0.68, 0.69, 0.71]))
    assert "0.020 ± 0.000 above VAE and 0.103 ± 0.006 above PCA." in text


def test_verdict_is_modest_where_the_folds_cannot_tell():
    text = verdict(folds(PCA=[0.60, 0.70], AE=[0.66, 0.65]))
    assert "there is no clear winner: AE leads with R² 0.655, but PCA (0.005 ±" in text
    assert text.endswith("is too close to tell over these folds.")
    text = verdict(folds(PCA=[0.5, 0.5], AE=[0.66, 0.65], VAE=[0.65, 0.655]))
    assert "VAE (0.003 ± 0.011 behind) is too close" in text
    assert text.endswith("while PCA is 0.155 ± 0.007 behind.")
    text = verdict(folds(PCA=[0.6, 0.7], a=[0.7, 0.61], b=[0.6, 0.7], c=[0.7, 0.6]))
    assert "and 2 others are too close" in text


@pytest.mark.parametrize(("n_folds", "factor"), [(2, 15.6), (3, 3.93), (5, 1.86)])
def test_clear_needs_the_documented_number_of_standard_deviations(n_folds, factor):
    noise = np.arange(n_folds) - np.mean(np.arange(n_folds))
    noise /= noise.std(ddof=1) * 100
    for share, clear in ((0.98, False), (1.02, True)):
        gap = 0.01 * factor * share + noise
        text = verdict(folds(PCA=[0.5] * n_folds, AE=list(0.5 + gap)))
        assert ("wins clearly" in text) == clear


def test_verdict_says_when_pca_is_the_best():
    assert "PCA wins clearly" in verdict(folds(PCA=[0.8, 0.81], AE=[0.5, 0.5]))


def test_verdict_speaks_of_every_measure_it_knows():
    values = folds(PCA=[0.6, 0.61])
    assert verdict(values) == "On held-out reconstruction PCA has R² 0.605."
    values["linear_probe_accuracy"] = {"PCA": np.array([0.9, 0.9])}
    assert verdict(values).endswith("; on the linear probe PCA has an accuracy of 0.900.")
    own = {"mine": {"PCA": np.array([1.0, 2.0])}}
    assert verdict(own) == "On mine PCA has a score of 1.500."
    assert verdict({}) == verdict({"reconstruction_r2": {}}) == "Nothing could be measured."


def test_table_is_sorted_aligned_and_shows_gaps():
    table = pd.DataFrame(
        {
            "n_components": [2, 2, pd.NA],
            "reconstruction_r2": [0.5, 0.75, np.nan],
            "reconstruction_r2_std": [0.01, 0.02, np.nan],
            "fit_seconds": [0.0123, 12.3, np.nan],
            "transform_seconds": [0.001, 0.002, np.nan],
            "peak_memory": [0.2, 12.0, np.nan],
        },
        index=["short", "a longer name", "failed"],
    )
    notes = {("short", "reconstruction_r2"): 3}
    rows = layout(table, ["reconstruction_r2"], notes, lambda *_: True)
    assert rows[1][2] == Cell("0.750 ± 0.020", best=True)
    assert rows[2][2] == Cell("0.500 ± 0.010", close=True, note=3)
    lines = format_table(rows).splitlines()
    assert [line.split("  ")[0] for line in lines[2:]] == ["a longer name", "short", "failed"]
    assert lines[2].endswith("12.3 s       2 ms  12 MiB")
    assert "0.500 ± 0.010 [3]" in lines[3]
    assert lines[4].count("–") == 5
    assert len(set(map(len, lines))) == 1


@pytest.fixture
def pictured(seed):
    X = make_low_rank(60, 12, rank=3, random_state=seed)
    y = np.arange(60) % 3
    models = {"PCA": PCA(3), "one": PCA(1)}
    done = run_comparison(models, X, y, cv=2, random_state=seed, verbose=0)
    return Pictured("toy", done.table, done.models, done.held_out, done.held_out_labels)


def test_picture_shows_codes_and_heat_maps(pictured, tmp_path):
    pytest.importorskip("matplotlib")
    held_out = pictured.held_out.copy()
    figure = draw_report(pictured)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[0].startswith("PCA\nR² 0.")
    assert titles[2:5] == ["original", "PCA", "one"]
    np.testing.assert_array_equal(held_out, pictured.held_out)
    figure.savefig(tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"


def test_picture_shows_images_losses_and_unlabelled_codes(pictured, tmp_path):
    pytest.importorskip("matplotlib")
    pictured.labels = None
    pictured.image_shape = (3, 4)
    pictured.models["PCA"].loss_curve_ = np.array([3.0, 2.0, 1.0])
    figure = draw_report(pictured)
    (losses,) = [ax for ax in figure.axes if ax.get_title() == "PCA"]
    np.testing.assert_array_equal(losses.lines[0].get_ydata(), [3.0, 2.0, 1.0])
    strip = next(ax for ax in figure.axes if ax.get_ylabel() == "original")
    # Ten images of 3 x 4, each in a frame one pixel wide.
    assert strip.images[0].get_array().shape == (5, 60)
    shown = strip.images[0].get_array()[1:4, 1:5]
    np.testing.assert_allclose(shown, pictured.held_out[0].reshape(3, 4))
    figure.savefig(tmp_path / "b.png")


def test_picture_without_matplotlib_says_what_to_install(pictured, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"needs matplotlib\. Install it with `pip install skre"):
        draw_report(pictured)


def test_picture_shows_every_class_of_many_sorted_rows(seed):
    pytest.importorskip("matplotlib")
    X, y = make_low_rank(1200, 4, rank=2, random_state=seed), np.repeat(np.arange(3), 400)
    table = pd.DataFrame({"reconstruction_r2": [0.5]}, index=["PCA"])
    figure = draw_report(Pictured("sorted", table, {"PCA": PCA(2).fit(X)}, X, y))
    counts = [len(points.get_offsets()) for points in figure.axes[0].collections]
    assert sum(counts) == 400
    assert max(counts) - min(counts) <= 2
