"""Multimodal variational autoencoders on MNIST beside published figures, as a Markdown table.

    python examples/papers/multimodal_vae.py --data DIR

DIR holds `mnist.npz` or the four original files; without it the environment variable `SKREP_DATA`
names the folder. Models see the 60000 training images; figures are printed as measured:

label   Two views, an image and its label. Training draws new binary images from the grey levels
        in every epoch (resampled binarisation), which is one call of `partial_fit` an epoch. The
        test images are one fixed draw. Log-probabilities are importance-weighted estimates of
        discrete data in nats per sample: log p(x) of the image alone with the posterior given the
        image, log p(x, y) with the posterior given both, and log p(x | y), which is
        log p(x, y) - log p(y), where p(y) is the share of the label among draws of the model.
        The label is the most probable one in `impute` from the image. The image is made from one
        code drawn for each of the test labels, once as the probabilities of its pixels with private
        codes at 0 and once as a binary draw of `sample_given`; it is judged by a classifier that
        was trained on binary training images and is no part of the model.
halves  Two views, the left and the right half of an image, binary as above. Coherence is how
        often a classifier of one half gives the draw of that half, made from the other half, the
        label of the image; it is averaged over both directions. Draws are binary for all models:
        `MultimodalAutoencoder` completes a half with probabilities, which are drawn from, too.
        Where multivae is installed, its models of the same kind are trained beside: networks of
        the same sizes, the same images, batches, learning rates and epochs, the settings of the
        objective as multivae has them.
"""

import argparse
import importlib.util
import math
import time
from functools import partial

import numpy as np
from sklearn.neural_network import MLPClassifier

from skrep import JMVAE, Experts, MultimodalAutoencoder, MultimodalVAE
from skrep.datasets import fetch_mnist

# Test images are drawn, and given views completed, the same way whatever the seed of the training.
TEST_SEED = 0


def binarise(images, rng):
    return (rng.random(images.shape, dtype=np.float32) < images).astype(np.float32)


def one_hot(labels):
    return np.eye(10, dtype=np.float32)[np.asarray(labels, dtype=int)]


def falling(learning_rate, epoch, n_epochs):
    # A cosine over the whole training: a schedule of the trainer would span one epoch.
    return learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / n_epochs))


def train(model, make_views, seed, n_epochs, learning_rate=2e-3):
    """Train on views that are drawn anew in every epoch, the rate falling along a cosine."""
    rng = np.random.default_rng(seed)
    for epoch in range(n_epochs):
        rate = falling(learning_rate, epoch, n_epochs)
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


def log_shares_of_labels(model, n_draws):
    """Return log p(y) of the ten labels: their shares among draws of the model."""
    # Importance sampling would need far more draws here: the posterior given a label is much
    # narrower than the codes that this label can have.
    drawn = model.sample(n_draws, random_state=TEST_SEED)["label"]
    return np.log((drawn.sum(axis=0) + 1) / (n_draws + 10))


def measure_likelihoods(model, images, labels, n_draws):
    """Return mean log p(x), log p(x, y), log p(y) and log p(x | y)."""
    of_image = model.score_samples({"image": images, "label": None}, n_draws)
    together = model.score_samples({"image": images, "label": one_hot(labels)}, n_draws)
    of_label = log_shares_of_labels(model, 200 * n_draws)[labels]
    return of_image.mean(), together.mean(), of_label.mean(), (together - of_label).mean()


def probabilities_given(model, given):
    """Return the pixels' probabilities at one code drawn given the labels, private codes at 0."""
    mean, std = model.posterior(given)
    noise = np.random.default_rng(TEST_SEED).standard_normal(mean.shape, dtype=np.float32)
    return model.inverse_transform(mean + std * noise)["image"]


