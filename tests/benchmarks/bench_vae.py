"""VAE 784-256-20 with Bernoulli observations on 60,000 rows, batch 128, Adam."""

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
    Comparison(OURS, "pythae", 0.55),
    Comparison(OURS, "plain torch loop"),
    Comparison(OURS, "plain loop, fused Adam"),
    Comparison("skrep, as it comes", "plain torch loop"),
)


def make_variants(options):
    from _peers import PlainVAE, images, negative_elbo, plain_loop, pythae_model

    from skrep import VAE
    from skrep.nn import MLP

    X = images(options.data, 600 if options.quick else 60_000)
    size = {"epochs": options.epochs or 1, "batch_size": 128}

    def make():
        return PlainVAE(784, 256, 20)

    def ours(**settings):
        def run():
            model = VAE(
                20,
                likelihood="bernoulli",
                max_epochs=size["epochs"],
                batch_size=128,
                device="cpu",
                random_state=0,
                **settings,
            ).fit(X)
            return float(model.loss_curve_[-1])

        return run

    variants = {
        "plain torch loop": plain_loop(make, negative_elbo, X, **size),
        "plain loop, fused Adam": plain_loop(make, negative_elbo, X, fused=True, **size),
        OURS: ours(encoder=MLP((256,)), decoder=MLP((256,))),
        "skrep, as it comes": ours(hidden_layer_sizes=(256,)),
    }
    if is_installed("pythae"):
        variants["pythae"] = pythae_model("vae", X, hidden=256, code=20, **size)
    return variants


def main():
    options = read_options(__doc__)
    print_machine("VAE, 60,000 x 784", options)
    from _peers import print_product_rates

    print_product_rates()
    turns = interleave(make_variants(options), options.rounds)
    print_variants(turns)
    print_ratios(turns, GOALS)


if __name__ == "__main__":
    main()
