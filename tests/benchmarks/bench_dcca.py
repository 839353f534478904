"""DCCA 392-1024-10 twice on 60,000 rows, batch 1000, Adam: ours beside a raw loop and others."""

from _interleave import (
    Comparison,
    interleave,
    is_installed,
    print_machine,
    print_ratios,
    print_variants,
    read_options,
)

N_COMPONENTS, HIDDEN, BATCH = 10, 1024, 1000
OURS, COMES = "skrep, same network", "skrep, as it comes"
RAW, RAW_FUSED, RAW_DOUBLE = (
    "plain torch loop, Cholesky loss",
    "plain loop, fused Adam",
    "plain loop, float64",
)
ZOO, MVLEARN = "cca-zoo DCCA", "mvlearn DCCA"
GOALS = (
    Comparison(OURS, ZOO, 0.50),
    Comparison(OURS, MVLEARN, 0.25),
    Comparison(OURS, RAW, 0.65),
    Comparison(OURS, RAW_FUSED),
    Comparison(OURS, RAW_DOUBLE),
    Comparison(COMES, RAW),
)


def halves(options):
    import numpy as np
    from _peers import images

    X = images(options.data, 2_000 if options.quick else 60_000).reshape(-1, 28, 28)
    return tuple(
        np.ascontiguousarray(part.reshape(len(X), -1)) for part in (X[:, :, :14], X[:, :, 14:])
    )


def make_variants(options):
    import torch

    from skrep.cross_decomposition import DCCA
    from skrep.nn import MLP

    views, epochs = halves(options), options.epochs or 1

    def ours(**settings):
        def run():
            model = DCCA(
                N_COMPONENTS,
                max_epochs=epochs,
                batch_size=BATCH,
                regularization=1e-4,
                device="cpu",
                random_state=0,
                **settings,
            ).fit(views)
            return float(model.loss_curve_[-1])

        return run

    variants = {
        RAW: raw_loop(views, epochs),
        RAW_FUSED: raw_loop(views, epochs, fused=True),
        RAW_DOUBLE: raw_loop(views, epochs, dtype=torch.float64),
        OURS: ours(encoder=MLP((HIDDEN,))),
        COMES: ours(hidden_layer_sizes=(HIDDEN,)),
    }
    if is_installed("cca_zoo"):
        variants[ZOO] = cca_zoo(views, epochs)
    if is_installed("mvlearn"):
        variants[MVLEARN] = mvlearn(views, epochs)
    return variants


def raw_loop(views, epochs, *, fused=None, dtype=None):
    """Return the loop of a tutorial: Cholesky factors and the trace norm, all by autograd."""
    import torch
    from torch import nn

    def network(n_in):
        return nn.Sequential(nn.Linear(n_in, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, N_COMPONENTS))

    def loss_of(a, b):
        n = len(a)
        a, b = a - a.mean(dim=0), b - b.mean(dim=0)
        ridge = 1e-4 * torch.eye(N_COMPONENTS, dtype=a.dtype)
        left = torch.linalg.cholesky(a.T @ a / (n - 1) + ridge)
        right = torch.linalg.cholesky(b.T @ b / (n - 1) + ridge)
        half = torch.linalg.solve_triangular(left, a.T @ b / (n - 1), upper=False)
        whole = torch.linalg.solve_triangular(right, half.T, upper=False)
        return -torch.linalg.svdvals(whole).sum()

    def run():
        torch.manual_seed(0)
        data = [torch.from_numpy(view).to(dtype or torch.float32) for view in views]
        nets = [network(view.shape[1]).to(data[0].dtype) for view in data]
        weights = [p for net in nets for p in net.parameters()]
        optimizer = torch.optim.Adam(weights, lr=1e-3, fused=fused)
        total, n_batches = 0.0, 0
        for _ in range(epochs):
            total, n_batches = 0.0, 0
            for rows in torch.randperm(len(data[0])).split(BATCH):
                optimizer.zero_grad()
                loss = loss_of(*(net(view[rows]) for net, view in zip(nets, data, strict=True)))
                loss.backward()
                optimizer.step()
                total, n_batches = total + loss.item(), n_batches + 1
        return total / n_batches

    return run


def cca_zoo(views, epochs):
    """Return cca-zoo's DCCA with the same layers, trained by its own trainer."""
    from cca_zoo import deep
    from cca_zoo.deep.architectures import Encoder

    def run():
        encoders = [
            Encoder(
                latent_dimensions=N_COMPONENTS, feature_size=view.shape[1], layer_sizes=(HIDDEN,)
            )
            for view in views
        ]
        deep.DCCA(
            latent_dimensions=N_COMPONENTS,
            encoders=encoders,
            learning_rate=1e-3,
            max_epochs=epochs,
            batch_size=BATCH,
        ).fit(list(views))

    return run


def mvlearn(views, epochs):
    """Return mvlearn's DCCA; its call of `torch.symeig`, gone since torch 2, is put back."""
    import torch
    from mvlearn import embed

    if not hasattr(torch, "symeig"):
        torch.symeig = lambda matrix, eigenvectors=True: torch.linalg.eigh(matrix)

    def run():
        embed.DCCA(
            input_size1=views[0].shape[1],
            input_size2=views[1].shape[1],
            n_components=N_COMPONENTS,
            layer_sizes1=[HIDDEN, N_COMPONENTS],
            layer_sizes2=[HIDDEN, N_COMPONENTS],
            epoch_num=epochs,
            batch_size=BATCH,
            learning_rate=1e-3,
        ).fit(list(views))

    return run


def main():
    options = read_options(__doc__)
    print_machine("DCCA, 60,000 x (392 + 392)", options)
    from _peers import print_product_rates

    print_product_rates()
    turns = interleave(make_variants(options), options.rounds)
    print_variants(turns)
    print_ratios(turns, GOALS)


if __name__ == "__main__":
    main()
