"""The names that users may rely on, frozen: a change here is a change of the interface."""

import importlib
import inspect
import pkgutil

import pytest

import skrep

FROZEN: dict[str, set[str]] = {
    "skrep": {
        *("autoencoder", "compose", "datasets", "exceptions"),
        *("functional", "inspection", "metrics", "nn"),
        *("Autoencoder", "DenoisingAutoencoder", "SparseAutoencoder", "VAE"),
        *("Corruption", "Likelihood", "Sparsity", "Trainer", "Warmup"),
        *("ConcatViews", "PerView", "SelectView", "SplitViews", "Views"),
        *("MissingViewError", "NonFiniteLossError"),
        "compare",
    },
    "skrep.autoencoder": {"Autoencoder", "DenoisingAutoencoder", "SparseAutoencoder", "VAE"},
    "skrep.compose": {"ConcatViews", "PerView", "SelectView", "SplitViews"},
    "skrep.datasets": {
        *("fetch_fashion_mnist", "fetch_mnist", "fetch_wikipedia", "load_mfeat"),
        *("make_bars", "make_low_rank", "make_multiview"),
    },
    "skrep.exceptions": {"MissingViewError", "NonFiniteLossError"},
    "skrep.functional.corruption": {
        *("CORRUPTIONS", "Corruption"),
        *("gaussian_noise", "masking_noise", "salt_and_pepper"),
    },
    "skrep.functional.divergences": {"kl_normal", "kl_standard_normal"},
    "skrep.functional.importance": {"effective_sample_size", "importance_weighted_bound"},
    "skrep.functional.likelihoods": {
        *("bernoulli_log_prob", "categorical_log_prob", "gaussian_log_prob", "poisson_log_prob"),
    },
    "skrep.functional.sparsity": {"kl_to_rate", "l1_penalty", "top_k"},
    "skrep.inspection": {"compare"},
    "skrep.metrics": {
        *("kmeans_accuracy", "kmeans_nmi", "linear_probe_accuracy", "reconstruction_r2"),
        "scorers",
    },
    "skrep.nn": {"MLP", "conv_decoder", "conv_encoder"},
    "skrep.views": {"Views", "as_views", "is_multiview", "refuse_mis_split"},
}

# Importable and documented for those who write models, and free to change between versions.
NOT_PROMISED = ("skrep.base", "skrep.engine", "skrep.mixins", "skrep.nn.", "skrep.utils")


@pytest.mark.parametrize("module", FROZEN)
def test_public_names_are_frozen(module):
    listed = importlib.import_module(module).__all__
    assert len(listed) == len(set(listed))
    assert set(listed) == FROZEN[module]


@pytest.mark.parametrize("module", FROZEN)
def test_public_names_exist(module):
    loaded = importlib.import_module(module)
    for name in FROZEN[module]:
        assert getattr(loaded, name) is not None


def test_every_public_module_is_frozen():
    """A new module with names for users cannot slip past the table."""
    modules = {
        info.name
        for info in pkgutil.walk_packages(skrep.__path__, "skrep.")
        if not any(part.startswith("_") for part in info.name.split("."))
        and not info.name.startswith(NOT_PROMISED)
        and getattr(importlib.import_module(info.name), "__all__", ())
    }
    assert modules | {"skrep"} == set(FROZEN)


def test_every_estimator_is_also_at_the_top():
    families = [name for name in FROZEN if name in ("skrep.autoencoder", "skrep.compose")]
    for family in families:
        for name in FROZEN[family]:
            assert getattr(skrep, name) is getattr(importlib.import_module(family), name)


def test_classes_say_what_they_are_called():
    for name in FROZEN["skrep"]:
        member = getattr(skrep, name)
        if inspect.isclass(member) or inspect.isfunction(member):
            assert member.__name__ == name
