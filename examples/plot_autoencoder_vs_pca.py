"""
An autoencoder beside PCA
=========================

PCA squeezes a row into a few numbers by a linear map and finds the best such map at once. An
autoencoder may bend: encoder and decoder are networks. skrep's starts at PCA, so what it adds can
be seen directly. This page measures what bending is worth on digits that neither has seen, and
what it is not worth.
"""

# %%
# The data
# --------
# 2000 handwritten digits of 16 by 15 pixels. Both models may keep eight numbers of the 240.
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skrep import Autoencoder, compare
from skrep.datasets import load_mfeat
from skrep.inspection import LatentDisplay, LossCurveDisplay, ReconstructionDisplay
from skrep.metrics import reconstruction_r2

X, y = load_mfeat(return_X_y=True)
train, test, y_train, y_test = train_test_split(X["pix"], y, stratify=y, random_state=0)

# %%
# Fit both
# --------
# An autoencoder is used like any transformer of scikit-learn. Its loss is the squared error per
# pixel, in units of the data's variance; training goes down from where PCA ends.
pca = PCA(n_components=8, random_state=0).fit(train)
autoencoder = Autoencoder(n_components=8, max_epochs=40, random_state=0).fit(train)
display = LossCurveDisplay.from_estimator(autoencoder)
display.ax_.axhline(1 - reconstruction_r2(pca, train), color="0.4", linestyle="--", label="PCA")
display.ax_.set_title("Squared error on the training digits, relative to their variance")
display.ax_.legend(frameon=False)

# %%
# Look at the reconstructions
# ---------------------------
# Digits from the test set, above, and what came out of eight numbers, below. Blurred strokes are
# what a linear map must leave behind when it has to describe every slant and width of a stroke by
# adding the same eight images.
figure, axes = plt.subplots(2, 1, figsize=(8, 4.2), layout="constrained")
for model, ax in ((pca, axes[0]), (autoencoder, axes[1])):
    ReconstructionDisplay.from_estimator(model, test, image_shape=(16, 15), n_samples=10, ax=ax)

# %%
# Look at the codes
# -----------------
# Good pixels are one thing. Whether digits of one class lie together in the code is another.
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for model, ax in ((pca, axes[0]), (autoencoder, axes[1])):
    LatentDisplay.from_estimator(model, test, y_test, ax=ax)

# %%
# One honest table
# ----------------
# ``compare`` fits everything on the same folds and measures on rows that were held out: the share
# of the variance that survives, a linear classifier on the code, and clustering. A code that keeps
# more of the pixels need not be the better one for telling digits apart, which is why the table
# has more than one column.
models = [PCA(n_components=8), Autoencoder(n_components=8, max_epochs=40)]
found = compare(models, X["pix"], y, baselines=None, cv=3, random_state=0, verbose=0)
print(found)
print(found.verdict())
