"""Models of several views of the same samples."""

from skrep.multimodal._ae2net import AE2Net as AE2Net
from skrep.multimodal._autoencoder import MultimodalAutoencoder as MultimodalAutoencoder
from skrep.multimodal._clip import CLIP as CLIP
from skrep.multimodal._dbm import MultimodalDBM as MultimodalDBM
from skrep.multimodal._jmvae import JMVAE as JMVAE
from skrep.multimodal._rbm import MultimodalRBM as MultimodalRBM
from skrep.multimodal._vae import MultimodalVAE as MultimodalVAE

__all__ = [
    "CLIP",
    "JMVAE",
    "AE2Net",
    "MultimodalAutoencoder",
    "MultimodalDBM",
    "MultimodalRBM",
    "MultimodalVAE",
]