def label(train_set, test, seed, quick, n_images, n_epochs=40, n_rows=2000, n_draws=500):
    n_epochs, n_rows, n_draws = (3, 50, 20) if quick else (n_epochs, n_rows, n_draws)
    model = label_model(seed, quick)
    grey, codes = train_set.data[:n_images], one_hot(train_set.target[:n_images])
    train(model, lambda rng: {"image": binarise(grey, rng), "label": codes}, seed, n_epochs)
    classifier = train_classifier(train_set.data, train_set.target.astype(int), seed, quick)
    images = binarise(test.data, np.random.default_rng(TEST_SEED))
    labels = test.target.astype(int)
    found = measure_likelihoods(model, images[:n_rows], labels[:n_rows], n_draws)
    how = f"{n_epochs} epochs, {n_draws} draws, {min(n_rows, len(images))} test images, nats"
    names = ("log p(x)", "log p(x, y)", "log p(y)", "log p(x given y)")
    known = (
        f"{PUBLISHED}; goal: above -90",
        "-",
        "-2.30 for labels that are equally frequent",
        "-",
    )
    for what, value, beside in zip(names, found, known, strict=True):
        yield f"{what}, {how}", f"{value:.2f}", beside
    guess = model.impute({"image": images, "label": None})["label"].argmax(axis=1)
    yield "label from image, accuracy", f"{np.mean(guess == labels):.4f}", "goal: 0.97"
    given = {"image": None, "label": one_hot(labels)}
    known = f"goal: 0.95; real test images {classifier.score(images, labels):.4f} (measured here)"
    expected = f"{classifier.score(probabilities_given(model, given), labels):.4f}"
    yield "image from label, probabilities of pixels, classified as that label", expected, known
    drawn = model.sample_given(given, 1, random_state=TEST_SEED)[0]["image"]
    ours = f"{classifier.score(drawn, labels):.4f}"
    yield "image from label, drawn pixels, classified as that label", ours, known


# -- two halves -------------------------------------------------------------------------------


def halves_of(images):
    square = images.reshape(-1, 28, 28)
    left, right = (part.reshape(len(images), -1) for part in (square[..., :14], square[..., 14:]))
    return {"left": left, "right": right}


