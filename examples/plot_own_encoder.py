"""
Your own encoder
================

Encoder and decoder of skrep's networks can be any PyTorch module. You pass a factory, a function
of the widths of input and output, because scikit-learn copies estimators and each copy needs fresh
weights. This page writes a small convolutional pair for images in which the digit is not always in
the same place, and sees what that is worth.
"""

# %%
# Digits that move
# ----------------
# Each digit is put at a random place in a somewhat larger image. PCA and dense layers know nothing
# of neighbouring pixels: to them a digit one pixel to the left is another row.
import numpy as np
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from torch import nn

from skrep import Autoencoder
from skrep.datasets import load_mfeat
from skrep.inspection import ReconstructionDisplay
from skrep.metrics import linear_probe_accuracy, reconstruction_r2

X, y = load_mfeat(return_X_y=True)
images = np.zeros((len(y), 20, 20), dtype=np.float32)
places = np.random.default_rng(0).integers(0, 5, size=(len(y), 2))
for image, digit, (row, column) in zip(images, X["pix"], places, strict=True):
    image[row : row + 16, column : column + 15] = digit.reshape(16, 15)
X = images.reshape(-1, 400)
train, test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# %%
# Two factories
# -------------
# Plain functions that return plain modules: one makes codes of rows of 400 pixels, one rows of
# codes. Scaling, training and saving are the estimator's business.


def encoder(n_in, n_out):
    return nn.Sequential(
        nn.Unflatten(-1, (1, 20, 20)),
        nn.Conv2d(1, 16, kernel_size=5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, n_out),
    )


def decoder(n_in, n_out):
    return nn.Sequential(
        nn.Linear(n_in, 32 * 5 * 5),
        nn.ReLU(),
        nn.Unflatten(-1, (32, 5, 5)),
        nn.ConvTranspose2d(32, 16, kernel_size=4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, kernel_size=4, stride=2, padding=1),
        nn.Flatten(),
    )


# %%
# Beside PCA and dense layers
# ---------------------------
# Codes of eight numbers, and digits that no model has seen.
dense = Autoencoder(8, max_epochs=30, random_state=0)
own = clone(dense).set_params(encoder=encoder, decoder=decoder, learning_rate=3e-3)
models = {"PCA": PCA(8, random_state=0), "dense": dense, "own": own}
figure, axes = plt.subplots(3, 1, figsize=(7, 5.6), layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    ReconstructionDisplay.from_estimator(model.fit(train), test, image_shape=(20, 20), ax=ax)
    r2, probe = reconstruction_r2(model, test), linear_probe_accuracy(model, test, y_test)
    ax.set_title(f"{name}: R² {r2:.3f}")
    print(f"{name:6} R² {r2:.3f}   linear probe {probe:.3f}")
