"""Multimodal variational autoencoders on MNIST beside published figures, as a Markdown table.

    python examples/papers/multimodal_vae.py --data DIR

DIR holds `mnist.npz` or the four original files; without it the environment variable `SKREP_DATA`
names the folder. Models see the 60000 training images; figures are printed as measured:

label   Two views, an image and its label. Training draws new binary images from the grey levels
        in every epoch (resampled binarisation), which is one call of `partial_fit` an epoch. The
        test images are one fixed draw. Log-probabilities are importance-weighted estimates of
        discrete data in nats per sample: log p(x) of the image alone with the posterior given the
        image, log p(x, y) with the posterior given both, and log p(x | y), which is
        log p(x, y) - log p(y). The label is the most probable one in `impute` from the image; the
        image is one binary draw of `sample_given` for each of the test labels, judged by a
        classifier trained on the binary training images alone.
halves  Two views, the left and the right half of an image, binary as above. Coherence is how
        often a classifier of one half gives the draw of that half, made from the other half, the
        label of the image; it is averaged over both directions.
"""

import argparse
import math
import time

import numpy as np
from sklearn.neural_network import MLPClassifier

from skrep import JMVAE, Experts, MultimodalVAE
from skrep.datasets import fetch_mnist

# Test images are drawn, and given views completed, the same way whatever the seed of the training.
TEST_SEED = 0


def binarise(images, rng):
    return (rng.random(images.shape, dtype=np.float32) < images).astype(np.float32)


def one_hot(labels):
    return np.eye(10, dtype=np.float32)[np.asarray(labels, dtype=int)]


def train(model, make_views, seed, n_epochs, learning_rate=2e-3):
    """Train on views that are drawn anew in every epoch, the rate falling along a cosine."""
    rng = np.random.default_rng(seed)
    for epoch in range(n_epochs):
        # A cosine over the whole training: a schedule of the trainer would span one epoch.
        rate = learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / n_epochs))
        model.set_params(learning_rate=rate).partial_fit(make_views(rng))
    return model


def train_classifier(images, labels, seed, quick):
    rng = np.random.default_rng(seed + 1)
    epochs = 5 if quick else 12
    classifier = MLPClassifier((256,), batch_size=200, max_iter=epochs, tol=0, random_state=seed)
    classifier.n_iter_no_change = epochs  # as many epochs as asked for, and no warning
    for _ in range(epochs):
        classifier.partial_fit(binarise(images, rng), labels, classes=np.arange(10))
    return classifier


# -- an image and its label -------------------------------------------------------------------

PUBLISHED = "-86.86 (JMVAE, Suzuki et al. 2017; what exactly was measured is not stated)"


def label_model(seed, quick):
    size, hidden = (4, (32,)) if quick else (16, (400, 400))
    return MultimodalVAE(
        size,
        experts=Experts(
            "mixture_of_products", n_private=2 * size, view_weights={"image": 1.0, "label": 50.0}
        ),
        likelihood={"image": "bernoulli", "label": "categorical"},
        hidden_layer_sizes={"image": hidden, "label": (200,)},
        activation="silu",
        random_state=seed,
    )


def measure_likelihoods(model, images, labels, n_draws):
    """Return mean log p(x), log p(x, y) and log p(x | y)."""
    both = {"image": images, "label": one_hot(labels)}
    of_image = model.score_samples({"image": images, "label": None}, n_draws)
    together = model.score_samples(both, n_draws)
    of_label = model.score_samples({"image": None, "label": both["label"]}, n_draws)
    return of_image.mean(), together.mean(), (together - of_label).mean()


