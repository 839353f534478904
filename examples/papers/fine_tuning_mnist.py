"""What pre-training is worth on MNIST with a thousand labels, as a Markdown table.

    python examples/papers/fine_tuning_mnist.py --data DIR

DIR holds `mnist.npz` or the four original files; without it the environment variable `SKREP_DATA`
names the folder. An RBM sees the 60000 training images without labels; then it and a linear head
are trained together on 1000 labelled images. Beside it stands the same network, 784-1024-10 with
sigmoid units, from random weights: once as `FineTunedClassifier(pretrain=False)`, whose head
starts at logistic regression on the random code, and once as scikit-learn's `MLPClassifier`, all
of it random. Figures are accuracies on the 10000 test images, means over three draws of the
labels, printed as measured. Settings were chosen on the last 10000 training images.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPClassifier

from skrep import RBM, FineTunedClassifier, Gradient, Sparsity
from skrep.datasets import fetch_mnist

# Labels are drawn the same way whatever the seed of the training.
LABEL_SEEDS = (0, 1, 2)


def pretrained(images, seed, size, n_epochs):
    return RBM(
        size, persistent=False, gradient=Gradient("plain", momentum=0.5), batch_size=100,
        sparsity=Sparsity("kl", target=0.05, weight=1.0), learning_rate=0.05,
        max_epochs=n_epochs, random_state=seed,
    ).fit(images)  # fmt: skip


def mean_accuracy(make, train, test, n_labels):
    """Return the mean over draws of the labels, and the accuracies."""
    found = []
    for label_seed in LABEL_SEEDS:
        rng = np.random.default_rng(label_seed)
        rows = rng.choice(len(train.data), n_labels, replace=False)
        model = make(label_seed).fit(train.data[rows], train.target[rows])
        found.append(model.score(test.data, test.target))
    return float(np.mean(found)), found


def shown(mean, found):
    return f"{100 * mean:.2f} ({', '.join(f'{100 * accuracy:.2f}' for accuracy in found)})"


def measure(train, test, seed, quick):
    """Yield rows of the table; the first holds the time of pre-training, too."""
    size, n_labels, n_pretraining, n_epochs = (16, 100, 2, 2) if quick else (1024, 1000, 10, 50)
    rbm = pretrained(train.data, seed, size, n_pretraining)
    tuning = {"max_epochs": n_epochs, "batch_size": 100, "learning_rate": 3e-4}

    def from_rbm(draw):
        return FineTunedClassifier(FrozenEstimator(rbm), random_state=seed + draw, **tuning)

    def from_random(draw):
        return FineTunedClassifier(RBM(size), pretrain=False, random_state=seed + draw, **tuning)

    def perceptron(draw):
        return MLPClassifier(
            (size,), activation="logistic", alpha=0, max_iter=n_epochs,
            random_state=seed + draw,
        )  # fmt: skip

    ours, found = mean_accuracy(from_rbm, train, test, n_labels)
    figure = f"{n_labels} labels, RBM-{size} of {n_pretraining} epochs, fine-tuned, accuracy in %"
    yield figure, shown(ours, found), "93.65 (1000 labels; yell/boltzmann-machines)"
    random, found = mean_accuracy(from_random, train, test, n_labels)
    yield "the same from random weights", shown(random, found), "88.71 (the same source)"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        beside, found = mean_accuracy(perceptron, train, test, n_labels)
    yield "the same network as an `MLPClassifier`", shown(beside, found), "88.71 (the same source)"
    gain = 100 * (ours - max(random, beside))
    yield "gain over the better of the two, points", f"{gain:.2f}", "4.94; goal: at least 3.5"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="folder of the MNIST files")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--quick", action="store_true", help="tiny models, to see that it runs")
    args = parser.parse_args(argv)
    train, test = (fetch_mnist(data_home=args.data, subset=part) for part in ("train", "test"))
    print("| figure | ours | beside | minutes |\n|---|---|---|---|")
    started = time.perf_counter()
    for row in measure(train, test, args.seed, args.quick):
        minutes = (time.perf_counter() - started) / 60
        print(f"| {' | '.join(row)} | {minutes:.1f} |", flush=True)
        started = time.perf_counter()


if __name__ == "__main__":
    main()
