"""Autoencoders on MNIST beside published figures, as a Markdown table.

    python examples/papers/mnist_autoencoders.py --data DIR

DIR holds `mnist.npz` or the four original files; without it the environment variable `SKREP_DATA`
names the folder. Pixels are grey levels in [0, 1]. Models see the 60000 training images and the
figures are those of the 10000 test images, printed as measured:

reconstruction  Squared error, summed over the 784 pixels and averaged over images, of a
                784-256-64-30 autoencoder and of PCA with as many components, and a linear probe
                on both codes: `LogisticRegression` on standardised codes of the training images.
denoising       The same error against the clean image where 30 % of the pixels are set to 0.
vae             Negative log-likelihood, by importance sampling, of one fixed Bernoulli draw of the
                test images. Training draws new images from the grey levels in every epoch
                (resampled binarisation), which is one call of `partial_fit` an epoch.
"""

import argparse
import math
import time

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep import VAE, Autoencoder, Corruption, DenoisingAutoencoder, Trainer
from skrep.datasets import fetch_mnist

# Test images are spoiled and drawn the same way whatever the seed of the training.
TEST_SEED = 0


def squared_error(images, guesses):
    return float(np.square(images.astype(np.float64) - guesses).sum(axis=1).mean())


def binarise(images, rng):
    return (rng.random(images.shape, dtype=np.float32) < images).astype(np.float32)


def measure_code(model, train, test):
    """Return squared error per image and probe accuracy."""
    codes, test_codes = model.fit(train.data).transform(train.data), model.transform(test.data)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    accuracy = probe.fit(codes, train.target).score(test_codes, test.target)
    return squared_error(test.data, model.inverse_transform(test_codes)), accuracy


def reconstruction(train, test, seed, quick):
    size, n_epochs = (4, 2) if quick else (30, 30)
    autoencoder = Autoencoder(
        size, hidden_layer_sizes=(256, 64), activation="silu", max_epochs=n_epochs,
        learning_rate=5e-3, random_state=seed, trainer=Trainer(schedule="one_cycle"),
    )  # fmt: skip
    error, accuracy = measure_code(autoencoder, train, test)
    pca_error, pca_accuracy = measure_code(PCA(size, random_state=seed), train, test)
    figure = f"reconstruction from {size} numbers, {n_epochs} epochs, squared error per image"
    known = (
        f"PCA {pca_error:.2f} (measured here); 784-1000-500-250-30 network, pre-trained: 3.00 "
        "(Hinton and Salakhutdinov 2006, recalled)"
    )
    yield figure, f"{error:.2f}", known
    known = f"PCA {pca_accuracy:.4f} (measured here)"
    yield "linear probe on that code, accuracy", f"{accuracy:.4f}", known


def denoising(train, test, seed, quick):
    size, n_epochs = (4, 2) if quick else (128, 15)
    model = DenoisingAutoencoder(
        size, corruption=Corruption("masking", level=0.3), hidden_layer_sizes=(512,),
        activation="silu", output_activation="logistic", max_epochs=n_epochs,
        learning_rate=3e-3, random_state=seed, trainer=Trainer(schedule="one_cycle"),
    ).fit(train.data)  # fmt: skip
    spoiled = test.data * (np.random.default_rng(TEST_SEED).random(test.data.shape) >= 0.3)
    before = squared_error(test.data, spoiled)
    after = squared_error(test.data, model.reconstruct(spoiled))
    figure = f"denoising at masking 0.3, {n_epochs} epochs, squared error per image"
    ours = f"{after:.2f} ({after / before:.3f} of the input's)"
    yield figure, ours, f"spoiled input {before:.2f} (measured here); goal: a third of it"


def vae(train, test, seed, quick):
    n_epochs, n_draws = (2, 10) if quick else (30, 1000)
    model = VAE(
        50, likelihood="bernoulli", hidden_layer_sizes=(400, 400), activation="silu",
        random_state=seed,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    for epoch in range(n_epochs):
        # A cosine over the whole training: a schedule of the trainer would span one epoch.
        rate = 2e-3 * 0.5 * (1 + math.cos(math.pi * epoch / n_epochs))
        model.set_params(learning_rate=rate).partial_fit(binarise(train.data, rng))
    fixed = binarise(test.data, np.random.default_rng(TEST_SEED))
    nll = -float(model.score_samples(fixed, n_importance_samples=n_draws).mean())
    figure = f"VAE, {n_epochs} epochs, negative log-likelihood from {n_draws} draws, nats"
    known = "86.76 (Burda et al. 2016, far longer training, 5000 draws); goal: under 92"
    yield figure, f"{nll:.2f} (bound {-model.score(fixed):.2f})", known


EXPERIMENTS = {"reconstruction": reconstruction, "denoising": denoising, "vae": vae}


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
        rows = list(EXPERIMENTS[name](train, test, args.seed, args.quick))
        minutes = (time.perf_counter() - started) / 60
        for row in rows:
            print(f"| {' | '.join(row)} | {minutes:.1f} |", flush=True)


if __name__ == "__main__":
    main()
