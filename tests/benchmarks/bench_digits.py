"""Autoencoder 64-32-64 on scikit-learn's digits, batch 64: what a step costs beside the maths."""

from _interleave import (
    Comparison,
    interleave,
    print_machine,
    print_ratios,
    print_variants,
    read_options,
)

OURS = "skrep, same network"
GOALS = (
    Comparison(OURS, "plain torch loop", 0.70),
    Comparison(OURS, "plain loop, fused Adam"),
    Comparison(OURS, "skorch default", 0.28),
    Comparison(OURS, "MLPRegressor float32", 1.15),
    Comparison("skrep, as it comes", "plain torch loop"),
)


def make_variants(options):
    import numpy as np
    from _peers import (
        autoencoder_network,
        mean_squared_error,
        mlp_regressor,
        plain_loop,
        skorch_default,
    )
    from sklearn.datasets import load_digits
    from torch import nn

    from skrep import Autoencoder
    from skrep.nn import MLP

    X = (load_digits().data / 16.0).astype(np.float32)
    size = {"epochs": options.epochs or (1 if options.quick else 30), "batch_size": 64}

    def make():
        return nn.Sequential(*autoencoder_network(64, (), 32, relu_code=True))

    def ours(**settings):
        def run():
            model = Autoencoder(
                32,
                max_epochs=size["epochs"],
                batch_size=64,
                device="cpu",
                random_state=0,
                **settings,
            ).fit(X)
            return float(model.loss_curve_[-1]) * float(model.module_.scaler.scale[0]) ** 2

        return run

    return {
        "plain torch loop": plain_loop(make, mean_squared_error, X, **size),
        "plain loop, fused Adam": plain_loop(make, mean_squared_error, X, fused=True, **size),
        "skorch default": skorch_default(make, X, **size),
        "MLPRegressor float32": mlp_regressor((32,), X, **size),
        OURS: ours(encoder=MLP((), output_activation="relu"), decoder=MLP(()), scaling=None),
        "skrep, as it comes": ours(),
    }


def main():
    options = read_options(__doc__)
    print_machine("Autoencoder on digits, 1797 x 64", options)
    turns = interleave(make_variants(options), options.rounds)
    print_variants(turns)
    print_ratios(turns, GOALS)


if __name__ == "__main__":
    main()
