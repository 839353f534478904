"""
Cleaning with a denoising autoencoder
=====================================

A denoising autoencoder sees a spoiled row and is asked for the clean one. To answer, it must know
what clean rows look like, so the code can be wide and still cannot be a mere copy. This page
spoils digits that it has never seen and measures what it, and three simpler cleaners, make of
them.
"""

# %%
# Spoiled digits
# --------------
# A third of the pixels of every test digit turn black or white. The training digits are clean: the
# model spoils them by itself, anew in every epoch.
import numpy as np
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.model_selection import train_test_split

from skrep import Autoencoder, Corruption, DenoisingAutoencoder
from skrep.datasets import load_mfeat

X, y = load_mfeat(return_X_y=True)
train, test = train_test_split(X["pix"], stratify=y, random_state=0)


def spoil(images, level, random_state):
    rng = np.random.default_rng(random_state)
    hit = rng.random(images.shape) < level
    return np.where(hit, rng.choice([0, 6], size=images.shape), images).astype(np.float32)


noisy = spoil(test, 1 / 3, random_state=1)

# %%
# Four cleaners
# -------------
# PCA keeps what its first components can express. A plain autoencoder of the same size does that
# with a network. Ridge regression is the linear cleaner that has seen spoiled rows, as the
# denoising autoencoder has: it tells what noise in training is worth apart from the network.
noise = Corruption("salt_and_pepper", level=1 / 3)
pca = PCA(n_components=16, random_state=0).fit(train)
plain = Autoencoder(n_components=16, max_epochs=30, random_state=0).fit(train)
ridge = Ridge(alpha=100.0).fit(
    np.vstack([spoil(train, 1 / 3, random_state=i) for i in range(2, 7)]), np.tile(train, (5, 1))
)
denoising = DenoisingAutoencoder(
    n_components=64, corruption=noise, max_epochs=50, random_state=0
).fit(train)
cleaned = {
    "as it is": noisy,
    "PCA": pca.inverse_transform(pca.transform(noisy)),
    "autoencoder": plain.reconstruct(noisy),
    "ridge": ridge.predict(noisy),
    "denoising": denoising.reconstruct(noisy),
}

# %%
# What they make of them
# ----------------------
# The number is the error that is left against the clean digit, as a share of the variance of clean
# digits: 0 is perfect, and 1 is what the mean digit would score.
errors = {k: np.mean((test - v) ** 2) / test.var(axis=0).mean() for k, v in cleaned.items()}
for name, error in errors.items():
    print(f"{name:12} {error:.3f}")

rows = {"clean": test, **cleaned}
figure, axes = plt.subplots(len(rows), 1, figsize=(7, 5.2), layout="constrained")
for ax, (name, images) in zip(axes, rows.items(), strict=True):
    tiles = np.pad(images[:10].reshape(-1, 16, 15), ((0, 0), (0, 0), (1, 1)))
    ax.imshow(np.hstack(tiles), cmap="gray_r", vmin=0, vmax=6)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
figure.suptitle("Digits with a third of the pixels spoiled, and what cleaning makes of them")
