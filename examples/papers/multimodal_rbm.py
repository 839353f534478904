"""`MultimodalRBM` on MNIST: labels from images, few labels, right halves from left ones.

    python examples/papers/multimodal_rbm.py --data DIR

DIR holds `mnist.npz` or the four original files; without it the environment variable `SKREP_DATA`
names the folder. Three parts, which `--only labels,few,halves` chooses from, each a row or two of
the Markdown table that is printed:

labels: image and label are two views; the label of a test image is what the model imputes, its
exact p(label | image). few: 1000 labels and 59000 images without one. All of them train a sparse
machine, whose label connections hardly move; then the 1000 train it on. Beside it stands
scikit-learn's `LogisticRegression` on the pixels of the same 1000. halves: the right half of every
test image from its left half, beside ridge regression trained on the same data.
"""

import argparse
import time

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from skrep import Gradient, Sparsity, Trainer, Views
from skrep.datasets import fetch_mnist
from skrep.multimodal import MultimodalRBM

UNITS = {"image": "bernoulli", "label": "categorical"}


def one_hot(y):
    return np.eye(10, dtype=np.float32)[np.asarray(y, dtype=int)]


def accuracy(model, test):
    found = model.impute({"image": test.data, "label": None})["label"]
    return float((found.argmax(axis=1) == np.asarray(test.target, dtype=int)).mean())


def measure_labels(train, test, seed, quick):
    """Yield the accuracy of the imputed label."""
    size, n_epochs = (32, 10) if quick else (1000, 12)
    model = MultimodalRBM(
        size, visible=UNITS, persistent=False, gradient=Gradient(momentum=0.9),
        view_rates={"label": 15.0}, learning_rate=0.05, batch_size=100, max_epochs=n_epochs,
        random_state=seed, trainer=Trainer(schedule="linear"),
    )  # fmt: skip
    model.fit(Views({"image": train.data, "label": one_hot(train.target)}))
    figure = f"label from image, {size} hidden units, {n_epochs} epochs, accuracy in %"
    yield figure, f"{100 * accuracy(model, test):.2f}", "goal: 97"


def measure_few(train, test, seed, quick):
    """Yield the accuracy with few labels, and that of a linear model."""
    size, n_labels, n_epochs, n_passes = (32, 100, 4, 20) if quick else (1000, 1000, 10, 30)
    rows = np.random.default_rng(seed).choice(len(train.data), n_labels, replace=False)
    label = one_hot(train.target)
    present = np.ones((len(label), 2), dtype=bool)
    present[:, 1] = np.isin(np.arange(len(label)), rows)
    model = MultimodalRBM(
        size, visible=UNITS, persistent=False, gradient=Gradient("plain", momentum=0.5),
        sparsity=Sparsity("kl", target=0.05, weight=1.0), view_rates={"label": 1e-3},
        learning_rate=0.1, batch_size=100, max_epochs=n_epochs, random_state=seed,
    )  # fmt: skip
    model.fit(Views((train.data, label), ("image", "label"), present))
    few = Views({"image": train.data[rows], "label": label[rows]})
    model.set_params(view_rates={"label": 15.0}, batch_size=20)
    for done in range(n_passes):
        model.set_params(learning_rate=0.02 * (1.0 - done / n_passes)).partial_fit(few)
    linear = LogisticRegression(max_iter=300).fit(train.data[rows], train.target[rows])
    beside = 100 * linear.score(test.data, test.target)
    ours = 100 * accuracy(model, test)
    figure = f"{n_labels} labels, {len(label) - n_labels} images without, accuracy in %"
    yield figure, f"{ours:.2f}", f"logistic regression {beside:.2f} (measured here); goal: 3 more"


def measure_halves(train, test, seed, quick):
    """Yield the squared error of the imputed half, and that of ridge regression."""
    size, n_epochs = (32, 10) if quick else (1000, 30)

    def halves(images):
        images = images.reshape(-1, 28, 28)
        parts = (images[:, :, :14], images[:, :, 14:])
        return {
            k: p.reshape(len(images), -1) for k, p in zip(("left", "right"), parts, strict=True)
        }

    known, asked = halves(train.data), halves(test.data)
    model = MultimodalRBM(
        size, batch_size=100, learning_rate=0.1, max_epochs=n_epochs, random_state=seed,
        trainer=Trainer(schedule="linear"),
    ).fit(known)  # fmt: skip
    found = model.impute({"left": asked["left"], "right": None})["right"]
    ours = ((found - asked["right"]) ** 2).sum(axis=1).mean()
    ridge = Ridge(100.0).fit(known["left"], known["right"]).predict(asked["left"])
    beside = ((ridge - asked["right"]) ** 2).sum(axis=1).mean()
    figure = f"right half from the left, {n_epochs} epochs, squared error per image"
    shown = f"{ours:.2f} ({100 * ours / beside:.0f} % of ridge's)"
    yield figure, shown, f"ridge {beside:.2f} (measured here); goal: no more"


MEASURES = {"labels": measure_labels, "few": measure_few, "halves": measure_halves}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="folder of the MNIST files")
    parser.add_argument("--only", default=",".join(MEASURES), help="parts, with commas between")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--quick", action="store_true", help="tiny models, to see that it runs")
    args = parser.parse_args(argv)
    train, test = (fetch_mnist(data_home=args.data, subset=part) for part in ("train", "test"))
    print("| figure | ours | beside | minutes |\n|---|---|---|---|")
    for part in args.only.split(","):
        started = time.perf_counter()
        for row in MEASURES[part](train, test, args.seed, args.quick):
            minutes = (time.perf_counter() - started) / 60
            print(f"| {' | '.join(row)} | {minutes:.1f} |", flush=True)


if __name__ == "__main__":
    main()