def half_models(seed, size, hidden):
    """Yield names, models of ours and the names of multivae's models of the same kind."""
    settings = {
        "likelihood": "bernoulli",
        "hidden_layer_sizes": (hidden,),
        "random_state": seed,
    }
    kinds = {"product": "MVAE", "mixture": "MMVAE", "mixture_of_products": "MoPoE"}
    for kind, peer in kinds.items():
        yield f"MultimodalVAE, {kind}", MultimodalVAE(size, experts=kind, **settings), peer
    experts = Experts("mixture_of_products", n_private=size // 2)
    named = "MultimodalVAE, mixture_of_products with private codes"
    yield named, MultimodalVAE(size, experts=experts, **settings), None
    yield "JMVAE", JMVAE(size, **settings), "JMVAE"
    yield "MultimodalAutoencoder", MultimodalAutoencoder(size, **settings), None


def draws_of(model, given, target):
    """Return one draw of an absent half for each row, in 0 and 1."""
    if isinstance(model, MultimodalAutoencoder):  # its completion is one set of probabilities
        return binarise(model.impute(given)[target], np.random.default_rng(TEST_SEED))
    return model.sample_given(given, 1, random_state=TEST_SEED)[0][target]


def coherence(draw, views, labels, classifiers):
    """Return how often a half drawn from the other half is classified as the label."""
    found = []
    for target, classifier in classifiers.items():
        given = {name: None if name == target else view for name, view in views.items()}
        found.append(classifier.score(draw(given, target), labels))
    return float(np.mean(found))


def halves(train_set, test, seed, quick, n_images, n_epochs=15):
    n_epochs, size, hidden = (2, 4, 32) if quick else (n_epochs, 20, 256)
    labels = test.target.astype(int)
    grey = halves_of(train_set.data)
    classifiers = {
        name: train_classifier(view, train_set.target.astype(int), seed, quick)
        for name, view in grey.items()
    }
    views = halves_of(binarise(test.data, np.random.default_rng(TEST_SEED)))
    real = float(np.mean([c.score(views[name], labels) for name, c in classifiers.items()]))

    def make_views(rng):
        return halves_of(binarise(train_set.data[:n_images], rng))

    def measured(draw):
        return f"{coherence(draw, views, labels, classifiers):.4f}"

    for name, model, peer in half_models(seed, size, hidden):
        train(model, make_views, seed, n_epochs)
        ours = measured(partial(draws_of, model))
        if not isinstance(model, MultimodalAutoencoder):
            ours += f" (bound {model.score(views):.2f})"
        beside = [f"real halves {real:.4f} (measured here)"]
        if peer is not None and not multivae_is_installed():
            beside.insert(0, f"multivae {peer}: not installed")
        elif peer is not None:
            other = peer_model(peer, seed, size, hidden)
            train_peer(other, make_views, seed, n_epochs)
            found = measured(partial(draws_of_peer, other))
            beside.insert(0, f"multivae {peer} {found}")
        figure = f"halves, {name}, {n_epochs} epochs, coherence (and evidence bound, nats)"
        yield figure, ours, "; ".join(beside)


# -- the same of multivae, where it is installed ----------------------------------------------


def multivae_is_installed():
    return importlib.util.find_spec("multivae") is not None


def peer_model(name, seed, size, hidden):
    """Return multivae's model of halves: its own settings, networks of the sizes of ours."""
    import multivae.models as peers
    import torch
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from torch import nn

    def network(n_in, n_out):
        return nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU(), nn.Linear(hidden, n_out))

    class Encoder(BaseEncoder):
        def __init__(self):
            BaseEncoder.__init__(self)
            self.latent_dim = size
            self.network = network(392, 2 * size)

        def forward(self, x):
            mean, log_var = self.network(x).chunk(2, dim=-1)
            return ModelOutput(embedding=mean, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def __init__(self):
            BaseDecoder.__init__(self)
            self.latent_dim = size
            self.network = network(size, 392)

        def forward(self, z):
            return ModelOutput(reconstruction=self.network(z))

    torch.manual_seed(seed)
    names = ("left", "right")
    config = getattr(peers, f"{name}Config")(
        n_modalities=2,
        latent_dim=size,
        input_dims=dict.fromkeys(names, (392,)),
        decoders_dist=dict.fromkeys(names, "bernoulli"),  # of log-odds
    )
    encoders, decoders = {name: Encoder() for name in names}, {name: Decoder() for name in names}
    return getattr(peers, name)(config, encoders, decoders)


def train_peer(model, make_views, seed, n_epochs, learning_rate=2e-3, batch_size=128):
    """Train as `train` does, on the same views, with the objective of the model."""
    import torch
    from multivae.data.datasets import MultimodalBaseDataset

    rng = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    model.train()
    for epoch in range(n_epochs):
        rate = falling(learning_rate, epoch, n_epochs)
        optimizer.param_groups[0]["lr"] = rate
        views = {name: torch.from_numpy(view) for name, view in make_views(rng).items()}
        for rows in torch.randperm(len(views["left"])).split(batch_size):
            batch = MultimodalBaseDataset({name: view[rows] for name, view in views.items()})
            optimizer.zero_grad()
            model(batch, epoch=epoch + 1).loss.backward()
            optimizer.step()


def draws_of_peer(model, given, target):
    import torch
    from multivae.data.datasets import MultimodalBaseDataset

    (name, view), *_ = [(n, v) for n, v in given.items() if v is not None]
    known = torch.from_numpy(np.ascontiguousarray(view))
    torch.manual_seed(TEST_SEED)
    with torch.no_grad():
        # The zeros are not looked at, but have to be there.
        batch = MultimodalBaseDataset({name: known, target: torch.zeros_like(known)})
        log_odds = model.predict(batch, cond_mod=name, gen_mod=target)[target]
    return binarise(torch.sigmoid(log_odds).numpy(), np.random.default_rng(TEST_SEED))


EXPERIMENTS = {"label": label, "halves": halves}


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="folder of the MNIST files")
    parser.add_argument("--images", type=int, default=60000, help="that models are trained on")
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
        for row in EXPERIMENTS[name](train_set, test, args.seed, args.quick, args.images):
            minutes = (time.perf_counter() - started) / 60
            print(f"| {' | '.join(row)} | {minutes:.1f} |", flush=True)
            started = time.perf_counter()


if __name__ == "__main__":
    main()
