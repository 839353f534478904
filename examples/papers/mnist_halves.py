"""What the halves of MNIST's digits have in common, as a Markdown table.

    python examples/papers/mnist_halves.py --data DIR

DIR holds `mnist.npz` or the four original files; without it the environment variable `SKREP_DATA`
names the folder. The views are the left and the right half of every image. Models see the 60000
training images without labels; figures are of the 10000 test images, printed as measured:

total   Sum over 50 components of the correlation between the two codes.
shared  Accuracy in % of a logistic regression that is trained on the codes of one half, on the
        test images' codes of the other: raw CCA, and CCA of the hidden units of RBMs.
mfeat   The same for two views of the 2000 digits that are shipped, pixels and profile
        correlations; every second digit is for testing.

The source of the claim that RBMs help here had sound and lips for views (Ngiam et al. 2011): what
is to be seen is the order.
"""

import argparse
import time

import torch
from sklearn.preprocessing import MinMaxScaler
from torch import nn

from skrep import CCA, DCCA, RBMCCA, PerView, Trainer
from skrep.datasets import fetch_mnist, load_mfeat, make_halves
from skrep.metrics import shared_representation_accuracy, total_correlation_captured


class Encoder:
    """Factory of an encoder with batch normalisation, and a share of inputs and units dropped."""

    def __init__(self, hidden, dropout=0.1):
        self.hidden = hidden
        self.dropout = dropout

    def __call__(self, n_in, n_out):
        layers = [nn.Dropout(self.dropout)]
        for width in self.hidden:
            linear = nn.Linear(n_in, width, bias=False)
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            layers += [linear, nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(self.dropout)]
            n_in = width
        return nn.Sequential(*layers, nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out, affine=False))


def decay_matrices(parameters, lr):
    """Return AdamW that shrinks matrices only."""
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 2e-4},
        {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr, fused=True)


def total(train, test, seed, quick):
    size, hidden, batch_size, n_epochs = (
        (5, (32,), 100, 2) if quick else (50, (1024, 1024), 2000, 15)
    )
    halves, held_out = make_halves(train.data), make_halves(test.data)
    linear = CCA(size, regularization=1e-3).fit(halves)
    ours = total_correlation_captured(linear.transform(held_out))
    known = "28.0 (Andrew et al. 2013, recalled); 28.5 (ridge 1e-4, measured elsewhere)"
    yield f"CCA-{size}, total correlation", f"{ours:.1f}", known
    model = DCCA(
        size, encoder=Encoder(hidden), scaling=None, regularization=1e-3, batch_size=batch_size,
        max_epochs=n_epochs, learning_rate=6e-3, random_state=seed,
        trainer=Trainer(decay_matrices, schedule="one_cycle", precision="bfloat16"),
    ).fit(halves)  # fmt: skip
    ours = total_correlation_captured(model.transform(held_out))
    known = "39.7 (Andrew et al. 2013, recalled); goal: at least 40"
    yield f"DCCA-{size}, {n_epochs} epochs, total correlation", f"{ours:.1f}", known


def transfer(models, train, test):
    """Yield a row for each model: accuracies from the first view to the second, and back."""
    (views, y), (held_out, y_test) = train, test
    there, back = views.names, views.names[::-1]
    for name, model, known in models:
        codes = [model.fit(views).transform(part) for part in (views, held_out)]
        ours = [
            100
            * shared_representation_accuracy(
                codes[0], y, source=source, target=target, Z_test=codes[1], y_test=y_test
            )
            for source, target in (there, back)
        ]
        figure = f"{name}, trained on {there[0]} and tested on {there[1]}, and back, accuracy in %"
        yield figure, " / ".join(f"{accuracy:.1f}" for accuracy in ours), known


RAW = "41.9 / 42.9 (sound and lips, recalled)"
BOLTZMANN = "57.3 / 91.7 (sound and lips, recalled); goal: above raw CCA both ways"


def shared(train, test, seed, quick):
    size, n_hidden, n_epochs = (5, 16, 2) if quick else (50, 512, 20)
    machines = RBMCCA(size, n_hidden=n_hidden, max_epochs=n_epochs, random_state=seed)
    models = [
        (f"raw CCA-{size}", CCA(size, regularization=1e-3), RAW),
        (f"RBMCCA-{size} of {n_hidden} units", machines, BOLTZMANN),
    ]
    parts = [(make_halves(part.data), part.target) for part in (train, test)]
    yield from transfer(models, *parts)


def mfeat(train, test, seed, quick):
    size, n_hidden, n_epochs = (5, 16, 2) if quick else (10, 256, 50)
    X, y = load_mfeat(return_X_y=True)
    X = PerView(MinMaxScaler()).fit_transform(X[["pix", "fac"]])
    machines = RBMCCA(
        size, n_hidden=n_hidden, batch_size=50, max_epochs=n_epochs, random_state=seed
    )
    models = [
        (f"raw CCA-{size}", CCA(size, regularization=1e-3), RAW),
        (f"RBMCCA-{size} of {n_hidden} units", machines, BOLTZMANN),
    ]
    yield from transfer(models, (X[::2], y[::2]), (X[1::2], y[1::2]))


EXPERIMENTS = {"total": total, "shared": shared, "mfeat": mfeat}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="folder of the MNIST files")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--only", help="comma-separated names among " + ", ".join(EXPERIMENTS))
    parser.add_argument("--quick", action="store_true", help="tiny models, to see that it runs")
    args = parser.parse_args(argv)
    names = args.only.split(",") if args.only else list(EXPERIMENTS)
    if not set(names) <= set(EXPERIMENTS):
        parser.error(f"--only takes {', '.join(EXPERIMENTS)}; got {args.only!r}")
    train, test = (fetch_mnist(data_home=args.data, subset=part) for part in ("train", "test"))
    print("| figure | ours | beside | minutes |\n|---|---|---|---|")
    for name in names:
        started = time.perf_counter()
        for row in EXPERIMENTS[name](train, test, args.seed, args.quick):
            minutes = (time.perf_counter() - started) / 60
            print(f"| {' | '.join(row)} | {minutes:.1f} |", flush=True)
            started = time.perf_counter()


if __name__ == "__main__":
    main()
