"""Representation learning for scikit-learn users.

Estimators with `fit`, `transform`, `inverse_transform` and `score`, for one array or several views
of the same samples. Names are loaded on first use, so that `import skrep` costs no more than
`import sklearn`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

_SOURCES: Final = {
    "skrep.autoencoder": (
        "VAE",
        "Autoencoder",
        "DeepAutoencoder",
        "DenoisingAutoencoder",
        "SparseAutoencoder",
    ),
    "skrep.boltzmann": ("DBM", "DBN", "RBM", "BoltzmannMachine", "HopfieldNetwork"),
    "skrep.compose": (
        "ConcatViews",
        "CrossModalRetriever",
        "FineTunedClassifier",
        "FineTunedRegressor",
        "LabelAsView",
        "PairedEstimator",
        "PerView",
        "SelectView",
        "SplitViews",
    ),
    "skrep.cross_decomposition": ("CCA", "DCCA", "DCCAE", "RBMCCA"),
    "skrep.engine.trainer": ("Trainer",),
    "skrep.exceptions": ("MissingViewError", "NonFiniteLossError"),
    "skrep.inspection": ("compare",),
    "skrep.multimodal": (
        "CLIP",
        "JMVAE",
        "AE2Net",
        "MultimodalAutoencoder",
        "MultimodalDBM",
        "MultimodalRBM",
        "MultimodalVAE",
    ),
    "skrep.utils.settings": (
        "Corruption",
        "Experts",
        "Fusion",
        "Gradient",
        "Likelihood",
        "Pretraining",
        "Sparsity",
        "Warmup",
    ),
    "skrep.utils.temperature": ("Temperature",),
    "skrep.views": ("Views",),
}
_MODULES: Final = (
    "autoencoder",
    "boltzmann",
    "compose",
    "cross_decomposition",
    "datasets",
    "exceptions",
    "functional",
    "inspection",
    "metrics",
    "multimodal",
    "nn",
)
_HOME: Final = {name: module for module, names in _SOURCES.items() for name in names}

__version__ = "0.1.0"
__all__ = sorted([*_HOME, *_MODULES])

if TYPE_CHECKING:
    from skrep.autoencoder import VAE as VAE
    from skrep.autoencoder import Autoencoder as Autoencoder
    from skrep.autoencoder import DeepAutoencoder as DeepAutoencoder
    from skrep.autoencoder import DenoisingAutoencoder as DenoisingAutoencoder
    from skrep.autoencoder import SparseAutoencoder as SparseAutoencoder
    from skrep.boltzmann import DBM as DBM
    from skrep.boltzmann import DBN as DBN
    from skrep.boltzmann import RBM as RBM
    from skrep.boltzmann import BoltzmannMachine as BoltzmannMachine
    from skrep.boltzmann import HopfieldNetwork as HopfieldNetwork
    from skrep.compose import ConcatViews as ConcatViews
    from skrep.compose import CrossModalRetriever as CrossModalRetriever
    from skrep.compose import FineTunedClassifier as FineTunedClassifier
    from skrep.compose import FineTunedRegressor as FineTunedRegressor
    from skrep.compose import LabelAsView as LabelAsView
    from skrep.compose import PairedEstimator as PairedEstimator
    from skrep.compose import PerView as PerView
    from skrep.compose import SelectView as SelectView
    from skrep.compose import SplitViews as SplitViews
    from skrep.cross_decomposition import CCA as CCA
    from skrep.cross_decomposition import DCCA as DCCA
    from skrep.cross_decomposition import DCCAE as DCCAE
    from skrep.cross_decomposition import RBMCCA as RBMCCA
    from skrep.engine.trainer import Trainer as Trainer
    from skrep.exceptions import MissingViewError as MissingViewError
    from skrep.exceptions import NonFiniteLossError as NonFiniteLossError
    from skrep.inspection import compare as compare
    from skrep.multimodal import CLIP as CLIP
    from skrep.multimodal import JMVAE as JMVAE
    from skrep.multimodal import AE2Net as AE2Net
    from skrep.multimodal import MultimodalAutoencoder as MultimodalAutoencoder
    from skrep.multimodal import MultimodalDBM as MultimodalDBM
    from skrep.multimodal import MultimodalRBM as MultimodalRBM
    from skrep.multimodal import MultimodalVAE as MultimodalVAE
    from skrep.utils.settings import Corruption as Corruption
    from skrep.utils.settings import Experts as Experts
    from skrep.utils.settings import Fusion as Fusion
    from skrep.utils.settings import Gradient as Gradient
    from skrep.utils.settings import Likelihood as Likelihood
    from skrep.utils.settings import Pretraining as Pretraining
    from skrep.utils.settings import Sparsity as Sparsity
    from skrep.utils.settings import Warmup as Warmup
    from skrep.utils.temperature import Temperature as Temperature
    from skrep.views import Views as Views


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    elif name in _MODULES:
        value = import_module(f"skrep.{name}")
    else:
        raise AttributeError(f"module 'skrep' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
