"""Log-likelihood of binary restricted Boltzmann machines on MNIST, as a Markdown table.

    python examples/papers/rbm_mnist.py --data DIR

DIR holds `mnist.npz` or the four original files; without it the environment variable `SKREP_DATA`
names the folder. Figures are nats per image of the 10000 test images, printed as measured:

annealed  784-500. Training draws new binary images from the 60000 grey-level ones in every epoch
          (resampled binarisation), which is one call of `partial_fit` an epoch; the test images
          are one fixed draw. log Z is estimated twice, by annealing from the base-rate model up
          (AIS), which tends to flatter the model, and from the model down (reverse AIS), which
          tends to flatter it less: the truth is likely to lie between the two.
exact     784-16 on images cut at 0.5 and on their negatives, with centred and with plain
          gradients. log Z is summed over all 2 ** 16 hidden states.
"""

import argparse
import time

import numpy as np

from skrep import RBM, Gradient
from skrep.datasets import fetch_mnist

# Test images are drawn, and log Z is estimated, the same way whatever the seed of the training.
TEST_SEED = 0


def binarise(images, rng):
    return (rng.random(images.shape, dtype=np.float32) < images).astype(np.float32)


def train_annealed(train, seed, size, n_epochs, learning_rate=0.2):
    """Return a machine trained on images that are drawn anew in every epoch."""
    model = RBM(
        size, n_gibbs_steps=5, batch_size=200, random_state=seed,
        gradient=Gradient(averaging=0.001, n_chains=200),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    for epoch in range(n_epochs):
        # Straight down over the whole training: a schedule of the trainer would span one epoch.
        rate = learning_rate * (1 - epoch / n_epochs)
        model.set_params(learning_rate=rate).partial_fit(binarise(train.data, rng))
    return model


def measure_annealed(model, images, n_temperatures):
    """Return the log-likelihood by AIS and by reverse AIS, and their standard errors."""
    energy = float(model.free_energy(images).mean())
    settings = {"n_chains": 100, "n_temperatures": n_temperatures, "random_state": TEST_SEED}
    up, down = (model.log_partition(method, **settings) for method in ("ais", "reverse_ais"))
    return -energy - up.value, -energy - down.value, up.standard_error, down.standard_error


def annealed(train, test, seed, quick):
    size, n_epochs, n_temperatures = (8, 2, 200) if quick else (500, 100, 20_000)
    model = train_annealed(train, seed, size, n_epochs)
    images = binarise(test.data, np.random.default_rng(TEST_SEED))
    up, down, up_error, down_error = measure_annealed(model, images, n_temperatures)
    figure = f"RBM 784-{size}, {n_epochs} epochs, log-likelihood by AIS, nats"
    ours = f"{up:.2f} (reverse AIS {down:.2f}; standard errors {up_error:.2f}, {down_error:.2f})"
    known = "-86.34 (CD-25, Salakhutdinov and Murray 2008); goal: above -85.5, the two within 1"
    yield figure, ours, known


# Figures of PyDeep (Melchior, Fischer and Wiskott 2016).
PUBLISHED = {
    ("MNIST", "centred"): "-142.56",
    ("MNIST", "plain"): "-149.05",
    ("1 - MNIST", "centred"): "-142.09",
    ("1 - MNIST", "plain"): "-183.36",
}


def exact(train, test, seed, quick):
    size, n_epochs = (4, 2) if quick else (16, 50)
    positives = [(part.data > 0.5).astype(np.float32) for part in (train, test)]
    for (images, kind), published in PUBLISHED.items():
        seen, held_out = positives if images == "MNIST" else [1 - part for part in positives]
        model = RBM(
            size, gradient=Gradient(kind, n_chains=100, offset_rate=0.01), batch_size=100,
            learning_rate=0.01, max_epochs=n_epochs, random_state=seed,
        ).fit(seen)  # fmt: skip
        ours = float(model.log_likelihood(held_out, "exact").mean())
        figure = f"RBM 784-{size} on {images}, {kind}, {n_epochs} epochs, log-likelihood, nats"
        goal = "; goal: at least -143.5" if kind == "centred" else ""
        yield figure, f"{ours:.2f}", f"{published} (PyDeep{goal})"


EXPERIMENTS = {"annealed": annealed, "exact": exact}


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
