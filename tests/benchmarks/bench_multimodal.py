"""MultimodalAutoencoder on two views of 60,000 x 392: beside Autoencoder on the concatenation.

Networks have the same sizes. "early" is the same network; "concat" has 392-256-64 per view, which
multiplies the views as often and the 256-64 part twice, and decodes the same way. What dropping
views costs on top is a row of its own.
"""

from _interleave import (
    Comparison,
    interleave,
    print_machine,
    print_ratios,
    print_variants,
    read_options,
)

PEER = "Autoencoder, concatenation"
GOALS = (
    Comparison("early", PEER, 1.15),
    Comparison("concat, complete", PEER, 1.15),
    Comparison("concat, views dropped", PEER),
    Comparison("gate, views dropped", PEER),
    Comparison("attention, views dropped", PEER),
)


def make_variants(options):
    from _peers import images

    from skrep import Autoencoder, Views
    from skrep.multimodal import MultimodalAutoencoder
    from skrep.utils.settings import Fusion

    X = images(options.data, 600 if options.quick else 60_000)
    views = Views((X[:, :392].copy(), X[:, 392:].copy()), names=("top", "bottom"))
    settings = {
        "max_epochs": options.epochs or 1,
        "batch_size": 128,
        "device": "cpu",
        "random_state": 0,
        "hidden_layer_sizes": (256,),
    }

    def ours(fusion):
        return lambda: float(
            MultimodalAutoencoder(64, fusion=fusion, **settings).fit(views).loss_curve_[-1]
        )

    return {
        PEER: lambda: float(Autoencoder(64, **settings).fit(views).loss_curve_[-1]),
        "early": ours("early"),
        "concat, complete": ours(Fusion("concat", denoise_views=False)),
        "concat, views dropped": ours("concat"),
        "gate, views dropped": ours("gate"),
        "attention, views dropped": ours("attention"),
    }


def main():
    options = read_options(__doc__, rounds=3)
    print_machine("MultimodalAutoencoder, 60,000 x (392 + 392)", options)
    turns = interleave(make_variants(options), options.rounds)
    print_variants(turns)
    print_ratios(turns, GOALS)


if __name__ == "__main__":
    main()
