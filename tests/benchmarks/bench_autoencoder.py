"""Autoencoder 784-256-64-256-784 on 60,000 rows, batch 128, Adam: ours beside peers."""

from _interleave import (
    Comparison,
    interleave,
    is_installed,
    print_machine,
    print_ratios,
    print_variants,
    read_options,
)

OURS = "skrep, same network"
GOALS = (
    Comparison(OURS, "plain torch loop", 0.60),
    Comparison(OURS, "plain loop, fused Adam"),
    Comparison(OURS, "skorch default", 0.50),
    Comparison(OURS, "pythae", 0.52),
    Comparison(OURS, "MLPRegressor float32", 0.60),
    Comparison("skrep, as it comes", "plain torch loop"),
    Comparison("skrep, as it comes", OURS),
)


def make_variants(options):
    from _peers import (
        autoencoder_network,
        images,
        mean_squared_error,
        mlp_regressor,
        plain_loop,
        pythae_model,
        skorch_default,
    )
    from torch import nn

    from skrep import Autoencoder
    from skrep.nn import MLP

    X = images(options.data, 600 if options.quick else 60_000)
    size = {"epochs": options.epochs or 1, "batch_size": 128}

    def make():
        return nn.Sequential(*autoencoder_network(784, (256,), 64))

    def ours(**settings):
        def run():
            model = Autoencoder(
                64,
                max_epochs=size["epochs"],
                batch_size=128,
                device="cpu",
                random_state=0,
                **settings,
            ).fit(X)
            # Back from working units to those of X.
            return float(model.loss_curve_[-1]) * float(model.module_.scaler.scale[0]) ** 2

        return run

    variants = {
        "plain torch loop": plain_loop(make, mean_squared_error, X, **size),
        "plain loop, fused Adam": plain_loop(make, mean_squared_error, X, fused=True, **size),
        "skorch default": skorch_default(make, X, **size),
        "MLPRegressor float32": mlp_regressor((256, 64, 256), X, **size),
        OURS: ours(encoder=MLP((256,)), decoder=MLP((256,)), scaling=None),
        "skrep, as it comes": ours(hidden_layer_sizes=(256,)),
    }
    if is_installed("pythae"):
        variants["pythae"] = pythae_model("ae", X, hidden=256, code=64, **size)
    return variants


def main():
    options = read_options(__doc__)
    print_machine("Autoencoder, 60,000 x 784", options)
    from _peers import print_product_rates

    print_product_rates()
    turns = interleave(make_variants(options), options.rounds)
    print_variants(turns)
    print_ratios(turns, GOALS)


if __name__ == "__main__":
    main()