def label(train_set, test, seed, quick, n_epochs=40, n_rows=2000, n_draws=500):
    n_epochs, n_rows, n_draws = (3, 50, 20) if quick else (n_epochs, n_rows, n_draws)
    model = label_model(seed, quick)
    codes = one_hot(train_set.target)
    train(
        model, lambda rng: {"image": binarise(train_set.data, rng), "label": codes}, seed, n_epochs
    )
    classifier = train_classifier(train_set.data, train_set.target.astype(int), seed, quick)
    images = binarise(test.data, np.random.default_rng(TEST_SEED))
    labels = test.target.astype(int)
    found = measure_likelihoods(model, images[:n_rows], labels[:n_rows], n_draws)
    how = f"{n_epochs} epochs, {n_draws} draws, {min(n_rows, len(images))} test images, nats"
    names = ("log p(x)", "log p(x, y)", "log p(x given y)")
    known = (f"{PUBLISHED}; goal: above -90", "-", "-")
    for what, value, beside in zip(names, found, known, strict=True):
        yield f"{what}, {how}", f"{value:.2f}", beside
    guess = model.impute({"image": images, "label": None})["label"].argmax(axis=1)
    yield "label from image, accuracy", f"{np.mean(guess == labels):.4f}", "goal: 0.97"
    given = {"image": None, "label": one_hot(labels)}
    drawn = model.sample_given(given, 1, random_state=TEST_SEED)[0]["image"]
    ours = f"{classifier.score(drawn, labels):.4f}"
    known = f"goal: 0.95; real test images {classifier.score(images, labels):.4f} (measured here)"
    yield "image from label classified as that label", ours, known


# -- two halves -------------------------------------------------------------------------------


def halves_of(images):
    square = images.reshape(-1, 28, 28)
    left, right = (part.reshape(len(images), -1) for part in (square[..., :14], square[..., 14:]))
    return {"left": left, "right": right}


def half_models(seed, quick):
    size, hidden = (4, (32,)) if quick else (20, (256,))
    settings = {"likelihood": "bernoulli", "hidden_layer_sizes": hidden, "random_state": seed}
    for kind in ("product", "mixture", "mixture_of_products"):
        yield f"MultimodalVAE, {kind}", MultimodalVAE(size, experts=kind, **settings)
    experts = Experts("mixture_of_products", n_private=size // 2)
    yield (
        "MultimodalVAE, mixture_of_products with private codes",
        MultimodalVAE(size, experts=experts, **settings),
    )
    yield "JMVAE", JMVAE(size, **settings)


def coherence(model, views, labels, classifiers):
    """Return how often a half drawn from the other half is classified as the label."""
    found = []
    for target, classifier in classifiers.items():
        given = {name: None if name == target else view for name, view in views.items()}
        drawn = model.sample_given(given, 1, random_state=TEST_SEED)[0][target]
        found.append(classifier.score(drawn, labels))
    return float(np.mean(found))


def halves(train_set, test, seed, quick, n_epochs=15):
    n_epochs = 2 if quick else n_epochs
    labels = test.target.astype(int)
    grey = halves_of(train_set.data)
    classifiers = {
        name: train_classifier(view, train_set.target.astype(int), seed, quick)
        for name, view in grey.items()
    }
    views = halves_of(binarise(test.data, np.random.default_rng(TEST_SEED)))
    real = float(np.mean([c.score(views[name], labels) for name, c in classifiers.items()]))
    for name, model in half_models(seed, quick):
        train(model, lambda rng: halves_of(binarise(train_set.data, rng)), seed, n_epochs)
        ours = (
            f"{coherence(model, views, labels, classifiers):.4f} (bound {model.score(views):.2f})"
        )
        figure = f"halves, {name}, {n_epochs} epochs, coherence (and evidence bound, nats)"
        yield figure, ours, f"real halves {real:.4f} (measured here)"


EXPERIMENTS = {"label": label, "halves": halves}


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
    train_set, test = (fetch_mnist(data_home=args.data, subset=part) for part in ("train", "test"))
    print("| figure | ours | beside | minutes |\n|---|---|---|---|")
    for name in names:
        started = time.perf_counter()
        for row in EXPERIMENTS[name](train_set, test, args.seed, args.quick):
            minutes = (time.perf_counter() - started) / 60
            print(f"| {' | '.join(row)} | {minutes:.1f} |", flush=True)
            started = time.perf_counter()


if __name__ == "__main__":
    main()
