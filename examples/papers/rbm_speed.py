"""Seconds to equal likelihood on MNIST: `RBM` beside scikit-learn's `BernoulliRBM`, as a table.

    python examples/papers/rbm_speed.py --data DIR

DIR holds `mnist.npz` or the four original files; without it the environment variable `SKREP_DATA`
names the folder. Both train 784-256 on one fixed binary draw of 20000 training images, at several
settings of `BernoulliRBM`. Log-likelihoods are nats per image of a binary draw of the test images,
with log Z of both by the same annealed importance sampling (with `--quick` it is exact). A row
says how long one setting took and how long `RBM` took to the end of the first epoch in which it
was as good. Seconds are of computing (CPU time of this process), so that other programs matter
little; estimates of log Z do not count. Compare on one thread, `OMP_NUM_THREADS=1`.
"""

import argparse
import time

import numpy as np
import torch
from sklearn.neural_network import BernoulliRBM

from skrep import RBM, Gradient
from skrep.datasets import fetch_mnist

# Images are drawn, and log Z is estimated, the same way whatever the seed of the training.
DATA_SEED = 0
# Batch size, learning rate and epochs of `BernoulliRBM`; the first row has its defaults.
SETTINGS = ((10, 0.1, 10), (10, 0.01, 10), (100, 0.1, 10), (100, 0.05, 20))


def binarise(images, rng):
    return (rng.random(images.shape, dtype=np.float32) < images).astype(np.float32)


def log_likelihood(model, images, n_temperatures):
    return float(
        model.log_likelihood(
            images, "auto", n_temperatures=n_temperatures, random_state=DATA_SEED
        ).mean()
    )


def as_ours(peer, images):
    """Return our machine with the parameters of a `BernoulliRBM`."""
    size = len(peer.components_)
    model = RBM(size, max_epochs=1, batch_size=len(images), random_state=0).fit(images)
    given = (peer.components_, peer.intercept_visible_, peer.intercept_hidden_)
    module = model.module_
    with torch.no_grad():
        own = (module.weight, module.visible_bias, module.hidden_bias)
        for parameter, value in zip(own, given, strict=True):
            parameter.copy_(torch.from_numpy(np.asarray(value)))
    return model


def train_peer(images, size, batch_size, learning_rate, n_epochs, seed):
    """Return a `BernoulliRBM` and the seconds it took."""
    peer = BernoulliRBM(
        size, batch_size=batch_size, learning_rate=learning_rate, n_iter=n_epochs,
        random_state=seed,
    )  # fmt: skip
    started = time.process_time()
    peer.fit(images)
    return peer, time.process_time() - started


def course_of_ours(images, held_out, size, n_epochs, n_temperatures, seed):
    """Yield, per epoch, the seconds so far and the log-likelihood."""
    model = RBM(
        size, batch_size=50, learning_rate=0.05, random_state=seed,
        gradient=Gradient(averaging=0.005),
    )  # fmt: skip
    seconds = 0.0
    for _ in range(n_epochs):
        started = time.process_time()
        model.partial_fit(images)
        seconds += time.process_time() - started
        yield seconds, log_likelihood(model, held_out, n_temperatures)


def measure(train, test, seed, quick):
    size, n_epochs, n_temperatures = (8, 2, 100) if quick else (256, 12, 4000)
    rng = np.random.default_rng(DATA_SEED)
    images, held_out = binarise(train.data[:20_000], rng), binarise(test.data, rng)
    course = list(course_of_ours(images, held_out, size, n_epochs, n_temperatures, seed))
    for batch_size, learning_rate, n_iter in SETTINGS:
        n_iter = 2 if quick else n_iter
        peer, theirs = train_peer(images, size, batch_size, learning_rate, n_iter, seed)
        aim = log_likelihood(as_ours(peer, images[:1000]), held_out, n_temperatures)
        reached = [(taken, value) for taken, value in course if value >= aim]
        figure = f"BernoulliRBM, batch {batch_size}, rate {learning_rate}, {n_iter} epochs"
        if reached:
            seconds, value = reached[0]
            ours = f"{seconds / theirs:.3f} of its time: {seconds:.1f} s to {value:.2f} nats"
        else:
            ours = f"not reached in {course[-1][0]:.1f} s ({course[-1][1]:.2f} nats)"
        yield figure, ours, f"{theirs:.1f} s to {aim:.2f} nats; goal: at most 0.333"


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
