"""`transform` of 60,000 rows and of one row, with a 784-256-64 encoder."""

import statistics
import time

from _interleave import (
    Comparison,
    interleave,
    print_machine,
    print_ratios,
    print_value,
    print_variants,
    read_options,
)

OURS = "skrep transform"
GOALS = (
    Comparison(OURS, "skorch predict", 0.50),
    Comparison(OURS, "direct, inference_mode"),
)


def fitted(options):
    """Return the rows, a fitted model and its bare encoder."""
    from _peers import images

    from skrep import Autoencoder
    from skrep.nn import MLP

    X = images(options.data, 600 if options.quick else 60_000)
    model = Autoencoder(
        64,
        encoder=MLP((256,)),
        decoder=MLP((256,)),
        scaling=None,
        max_epochs=1,
        device="cpu",
        random_state=0,
    ).fit(X[:512])
    return X, model, model.module_.encoder


def make_variants(X, model, encoder):
    import numpy as np
    import torch
    from skorch import NeuralNetRegressor

    net = NeuralNetRegressor(encoder, train_split=None, verbose=0).initialize()
    codes = {}

    def direct():
        with torch.inference_mode():
            codes["direct"] = encoder(torch.from_numpy(X)).numpy()

    def predict():
        codes["skorch"] = net.predict(X)

    def transform():
        codes["skrep"] = model.transform(X)

    def check():
        for name in ("skorch", "skrep"):
            if not np.allclose(codes[name], codes["direct"], rtol=1e-4, atol=1e-5):
                raise RuntimeError(f"{name} returns other codes than the module itself.")

    variants = {"direct, inference_mode": direct, "skorch predict": predict, OURS: transform}
    return variants, check


def one_row(X, model, encoder, n_blocks: int, block: int) -> tuple[float, float]:
    """Return CPU milliseconds of (the bare module, `transform`) for one row, in turns."""
    import torch

    row = X[:1].copy()

    def bare():
        with torch.inference_mode():
            return encoder(torch.from_numpy(row)).numpy()

    def whole():
        return model.transform(row)

    taken: dict[str, list[float]] = {"bare": [], "whole": []}
    for _ in range(n_blocks):
        for name, call in (("bare", bare), ("whole", whole)):
            started = time.process_time()
            for _ in range(block):
                call()
            taken[name].append(1e3 * (time.process_time() - started) / block)
    return statistics.median(taken["bare"]), statistics.median(taken["whole"])


def main():
    options = read_options(__doc__)
    print_machine("transform, 784-256-64 encoder", options)
    X, model, encoder = fitted(options)
    variants, check = make_variants(X, model, encoder)
    turns = interleave(variants, options.rounds)
    check()
    print_variants(turns)
    print_ratios(turns, GOALS)
    bare, whole = one_row(X, model, encoder, *((3, 5) if options.quick else (60, 50)))
    print_value(
        [
            ("one row, bare module", None, bare, "ms"),
            ("one row, skrep transform", None, whole, "ms"),
            ("one row, added over the bare module", 0.1, whole - bare, "ms"),
        ]
    )


if __name__ == "__main__":
    main()
