"""Autoencoders: codes that reconstruct what they were made from."""

from skrep.autoencoder._autoencoder import Autoencoder as Autoencoder
from skrep.autoencoder._deep import DeepAutoencoder as DeepAutoencoder
from skrep.autoencoder._denoising import DenoisingAutoencoder as DenoisingAutoencoder
from skrep.autoencoder._sparse import SparseAutoencoder as SparseAutoencoder
from skrep.autoencoder._vae import VAE as VAE

__all__ = ["VAE", "Autoencoder", "DeepAutoencoder", "DenoisingAutoencoder", "SparseAutoencoder"]
