"""Autoencoders on MNIST beside published figures, as a Markdown table.

    python examples/papers/mnist_autoencoders.py --data DIR

DIR holds `mnist.npz` or the four original files; without it the environment variable `SKREP_DATA`
names the folder. Pixels are grey levels in [0, 1]. Models see the 60000 training images and the
figures are those of the 10000 test images, printed as measured:

reconstruction  Squared error, summed over the 784 pixels and averaged over images, of a 784-256-64-30
                autoencoder and of PCA with as many components, and a linear probe on both codes:
                `LogisticRegression` on standardised codes, fitted on the training images.
denoising       The same error against the clean image where 30 % of the pixels are set to 0.
vae             Negative log-likelihood, by importance sampling, of one fixed Bernoulli draw of the
                test images. Training draws new images from the grey levels in every epoch
                (resampled binarisation), which is one call of `partial_fit` an epoch.
"""

import argparse
import math
import time
from pathlib import Path

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


def probe_accuracy(codes, y, test_codes, y_test):
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return probe.fit(codes, y).score(test_codes, y_test)


def reconstruction(train, test, seed, quick):
    code_size = 4 if quick else 30
    models = {
        "PCA": PCA(code_size, random_state=seed),
        "Autoencoder": Autoencoder(
            code_size,
            hidden_layer_sizes=(256, 64),
            max_epochs=2 if quick else 30,
            learning_rate=5e-3,
            random_state=seed,
            trainer=Trainer(schedule="one_cycle"),
        ),
    }
    errors, accuracies = {}, {}
    for name, model in models.items():
        codes, test_codes = model.fit(train.data).transform(train.data), model.transform(test.data)
        errors[name] = squared_error(test.data, model.inverse_transform(test_codes))
        accuracies[name] = probe_accuracy(codes, train.target, test_codes, test.target)
    yield (
        f"reconstruction from {code_size} numbers, squared error per image",
        f"{errors['Autoencoder']:.2f}",
        f"PCA {errors['PCA']:.2f} (measured here); 784-1000-500-250-30 network, pre-trained: "
        "3.00 (Hinton and Salakhutdinov 2006, recalled)",
    )
    yield (
        "linear probe on that code, accuracy",
        f"{accuracies['Autoencoder']:.4f}",
        f"PCA {accuracies['PCA']:.4f} (measured here)",
    )


def denoising(train, test, seed, quick):
    model = DenoisingAutoencoder(
        4 if quick else 128,
        corruption=Corruption("masking", level=0.3),
        hidden_layer_sizes=(512,),
        max_epochs=2 if quick else 20,
        learning_rate=3e-3,
        random_state=seed,
        trainer=Trainer(schedule="one_cycle"),
    ).fit(train.data)
    kept = np.random.default_rng(TEST_SEED).random(test.data.shape) >= 0.3
    spoiled = test.data * kept
    before = squared_error(test.data, spoiled)
    after = squared_error(test.data, model.reconstruct(spoiled))
    yield (
        "denoising at masking 0.3, squared error per image",
        f"{after:.2f} ({after / before:.3f} of the input's)",
        f"spoiled input {before:.2f} (measured here); goal: a third of it",
    )


def binarise(images, rng):
    return (rng.random(images.shape, dtype=np.float32) < images).astype(np.float32)


def vae(train, test, seed, quick):
    n_epochs, n_draws = (2, 10) if quick else (30, 1000)
    model = VAE(
        50,
        likelihood="bernoulli",
        hidden_layer_sizes=(400, 400),
        activation="silu",
        random_state=seed,
    )
    rng = np.random.default_rng(seed)
    for epoch in range(n_epochs):
        # A cosine over the whole training: a schedule of the trainer would span one epoch.
        rate = 2e-3 * 0.5 * (1 + math.cos(math.pi * epoch / n_epochs))
        model.set_params(learning_rate=rate).partial_fit(binarise(train.data, rng))
    fixed = binarise(test.data, np.random.default_rng(TEST_SEED))
    nll = -float(model.score_samples(fixed, n_importance_samples=n_draws).mean())
    yield (
        f"VAE, {n_epochs} epochs, negative log-likelihood from {n_draws} draws, nats",
        f"{nll:.2f} (bound: {-model.score(fixed):.2f})",
        "86.76 with 3280 epochs, 5000 draws (Burda et al. 2016); goal: under 92",
    )


EXPERIMENTS = {"reconstruction": reconstruction, "denoising": denoising, "vae": vae}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the MNIST files")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--only", help="comma-separated names among " + ", ".join(EXPERIMENTS))
    parser.add_argument("--quick", action="store_true", help="tiny models, to see that it runs")
    args = parser.parse_args(argv)
    names = args.only.split(",") if args.only else list(EXPERIMENTS)
    if not set(names) <= set(EXPERIMENTS):
        parser.error(f"--only takes {', '.join(EXPERIMENTS)}; got {args.only!r}")
    train = fetch_mnist(data_home=args.data, subset="train")
    test = fetch_mnist(data_home=args.data, subset="test")
    print("| figure | ours | beside | minutes |\n|---|---|---|---|")
    for name in names:
        started = time.perf_counter()
        rows = list(EXPERIMENTS[name](train, test, args.seed, args.quick))
        minutes = (time.perf_counter() - started) / 60
        for figure, ours, beside in rows:
            print(f"| {figure} | {ours} | {beside} | {minutes:.1f} |", flush=True)


if __name__ == "__main__":
    main()
