"""MultimodalVAE on the halves of 60,000 images, 392-256-20 each, batch 128, Adam."""

import contextlib
import io
import logging
import tempfile

from _interleave import (
    Comparison,
    interleave,
    is_installed,
    print_machine,
    print_ratios,
    print_variants,
    read_options,
)

KINDS = {"product": "MVAE", "mixture_of_products": "MoPoE"}
GOALS = (
    Comparison("skrep, product", "multivae MVAE", 0.45),
    Comparison("skrep, product", "plain torch MVAE"),
    Comparison("skrep, as it comes, product", "plain torch MVAE"),
    Comparison("skrep, mixture_of_products", "multivae MoPoE", 0.55),
    Comparison("skrep, mixture_of_products", "plain torch MoPoE"),
    Comparison("skrep, as it comes, mixture_of_products", "plain torch MoPoE"),
)
WIDTH, HIDDEN, CODE, BATCH = 392, 256, 20, 128


def plain_torch(halves, epochs, kind):
    """Return a plain torch loop that uses every network once a step."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    def network(n_in, n_out):
        return nn.Sequential(nn.Linear(n_in, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_out))

    def loss_of(encoders, decoders, views):
        outs = [encoder(x).chunk(2, dim=1) for encoder, x in zip(encoders, views, strict=True)]
        precisions = [torch.exp(-out[1]) for out in outs]
        prior = 1.0 if kind == "product" else 0.0
        means, variances = [], []
        for members in ((0,), (1,), (0, 1)):
            variance = 1.0 / (prior + sum(precisions[v] for v in members))
            means.append(variance * sum(precisions[v] * outs[v][0] for v in members))
            variances.append(variance)
        mean, variance = torch.stack(means), torch.stack(variances)
        codes = mean + variance.sqrt() * torch.randn_like(mean)
        total = -0.5 * torch.sum(1 + variance.log() - mean.square() - variance)
        for v, x in enumerate(views):
            chosen = codes[[v, 2]] if kind == "product" else codes
            logits = decoders[v](chosen.reshape(-1, CODE)).reshape(len(chosen), -1, WIDTH)
            target = x.expand_as(logits)
            total = total + F.binary_cross_entropy_with_logits(logits, target, reduction="sum")
        return total / (3 * len(views[0]))

    def run():
        torch.manual_seed(0)
        encoders = nn.ModuleList(network(WIDTH, 2 * CODE) for _ in range(2))
        decoders = nn.ModuleList(network(CODE, WIDTH) for _ in range(2))
        optimizer = torch.optim.Adam([*encoders.parameters(), *decoders.parameters()], lr=1e-3)
        data = [torch.from_numpy(half) for half in halves]
        total = torch.zeros(())
        for _ in range(epochs):
            order = torch.randperm(len(data[0]))
            shuffled = [half[order] for half in data]
            total = torch.zeros(())
            for start in range(0, len(order), BATCH):
                views = [half[start : start + BATCH] for half in shuffled]
                optimizer.zero_grad()
                loss = loss_of(encoders, decoders, views)
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(views[0])
        return float(total) / len(data[0])

    return run


def ours(halves, epochs, kind, *, same_network):
    from skrep import Views
    from skrep.multimodal import MultimodalVAE
    from skrep.nn import MLP

    views = Views(tuple(halves))
    design = {"encoder": MLP((HIDDEN,)), "decoder": MLP((HIDDEN,))} if same_network else {}

    def run():
        model = MultimodalVAE(
            CODE,
            experts=kind,
            likelihood="bernoulli",
            hidden_layer_sizes=(HIDDEN,),
            max_epochs=epochs,
            batch_size=BATCH,
            device="cpu",
            random_state=0,
            **design,
        ).fit(views)
        return float(model.loss_curve_[-1])

    return run


def multivae(halves, epochs, name):
    """Return multivae's model with its own default networks of these sizes and its own trainer."""
    import torch
    from multivae.data.datasets import MultimodalBaseDataset
    from multivae.models import MVAE, MoPoE, MoPoEConfig, MVAEConfig
    from multivae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.models.nn.default_architectures import Decoder_AE_MLP, Encoder_VAE_MLP

    model_class, config_class = {"MVAE": (MVAE, MVAEConfig), "MoPoE": (MoPoE, MoPoEConfig)}[name]

    def run():
        torch.manual_seed(0)
        shapes = {"left": (WIDTH,), "right": (WIDTH,)}
        config = config_class(
            n_modalities=2,
            latent_dim=CODE,
            input_dims=shapes,
            decoders_dist=dict.fromkeys(shapes, "bernoulli"),
        )
        config.input_dim, config.latent_dim = (WIDTH,), CODE
        networks = _peer_networks(Encoder_VAE_MLP, Decoder_AE_MLP, shapes)
        model = model_class(config, *networks)
        data = dict(zip(shapes, map(torch.from_numpy, halves), strict=True))
        with tempfile.TemporaryDirectory() as folder, _silence():
            settings = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=epochs,
                per_device_train_batch_size=BATCH,
                learning_rate=1e-3,
                no_cuda=True,
            )
            data_set = MultimodalBaseDataset(data)
            BaseTrainer(model, data_set, training_config=settings).train()
        return float("nan")

    return run


def _peer_networks(encoder_class, decoder_class, shapes):
    from types import SimpleNamespace

    from torch import nn

    encoders, decoders = {}, {}
    for name, shape in shapes.items():
        config = SimpleNamespace(input_dim=shape, latent_dim=CODE)
        encoders[name], decoders[name] = encoder_class(config), decoder_class(config)
        # Its default has 512 hidden units.
        encoders[name].layers[0] = nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU())
        encoders[name].embedding = nn.Linear(HIDDEN, CODE)
        encoders[name].log_var = nn.Linear(HIDDEN, CODE)
        decoders[name].layers[0] = nn.Sequential(nn.Linear(CODE, HIDDEN), nn.ReLU())
        # Its default ends in a sigmoid, but its Bernoulli density takes log-odds.
        decoders[name].layers[1] = nn.Linear(HIDDEN, WIDTH)
    return encoders, decoders


@contextlib.contextmanager
def _silence():
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


def make_variants(options):
    from _peers import images

    X = images(options.data, 600 if options.quick else 60_000).reshape(-1, 28, 28)
    X = (X > 0.5).astype(X.dtype)  # multivae takes no probabilities
    halves = [X[..., :14].reshape(len(X), -1).copy(), X[..., 14:].reshape(len(X), -1).copy()]
    epochs = options.epochs or 1
    variants = {}
    for kind, name in KINDS.items():
        variants[f"plain torch {name}"] = plain_torch(halves, epochs, kind)
        variants[f"skrep, {kind}"] = ours(halves, epochs, kind, same_network=True)
        variants[f"skrep, as it comes, {kind}"] = ours(halves, epochs, kind, same_network=False)
        if is_installed("multivae"):
            variants[f"multivae {name}"] = multivae(halves, epochs, name)
    return variants


def main():
    options = read_options(__doc__)
    print_machine("MultimodalVAE, two halves of 60,000 images", options)
    from _peers import print_product_rates

    print_product_rates()
    turns = interleave(make_variants(options), options.rounds)
    print_variants(turns)
    print_ratios(turns, GOALS)


if __name__ == "__main__":
    main()
