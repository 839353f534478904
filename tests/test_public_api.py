"""The names that users may rely on, frozen: a change here is a change of the interface."""

import importlib
import inspect
import pkgutil

import pytest

import skrep

FROZEN: dict[str, set[str]] = {
    "skrep": {
        *("autoencoder", "boltzmann", "compose", "cross_decomposition", "datasets", "exceptions"),
        *("functional", "inspection", "metrics", "multimodal", "nn"),
        *("CCA", "DCCA", "DCCAE", "RBMCCA"),
        *("AE2Net", "CLIP", "JMVAE", "MultimodalAutoencoder", "MultimodalDBM", "MultimodalRBM"),
        *("MultimodalVAE", "CrossModalRetriever", "Experts", "Fusion", "LabelAsView"),
        "Temperature",
        *("Autoencoder", "DenoisingAutoencoder", "SparseAutoencoder", "VAE"),
        *("Corruption", "Gradient", "Likelihood", "Sparsity", "Trainer", "Warmup"),
        *("ConcatViews", "PairedEstimator", "PerView", "SelectView", "SplitViews", "Views"),
        *("FineTunedClassifier", "FineTunedRegressor"),
        *("DBM", "DBN", "DeepAutoencoder", "Pretraining"),
        *("BoltzmannMachine", "HopfieldNetwork", "RBM"),
        *("MissingViewError", "NonFiniteLossError"),
        "compare",
    },
    "skrep.autoencoder": {
        *("Autoencoder", "DeepAutoencoder", "DenoisingAutoencoder", "SparseAutoencoder", "VAE"),
    },
    "skrep.boltzmann": {
        *("DBM", "DBN", "RBM", "Annealed", "BoltzmannMachine", "HopfieldNetwork", "Recall"),
    },
    "skrep.compose": {
        *("ConcatViews", "PairedEstimator", "PerView", "SelectView", "SplitViews"),
        *("CrossModalRetriever", "LabelAsView"),
        *("FineTunedClassifier", "FineTunedRegressor"),
    },
    "skrep.cross_decomposition": {"CCA", "DCCA", "DCCAE", "RBMCCA"},
    "skrep.datasets": {
        *("fetch_fashion_mnist", "fetch_mnist", "fetch_wikipedia", "load_mfeat"),
        *("make_bars", "make_low_rank", "make_multiview"),
        *("drop_views", "make_halves", "make_noisy_views", "with_labels"),
        *("make_ising_grid", "make_max_cut", "make_qubo"),
        *("IsingProblem", "max_cut_to_ising", "qubo_to_ising"),
    },
    "skrep.exceptions": {"MissingViewError", "NonFiniteLossError"},
    "skrep.functional.annealing": {
        *("LogMean", "annealed_log_weights", "log_mean_weight", "temperature_ladder"),
    },
    "skrep.functional.coloring": {"color_blocks"},
    "skrep.functional.ising": {
        *("MAX_STATES", "Blocks", "make_blocks", "gibbs_sweep_", "mean_field_", "ising_energy"),
        *("draw_exactly", "exact_log_partition"),
        *("unit_entropy", "unit_log_partition", "unit_mean"),
    },
    "skrep.functional.contrastive": {"info_nce", "pairwise_sigmoid", "recall_at_one"},
    "skrep.functional.correlation": {"correlation_loss", "eckart_young_loss"},
    "skrep.functional.corruption": {
        *("CORRUPTIONS", "Corruption"),
        *("gaussian_noise", "masking_noise", "salt_and_pepper"),
    },
    "skrep.functional.divergences": {"kl_normal", "kl_standard_normal"},
    "skrep.functional.energies": {
        *("binary_states", "bipartite_energy", "log_multinomial_coefficient", "softplus"),
        *("gaussian_log_partition", "rectified_log_partition", "rectified_mean"),
    },
    "skrep.functional.experts": {
        *("join_posteriors", "mixture_log_prob", "mixture_moments", "product_of_experts"),
        "view_subsets",
    },
    "skrep.functional.gibbs": {
        *("draw_bernoulli_", "draw_categorical", "draw_multinomial", "draw_rectified"),
    },
    "skrep.functional.pseudo_likelihood": {
        *("binary_conditional", "choice_conditional", "real_conditional"),
    },
    "skrep.functional.importance": {"effective_sample_size", "importance_weighted_bound"},
    "skrep.functional.likelihoods": {
        *("bernoulli_log_prob", "categorical_log_prob", "gaussian_log_prob", "poisson_log_prob"),
    },
    "skrep.functional.sparsity": {"kl_to_rate", "l1_penalty", "top_k"},
    "skrep.inspection": {
        *("Comparison", "compare", "explained_variance", "feature_correlations"),
        *("AttractorDisplay", "CanonicalCorrelationDisplay", "ComponentsDisplay"),
        *("ExplainedVarianceDisplay", "LatentDisplay", "LogLikelihoodDisplay", "LossCurveDisplay"),
        *("ReconstructionDisplay", "RetrievalDisplay", "TraversalDisplay", "ViewWeightsDisplay"),
    },
    "skrep.metrics": {
        *("kmeans_accuracy", "kmeans_ari", "kmeans_nmi", "knn_accuracy", "linear_probe_accuracy"),
        *("imputation_r2", "log_likelihood", "reconstruction_r2"),
        *("canonical_correlations", "coherence", "importance_weighted_log_likelihood"),
        "total_correlation_captured",
        *("mean_average_precision", "mean_reciprocal_rank", "median_rank", "retrieval_recall"),
        *("scorers", "shared_representation_accuracy", "view_scorer"),
    },
    "skrep.multimodal": {
        *("AE2Net", "CLIP", "JMVAE", "MultimodalAutoencoder", "MultimodalDBM", "MultimodalRBM"),
        "MultimodalVAE",
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
