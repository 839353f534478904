"""The command `python -m skrep`: whether autoencoders beat PCA on digits or on your own file."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["main", "make_estimators", "make_incomplete_estimators", "make_pair_estimators"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 2 for input it cannot use, 130 if stopped."""
    options = _parser().parse_args(argv)
    try:
        return _run(options)
    except KeyboardInterrupt:
        sys.stderr.write("skrep: stopped.\n")
        return 130


def _run(options: argparse.Namespace) -> int:
    # Layers of this size gain little from a second thread, and lose a factor of ten to it when
    # another process wants the core. Read when torch is loaded, hence before the imports.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from skrep.inspection._demo import DemoModels, DemoOptions, run_demo
    from skrep.inspection._read_file import InputError

    try:
        models = DemoModels(make_estimators, make_pair_estimators, make_incomplete_estimators)
        run_demo(DemoOptions(**vars(options)), models)
    except InputError as error:
        sys.stderr.write(f"skrep: {error}\n")
        return 2
    return 0


def make_estimators(n_components: int, fast: bool) -> dict[str, Any]:
    """Return the models that are compared, all with codes of `n_components` numbers.

    Parameters
    ----------
    n_components : int
        Size of every code.
    fast : bool
        Train for a few epochs only, to see that everything runs.

    Returns
    -------
    dict of str to estimator
    """
    # Loaded here: `--help` and a mistyped file name should not wait for torch.
    from sklearn.decomposition import PCA, FactorAnalysis
    from sklearn.neural_network import BernoulliRBM
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    from skrep.autoencoder import VAE, Autoencoder, DenoisingAutoencoder, SparseAutoencoder

    rbm = BernoulliRBM(n_components, learning_rate=0.01, n_iter=5 if fast else 50)
    networks = (Autoencoder, DenoisingAutoencoder, SparseAutoencoder, VAE)
    models: dict[str, Any] = {
        "PCA": PCA(n_components),
        "FactorAnalysis": FactorAnalysis(n_components),
        "BernoulliRBM": make_pipeline(MinMaxScaler(clip=True), rbm),
    }
    for network in networks:
        model = network(n_components)
        models[network.__name__] = model.set_params(max_epochs=5) if fast else model
    return models


def make_pair_estimators(n_components: int, fast: bool) -> dict[str, Any]:
    """Return the models of two views that are compared, a code of `n_components` for each view.

    Parameters
    ----------
    n_components : int
        Size of every code.
    fast : bool
        Train for a few epochs only, to see that everything runs.

    Returns
    -------
    dict of str to estimator
    """
    from sklearn import cross_decomposition
    from sklearn.decomposition import PCA

    from skrep.compose import PairedEstimator, PerView
    from skrep.cross_decomposition import CCA, DCCA, DCCAE

    models: dict[str, Any] = {
        "PCA per view": PerView(PCA(n_components)),
        "CCA (scikit-learn)": PairedEstimator(cross_decomposition.CCA(n_components, max_iter=5000)),
        "PLSCanonical": PairedEstimator(cross_decomposition.PLSCanonical(n_components)),
        "CCA": CCA(n_components, regularization="auto"),
    }
    for network in (DCCA, DCCAE):
        model = network(n_components)
        models[network.__name__] = model.set_params(max_epochs=5) if fast else model
    return models


def make_incomplete_estimators(n_components: int, fast: bool) -> dict[str, Any]:
    """Return the models that are compared where samples lack views, which all of these accept.

    Parameters
    ----------
    n_components : int
        Size of every code.
    fast : bool
        Train for a few epochs only, to see that everything runs.

    Returns
    -------
    dict of str to estimator
    """
    from skrep.multimodal import MultimodalAutoencoder, MultimodalVAE

    models: dict[str, Any] = {}
    for network in (MultimodalAutoencoder, MultimodalVAE):
        model = network(n_components)
        models[network.__name__] = model.set_params(max_epochs=5) if fast else model
    return models


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m skrep",
        description="Compare autoencoders with PCA, factor analysis and an RBM at equal code "
        "size: a table, a verdict and a picture; with several views also what two of them share. "
        "Where samples lack views, multimodal models are compared with what PCA and CCA can do "
        "then. Without FILE: on the shipped digits in six views.",
    )
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE",
        help="a CSV of numbers with a header line, a .parquet, or an .npz of 2-D arrays as views",
    )  # fmt: skip
    parser.add_argument(
        "--label", metavar="COLUMN", help="column, or 1-D array (npz; 'y' if there), of classes"
    )
    parser.add_argument(
        "--views", nargs="+", metavar="VIEW",
        help="after FILE: 'NAME=PATTERN[,PATTERN...]' over column names, as in 'rna=rna_*', or "
        "'rna_' for the columns that start so; for an npz, names of arrays. Other columns are "
        "left out. A row with nothing in a view is a sample that lacks it",
    )  # fmt: skip
    parser.add_argument(
        "--components", dest="n_components", type=_positive, metavar="N",
        help="size of the code (16, or half the columns if they are fewer than 32)",
    )  # fmt: skip
    parser.add_argument(
        "--folds", dest="n_folds", type=_two_or_more, metavar="K", help="folds (3; 2 with --fast)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("skrep-report"), metavar="DIR",
        help="folder for the picture (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--report", type=Path, metavar="PATH", help="HTML file to write the full report to"
    )
    parser.add_argument("--seed", type=_seed, default=0, metavar="S", help="seed (%(default)s)")
    parser.add_argument(
        "--fast", action="store_true", help="400 rows and 5 epochs: does it run, not how good"
    )
    return parser


def _positive(text: str) -> int:
    return _at_least(1, text)


def _two_or_more(text: str) -> int:
    return _at_least(2, text)


def _seed(text: str) -> int:
    return _at_least(0, text)


def _at_least(minimum: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = minimum - 1
    if value < minimum:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of {minimum} or more")
    return value


if __name__ == "__main__":
    sys.exit(main())
