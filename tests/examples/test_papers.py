"""The scripts in `examples/papers/` run, in `--quick` mode, and print what they say they print."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

PAPERS = Path(__file__).parents[2] / "examples" / "papers"


@pytest.fixture(scope="module")
def main():
    return runpy.run_path(str(PAPERS / "mnist_autoencoders.py"))["main"]


def test_every_figure_is_printed(main, folder, printed_rows):
    main(["--data", str(folder), "--quick"])
    rows = printed_rows()
    assert [row[0].split()[0].rstrip(",") for row in rows] == [
        "reconstruction",
        "linear",
        "denoising",
        "VAE",
    ]
    assert all(np.isfinite(float(row[1].split()[0])) for row in rows)
    assert all(float(row[3]) >= 0 for row in rows)


def test_pca_beside_ours_is_in_squared_pixels_per_image(main, folder, images, printed_rows):
    main(["--data", str(folder), "--quick", "--only", "reconstruction"])
    rows = printed_rows()
    train, test = (images[i].reshape(-1, 784) / 255 for i in (0, 2))
    pca = PCA(4).fit(train)
    error = np.square(test - pca.inverse_transform(pca.transform(test))).sum(axis=1).mean()
    assert f"PCA {error:.2f} (measured here)" in rows[0][2]


def test_denoising_is_compared_with_the_share_of_ink_removed(main, folder, images, printed_rows):
    main(["--data", str(folder), "--quick", "--only", "denoising"])
    (row,) = printed_rows()
    before = float(row[2].removeprefix("spoiled input ").split()[0])
    squares = np.square(images[2].reshape(-1, 784) / 255)
    # 100 images lose 0.3 of their ink; five standard errors of that sum: false alarms 6e-7.
    error = 5 * np.sqrt(0.21 * np.square(squares).sum()) / len(squares)
    assert before == pytest.approx(0.3 * squares.sum(axis=1).mean(), abs=error + 0.005)


def test_an_unknown_figure_is_refused(main, folder, capsys):
    with pytest.raises(SystemExit):
        main(["--data", str(folder), "--only", "denoising,vea"])
    assert "--only takes reconstruction, denoising, vae; got 'denoising,vea'" in (
        capsys.readouterr().err
    )
