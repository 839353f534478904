"""The script of the multimodal autoencoder runs, in `--quick` mode, and prints what it says."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from skrep.datasets import make_multiview
from skrep.utils.settings import Fusion

PAPERS = Path(__file__).parents[2] / "examples" / "papers"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(PAPERS / "multimodal_autoencoder.py"))


def test_every_fusion_is_compared_on_mfeat(script, printed_rows):
    script["main"](["--quick", "--only", "mfeat"])
    rows = printed_rows()
    assert [row[0].split(",")[1].split(":")[0].strip() for row in rows] == [
        kind for kind in Fusion.KINDS for _ in range(2)
    ]
    assert all(0 < float(row[1]) <= 1 for row in rows)


def test_halves_are_measured_against_ridge(script, folder, images, printed_rows):
    script["main"](["--data", str(folder), "--quick", "--only", "halves"])
    ((_, ours, beside, _),) = printed_rows()
    left, right, test_left, test_right = (
        (images[i] / 255)[:, :, part].reshape(len(images[i]), -1)
        for i in (0, 2)
        for part in (slice(14), slice(14, None))
    )
    error = np.square(Ridge(1.0).fit(left, right).predict(test_left) - test_right).sum(axis=1)
    assert beside.startswith(f"ridge {error.mean():.2f} ")
    assert float(ours) > 0


def test_proteins_are_imputed(script, seed, tmp_path, printed_rows):
    views = make_multiview(90, (12, 10, 8), n_private=0, random_state=seed)
    y = np.arange(90) % 3
    names = ("mirna", "mrna", "protein")
    parts = {f"{n}_train": a[:60] for n, a in zip(names, views.arrays, strict=True)}
    parts |= {f"{n}_test": a[60:] for n, a in zip(names[:2], views.arrays, strict=False)}
    np.savez(tmp_path / "tcga_breast_mixomics.npz", **parts, y_train=y[:60], y_test=y[60:])
    script["main"](["--data", str(tmp_path), "--quick", "--only", "tcga"])
    accuracy, r2 = printed_rows()
    assert 0 <= float(accuracy[1]) <= 1
    # Shared factors only: most of the third view follows from the others.
    assert float(r2[1]) > 0.5


def test_an_unknown_figure_is_refused(script, capsys):
    with pytest.raises(SystemExit):
        script["main"](["--only", "tcga,mfaet"])
    assert "--only takes mfeat, halves, tcga; got 'tcga,mfaet'" in capsys.readouterr().err
