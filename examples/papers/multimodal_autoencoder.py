"""MultimodalAutoencoder where views are absent, as a Markdown table.

    python examples/papers/multimodal_autoencoder.py --data DIR

DIR holds `mnist.npz` and `tcga_breast_mixomics.npz`; without it the environment variable
`SKREP_DATA` names the folder. mfeat is shipped. Figures are printed as measured:

mfeat   Ten-fold accuracy of a linear probe (`LogisticRegression` on standardised codes of complete
        training samples) on the joint code of each fusion: of complete test samples, and of the
        same with three of six views of each absent. Beside: PCA of all standardised features, with
        absent views at their means; and, sample by sample, the present view whose own PCA code
        validates best.
halves  Squared error of the right halves of the MNIST test images, imputed from the left ones, over
        that of ridge regression trained on the same 60000 images.
tcga    Subtypes of breast cancers from messenger and micro RNA, proteins absent in the whole test
        set: accuracy of a probe on joint codes of the training samples, with and without their
        proteins. And the mean R2 of proteins imputed in five-fold cross-validation.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep import Likelihood, Trainer, Views
from skrep.datasets import fetch_mnist, load_mfeat
from skrep.multimodal import MultimodalAutoencoder
from skrep.utils.settings import Fusion


def probe():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))


def side_by_side(views, scalers):
    """Return the views standardised, side by side; what is absent is at its mean."""
    parts = [s.transform(a) for s, a in zip(scalers, views.arrays, strict=True)]
    return np.nan_to_num(np.hstack(parts))


def lose_half(views, rng):
    """Make a random half of the views of each sample absent."""
    present = rng.random((len(views), views.n_views)).argsort(axis=1) < views.n_views // 2
    arrays = [np.where(p[:, None], a, np.nan) for a, p in zip(views.arrays, present.T, strict=True)]
    return Views(tuple(arrays), views.names)


def best_view(train, y, lost, scalers, size):
    """Return predictions from the present view whose own code validates best."""
    merits, guesses = [], []
    for array, test, scaler in zip(train.arrays, lost.arrays, scalers, strict=True):
        pca = PCA(min(size, array.shape[1])).fit(scaler.transform(array))
        codes = pca.transform(scaler.transform(array))
        merits.append(cross_val_score(probe(), codes, y, cv=3).mean())
        guesses.append(
            probe().fit(codes, y).predict(pca.transform(np.nan_to_num(scaler.transform(test))))
        )
    chosen = np.where(lost.present, merits, -1.0).argmax(axis=1)
    return np.array(guesses)[chosen, np.arange(len(chosen))]


def mfeat(args):
    size, n_folds = (8, 2) if args.quick else (64, 10)
    views, y = load_mfeat(return_X_y=True)
    if args.quick:
        views, y = views[::10], y[::10]
    found = {}
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    for i, (rows, test_rows) in enumerate(folds.split(y, y)):
        fold = (views[rows], y[rows], views[test_rows], y[test_rows])
        for name, scores in mfeat_fold(args, size, i, *fold):
            found.setdefault(name, []).append(scores)
    means = {name: np.mean(scores, axis=0) for name, scores in found.items()}
    for name in Fusion.KINDS:
        beside = f"PCA {means['PCA'][0]:.4f} (measured here)"
        yield f"mfeat, {name}, {size} components: accuracy", f"{means[name][0]:.4f}", beside
        beside = f"PCA, mean-filled {means['PCA'][1]:.4f}; best present view {means['view'][1]:.4f}"
        yield f"mfeat, {name}: half of the views absent", f"{means[name][1]:.4f}", beside


def mfeat_fold(args, size, i, train, y, test, y_test):
    """Yield names and accuracies, on complete samples and on those that lost half."""
    lost = lose_half(test, np.random.default_rng(i))
    scalers = [StandardScaler().fit(a) for a in train.arrays]
    yield "view", (np.nan, np.mean(best_view(train, y, lost, scalers, size) == y_test))
    pca = PCA(size, random_state=0).fit(side_by_side(train, scalers))

    def scores(transform):
        head = probe().fit(transform(train), y)
        return [head.score(transform(X), y_test) for X in (test, lost)]

    yield "PCA", scores(lambda X: pca.transform(side_by_side(X, scalers)))
    for name in Fusion.KINDS:
        # Standardised features as PCA has them; each view counts alike, which is the default.
        model = MultimodalAutoencoder(
            size, fusion=Fusion(name, denoise_views=True) if name == "early" else name,
            likelihood=Likelihood(scaling="feature"), max_epochs=1 if args.quick else 5,
            random_state=args.seed,
        ).fit(train)  # fmt: skip
        yield name, scores(model.transform)


def halves(args):
    n_epochs, sizes = (1, (32,)) if args.quick else (8, (1024, 512))
    train, test = (
        [half.reshape(len(half), -1) for half in np.split(b.data.reshape(-1, 28, 28), 2, axis=2)]
        for b in (fetch_mnist(data_home=args.data, subset=part) for part in ("train", "test"))
    )
    ridge = Ridge(1.0).fit(*train).predict(test[0])
    least = np.square(ridge - test[1]).sum(axis=1).mean()
    model = MultimodalAutoencoder(
        64, hidden_layer_sizes=sizes, max_epochs=n_epochs, learning_rate=2e-3,
        random_state=args.seed, trainer=Trainer(schedule="one_cycle"),
    ).fit(tuple(train))  # fmt: skip
    guess = model.impute((test[0], None))[1]
    error = np.square(guess - test[1]).sum(axis=1).mean()
    figure = f"MNIST right halves from left ones, {n_epochs} epochs: error / ridge's"
    yield figure, f"{error / least:.3f}", f"ridge {least:.2f} per image (measured here); goal: 0.72"


def tcga(args):
    sizes = (16,) if args.quick else (16, 32, 64)
    folder = Path(args.data or os.environ["SKREP_DATA"])
    with np.load(folder / "tcga_breast_mixomics.npz") as stored:
        names = ("mirna", "mrna", "protein")
        train = Views({name: stored[f"{name}_train"] for name in names})
        test = {"mirna": stored["mirna_test"], "mrna": stored["mrna_test"], "protein": None}
        y, y_test = stored["y_train"], stored["y_test"]
    scalers = [StandardScaler().fit(a) for a in train.arrays]
    for size in sizes:
        pca = PCA(size, random_state=0).fit(side_by_side(train, scalers))
        head = probe().fit(pca.transform(side_by_side(train, scalers)), y)
        known = np.hstack([s.transform(test[n]) for n, s in zip(names[:2], scalers, strict=False)])
        filled = np.hstack([known, np.zeros((len(known), train.widths[2]))])
        beside = f"PCA, mean-filled {head.score(pca.transform(filled), y_test):.4f} (measured here)"
        model = breast_model(size, args.seed).fit(train)
        without = {"mirna": train["mirna"], "mrna": train["mrna"], "protein": None}
        codes = np.vstack([model.transform(train), model.transform(without)])
        accuracy = probe().fit(codes, np.tile(y, 2)).score(model.transform(test), y_test)
        yield f"TCGA subtypes without proteins, {size} components", f"{accuracy:.4f}", beside
        yield (
            f"TCGA proteins imputed, {size} components: mean R2",
            f"{imputed_r2(train, size, args.seed):.3f}",
            f"ridge at its best penalty {ridge_r2(train):.3f} (measured here)",
        )


def breast_model(size, seed):
    # 150 samples of 526 features: what networks learn beyond the linear start does not carry over.
    return MultimodalAutoencoder(
        size, hidden_layer_sizes=(), likelihood=Likelihood(scaling="feature"), max_epochs=5,
        learning_rate=1e-4, random_state=seed,
    )  # fmt: skip


def imputed_r2(views, size, seed):
    found = []
    for rows, test_rows in KFold(5, shuffle=True, random_state=0).split(views["mrna"]):
        train, test = views[rows], views[test_rows]
        lost = {"mirna": test["mirna"], "mrna": test["mrna"], "protein": None}
        guess = breast_model(size, seed).fit(train).impute(lost)["protein"]
        found.append(mean_r2(test["protein"], guess, train["protein"].mean(axis=0)))
    return np.mean(found)


def ridge_r2(views):
    known = np.hstack([views["mirna"], views["mrna"]])
    found = []
    for alpha in (300.0, 1000.0, 3000.0):
        scores = []
        for rows, test_rows in KFold(5, shuffle=True, random_state=0).split(known):
            ridge = make_pipeline(StandardScaler(), Ridge(alpha))
            guess = ridge.fit(known[rows], views["protein"][rows]).predict(known[test_rows])
            base = views["protein"][rows].mean(axis=0)
            scores.append(mean_r2(views["protein"][test_rows], guess, base))
        found.append(np.mean(scores))
    return max(found)


def mean_r2(truth, guess, base):
    """Return the mean over columns of 1 - squared error / that of the training mean."""
    return (1 - np.square(truth - guess).sum(axis=0) / np.square(truth - base).sum(axis=0)).mean()


EXPERIMENTS = {"mfeat": mfeat, "halves": halves, "tcga": tcga}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="folder of the data files")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--only", help="comma-separated names among " + ", ".join(EXPERIMENTS))
    parser.add_argument("--quick", action="store_true", help="tiny models, to see that it runs")
    args = parser.parse_args(argv)
    names = args.only.split(",") if args.only else list(EXPERIMENTS)
    if not set(names) <= set(EXPERIMENTS):
        parser.error(f"--only takes {', '.join(EXPERIMENTS)}; got {args.only!r}")
    print("| figure | ours | beside | minutes |\n|---|---|---|---|")
    for name in names:
        started = time.perf_counter()
        rows = list(EXPERIMENTS[name](args))
        minutes = (time.perf_counter() - started) / 60
        for row in rows:
            print(f"| {' | '.join(row)} | {minutes:.1f} |", flush=True)


if __name__ == "__main__":
    main()
