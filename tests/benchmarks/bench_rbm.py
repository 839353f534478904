"""RBM 784x500 on 60,000 rows, one epoch, batches of 10, 128 and 512: ours beside scikit-learn."""

from _interleave import (
    Comparison,
    interleave,
    is_installed,
    print_machine,
    print_ratios,
    print_variants,
    read_options,
)

BATCHES = (10, 128, 512)
GOALS = {10: 0.35, 128: 0.55, 512: 0.60}
LEARNERGY_GOAL = 0.28


def make_variants(options):
    from _peers import images
    from sklearn.neural_network import BernoulliRBM

    from skrep import RBM

    X = images(options.data, 600 if options.quick else 60_000)
    epochs = options.epochs or 1

    def ours(batch_size, **settings):
        def run():
            model = RBM(
                500,
                batch_size=batch_size,
                learning_rate=0.05,
                max_epochs=epochs,
                device="cpu",
                random_state=0,
                **settings,
            ).fit(X)
            return float(model.loss_curve_[-1])

        return run

    def theirs(batch_size):
        def run():
            model = BernoulliRBM(
                500, batch_size=batch_size, learning_rate=0.05, n_iter=epochs, random_state=0
            )
            model.fit(X)

        return run

    def learnergy(batch_size):
        import torch
        from learnergy.models import bernoulli

        data = torch.utils.data.TensorDataset(
            torch.from_numpy(X), torch.zeros(len(X), dtype=torch.long)
        )

        def run():
            bernoulli.RBM(784, 500, steps=1, learning_rate=0.05, use_gpu=False).fit(
                data, batch_size=batch_size, epochs=epochs
            )

        return run

    variants = {}
    for batch_size in BATCHES:
        variants[f"skrep, batch {batch_size}"] = ours(batch_size)
        variants[f"skrep plain, batch {batch_size}"] = ours(batch_size, gradient="plain")
        variants[f"BernoulliRBM float32, batch {batch_size}"] = theirs(batch_size)
    if is_installed("learnergy"):
        variants["learnergy, batch 128"] = learnergy(128)
    return variants


def comparisons():
    rows = []
    for batch_size in BATCHES:
        peer = f"BernoulliRBM float32, batch {batch_size}"
        rows.append(Comparison(f"skrep, batch {batch_size}", peer, GOALS[batch_size]))
        rows.append(Comparison(f"skrep plain, batch {batch_size}", peer))
    rows.append(Comparison("skrep, batch 128", "learnergy, batch 128", LEARNERGY_GOAL))
    return rows


def main():
    options = read_options(__doc__)
    print_machine("RBM, 60,000 x 784, 500 hidden units", options)
    from _peers import print_product_rates

    print_product_rates()
    turns = interleave(make_variants(options), options.rounds)
    print_variants(turns)
    print_ratios(turns, comparisons())


if __name__ == "__main__":
    main()
