"""
Sparse codes: a digit as a sum of few parts
===========================================

PCA describes every digit with the same components, all of them at once. A sparse autoencoder has
many more units than it may use: each digit picks the few that suit it, and so single units can be
looked at and named. This page reads such a code and asks what the freedom to pick is worth.
"""

# %%
# Sixty-four units, five in use
# -----------------------------
# ``top_k`` keeps the five largest of 40 numbers for each digit and sets the others to 0. Without
# hidden layers the decoder is linear: a digit is the mean digit plus five images, each times its
# number.
import numpy as np
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skrep import SparseAutoencoder, Sparsity
from skrep.datasets import load_mfeat
from skrep.metrics import linear_probe_accuracy, reconstruction_r2

X, y = load_mfeat(return_X_y=True)
train, test, y_train, y_test = train_test_split(X["pix"], y, stratify=y, random_state=0)
five = Sparsity("top_k", target=5)
training = {"max_epochs": 60, "learning_rate": 3e-3, "random_state": 0}
sparse = SparseAutoencoder(40, sparsity=five, hidden_layer_sizes=(), **training).fit(train)
codes = sparse.transform(test)
used = codes != 0
print("units of a digit, at most:", used.sum(axis=1).max())
print("units that fewer than 1 % use:", (used.mean(axis=0) < 0.01).sum())

# %%
# The parts
# ---------
# What each unit adds to the picture (red) or takes away (blue), the most used first. Many are
# strokes. The last ones are hardly ever chosen, so they have learned little: a pitfall of sparse
# codes.
mean_digit = sparse.inverse_transform(np.zeros((1, 40), dtype=np.float32))
parts = sparse.inverse_transform(np.eye(40, dtype=np.float32)) - mean_digit
order = np.argsort(-used.mean(axis=0))
figure, axes = plt.subplots(4, 10, figsize=(7.5, 4.2), layout="constrained")
for ax, unit in zip(axes.flat, order, strict=True):
    limit = np.abs(parts[unit]).max()
    ax.imshow(parts[unit].reshape(16, 15), cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.set_axis_off()
figure.suptitle("What each of the 40 units draws, the most used first")

# %%
# One digit, taken apart
# ----------------------
shown = np.flatnonzero(y_test == 5)[0]
units = np.argsort(-np.abs(codes[shown]))[:5]
terms = [mean_digit[0], *(codes[shown, units, None] * parts[units])]
titles = ["mean", *(f"unit {unit}" for unit in units), "sum", "digit"]
figure, axes = plt.subplots(1, 8, figsize=(8.5, 1.8), layout="constrained")
for ax, image, title in zip(axes, [*terms, sum(terms), test[shown]], titles, strict=True):
    ax.imshow(image.reshape(16, 15), cmap="RdBu_r", vmin=-5, vmax=5)
    ax.set_title(title, fontsize="small")
    ax.set_axis_off()

# %%
# What it is worth
# ----------------
# PCA with five components has five numbers, too, but the same five for every digit. A sparse code
# must also say which units it uses, so it is not five numbers long; PCA with 40 shows what the
# whole width could do.
print("                       R² on held-out digits   linear probe")
for name, model in {
    "PCA, 5 components": PCA(5, random_state=0).fit(train),
    "sparse, 5 of 40 units": sparse,
    "PCA, 40 components": PCA(40, random_state=0).fit(train),
}.items():
    r2, probe = reconstruction_r2(model, test), linear_probe_accuracy(model, test, y_test)
    print(f"{name:22} {r2:.3f}                   {probe:.3f}")
