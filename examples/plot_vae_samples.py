"""
A density of digits: samples and likelihood of a VAE
====================================================

A variational autoencoder learns a distribution: draw a code from a standard normal, decode it, and
a new digit comes out. A density can be asked two questions, and this page asks them of the VAE and
of simpler models: what do your samples look like, and how probable do you hold digits that you
have not seen?
"""

# %%
# The data
# --------
# Pixels are made black or white, so that a likelihood is a probability and not a density.
import numpy as np
from matplotlib import pyplot as plt
from scipy.special import logsumexp
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import BernoulliNB

from skrep import VAE
from skrep.datasets import load_mfeat
from skrep.inspection import TraversalDisplay

X, y = load_mfeat(return_X_y=True)
binary = (X["pix"] > 3).astype(np.float32)
train, test, y_train, y_test = train_test_split(binary, y, stratify=y, random_state=0)

# %%
# A VAE and three simpler models
# ------------------------------
# The simplest density tosses a coin for each pixel. Naive Bayes tosses other coins for each class,
# which it was told, and so is a mixture of ten. PCA has no probability for binary rows; its codes,
# drawn from a normal, give samples.
vae = VAE(n_components=8, likelihood="bernoulli", max_epochs=80, random_state=0).fit(train)
coins = BernoulliNB().fit(train, np.zeros(len(train)))
bayes = BernoulliNB().fit(train, y_train)
pca = PCA(n_components=8, random_state=0).fit(train)

# %%
# How probable are unseen digits?
# -------------------------------
# Mean log-probability of the test digits in nats per digit; higher is better. Of the VAE it is a
# lower bound, which more importance samples tighten: the true value lies above.
for name, model in {"coins": coins, "coins per class": bayes}.items():
    print(f"{name:18}   {logsumexp(model.predict_joint_log_proba(test), axis=1).mean():.1f}")
for n in (1, 50):
    bound = vae.score_samples(test, n_importance_samples=n).mean()
    print(f"{f'VAE, {n} sample' + 's' * (n > 1):18} > {bound:.1f}")

# %%
# Samples
# -------
# Each picture shows the probabilities of the pixels. The VAE and PCA decode the same draws.
rng = np.random.default_rng(0)
codes = rng.standard_normal((12, 8)).astype(np.float32)
rows = {
    "coins per class": np.exp(bayes.feature_log_prob_)[rng.integers(0, 10, size=12)],
    "PCA": pca.inverse_transform(codes * np.sqrt(pca.explained_variance_)),
    "VAE": vae.inverse_transform(codes),
    "real digits": test[:12],
}
figure, axes = plt.subplots(len(rows), 1, figsize=(8, 3.2), layout="constrained")
for ax, (name, images) in zip(axes, rows.items(), strict=True):
    tiles = np.pad(images.reshape(-1, 16, 15), ((0, 0), (0, 0), (1, 1)))
    ax.imshow(np.hstack(tiles), cmap="gray_r", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_ylabel(name, rotation=0, ha="right", va="center")

# %%
# A walk through the code
# -----------------------
# Each row changes one number of the code and leaves the others at 0.
TraversalDisplay.from_estimator(vae, components=range(5), image_shape=(16, 15))
