"""The same training done by others: each function returns a variant to be timed."""

import contextlib
import io
import itertools
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


def images(folder: Path | None, n: int = 60_000) -> np.ndarray:
    """Return n rows of 784 float32 values in [0, 1]: MNIST from `folder`, or uniform draws."""
    if folder is None:
        return np.random.default_rng(0).random((n, 784), dtype=np.float32)
    with np.load(folder / "mnist.npz") as stored:
        # In place: a temporary of the whole set would count as somebody's memory.
        X = stored["X_train"][:n].reshape(-1, 784).astype(np.float32)
    X /= 255.0
    return X


def print_product_rates() -> None:
    """Print how fast this machine multiplies in float32: by default, and as a fit of ours may.

    The goals of the large networks assume that the second is about twice the first.
    """
    from skrep.engine.matmul import fast_matmul, is_exact

    x, w = torch.rand(128, 784), torch.rand(256, 784)
    rates = {False: [], True: []}
    for _ in range(15):
        for fast, found in rates.items():
            with fast_matmul(fast):
                started = time.process_time()
                for _ in range(20):
                    F.linear(x, w)
                seconds = (time.process_time() - started) / 20
            found.append(2e-9 * 128 * 784 * 256 / seconds)
    default, fast = (statistics.median(found) for found in rates.values())
    exact = "exact" if is_exact() else "NOT exact, so not used"
    print(
        f"- float32 product 128x784x256, GFLOP/s of CPU time: torch's default {default:.0f}, "
        f"oneDNN {fast:.0f} ({fast / default:.2f}x, {exact})"
    )


def autoencoder_network(n_in: int, hidden: tuple[int, ...], code: int, *, relu_code=False):
    """Return encoder and decoder with ReLU between layers and an identity output."""
    widths = (n_in, *hidden, code)
    encoder = _chain(widths, last=nn.ReLU() if relu_code else None)
    return encoder, _chain(widths[::-1], last=None)


def _chain(widths: tuple[int, ...], last: nn.Module | None) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(widths):
        layers += [nn.Linear(a, b), nn.ReLU()]
    layers.pop()
    return nn.Sequential(*layers, *([] if last is None else [last]))


def plain_loop(
    make: Callable[[], nn.Module],
    loss_of: Callable[[nn.Module, torch.Tensor], torch.Tensor],
    X: np.ndarray,
    *,
    epochs: int,
    batch_size: int,
    fused: bool | None = None,
    whole_shuffle: bool = True,
):
    """Return a plain torch loop, as a tutorial writes it: shuffle, slice, step.

    With `whole_shuffle` the set is copied in a new order once an epoch; without it the rows of a
    batch are gathered, which is as fast and needs no second copy.
    """

    def run() -> float:
        torch.manual_seed(0)
        module = make()
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=fused)
        data = torch.from_numpy(X)
        total = 0.0
        for _ in range(epochs):
            order = torch.randperm(len(data))
            source = data[order] if whole_shuffle else data
            total = torch.zeros(())
            for start in range(0, len(data), batch_size):
                stop = start + batch_size
                batch = source[start:stop] if whole_shuffle else source[order[start:stop]]
                optimizer.zero_grad()
                loss = loss_of(module, batch)
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(batch)
        return float(total) / len(data)

    return run


def mean_squared_error(module: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    return F.mse_loss(module(batch), batch)


def skorch_default(make: Callable[[], nn.Module], X: np.ndarray, *, epochs: int, batch_size: int):
    """Return skorch as it comes, on all rows, shuffled, with Adam."""
    from skorch import NeuralNetRegressor

    def run() -> float:
        torch.manual_seed(0)
        net = NeuralNetRegressor(
            make(),
            optimizer=torch.optim.Adam,
            lr=1e-3,
            max_epochs=epochs,
            batch_size=batch_size,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
        )
        net.fit(X, X)
        return float(net.history[-1]["train_loss"])

    return run


def mlp_regressor(hidden: tuple[int, ...], X: np.ndarray, *, epochs: int, batch_size: int):
    """Return scikit-learn's MLPRegressor, which stays in the float32 it is given."""
    from sklearn.neural_network import MLPRegressor

    def run() -> float:
        model = MLPRegressor(
            hidden_layer_sizes=hidden,
            alpha=0.0,
            batch_size=batch_size,
            max_iter=epochs,
            n_iter_no_change=epochs + 1,
            tol=0.0,
            random_state=0,
        )
        model.fit(X, X)
        return 2.0 * float(model.loss_)  # its loss is half the squared error

    return run


# -- variational autoencoder ------------------------------------------------------------------


class PlainVAE(nn.Module):
    """One hidden layer each way, Gaussian code, Bernoulli observations."""

    def __init__(self, n_in: int, hidden: int, code: int) -> None:
        super().__init__()
        self.encoder = _chain((n_in, hidden, 2 * code), last=None)
        self.decoder = _chain((code, hidden, n_in), last=None)


def negative_elbo(module: PlainVAE, batch: torch.Tensor) -> torch.Tensor:
    mean, log_var = module.encoder(batch).chunk(2, dim=1)
    codes = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
    logits = module.decoder(codes)
    likelihood = F.binary_cross_entropy_with_logits(logits, batch, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_var - mean.square() - log_var.exp())
    return (likelihood + kl) / len(batch)


# -- pythae -----------------------------------------------------------------------------------


def pythae_model(kind: str, X: np.ndarray, *, hidden: int, code: int, epochs: int, batch_size: int):
    """Return pythae's AE or VAE with the same layers, trained by its own trainer."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import AE, VAE, AEConfig, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    n_in = X.shape[1]
    variational = kind == "vae"

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.latent_dim = code
            self.body = nn.Sequential(nn.Linear(n_in, hidden), nn.ReLU())
            self.mean = nn.Linear(hidden, code)
            self.log_var = nn.Linear(hidden, code) if variational else None

        def forward(self, x):
            h = self.body(x)
            if self.log_var is None:
                return ModelOutput(embedding=self.mean(h))
            return ModelOutput(embedding=self.mean(h), log_covariance=self.log_var(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.body = _chain((code, hidden, n_in), last=nn.Sigmoid() if variational else None)

        def forward(self, z):
            return ModelOutput(reconstruction=self.body(z))

    def run() -> float:
        torch.manual_seed(0)
        if variational:
            config = VAEConfig((n_in,), code, reconstruction_loss="bce")
            model = VAE(config, encoder=Encoder(), decoder=Decoder())
        else:
            model = AE(AEConfig((n_in,), code), encoder=Encoder(), decoder=Decoder())
        data = torch.from_numpy(X)
        with tempfile.TemporaryDirectory() as folder, _silence():
            trainer = BaseTrainer(
                model,
                BaseDataset(data, torch.zeros(len(data))),
                training_config=BaseTrainerConfig(
                    output_dir=folder,
                    num_epochs=epochs,
                    per_device_train_batch_size=batch_size,
                    learning_rate=1e-3,
                    no_cuda=True,
                ),
            )
            trainer.train()
        return float("nan")

    return run


@contextlib.contextmanager
def _silence():
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)
