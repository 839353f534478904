"""
A Boltzmann machine: features, likelihood and samples
=====================================================

A restricted Boltzmann machine gives every picture an energy by way of hidden units, each of which
votes on the pixels that it is connected to. It is trained by letting it dream and comparing dreams
with data. This page looks at the hidden units, measures the likelihood of unseen digits, checks
whether that number can be believed, and draws samples.
"""

# %%
# Train
# -----
# Pixels are black or white. Steps that shrink towards the end and a running mean of the weights
# take the noise of the chains out of the result.
import numpy as np
from matplotlib import pyplot as plt
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import BernoulliNB

from skrep import RBM, Gradient, Trainer
from skrep.datasets import load_mfeat
from skrep.inspection import ComponentsDisplay, LogLikelihoodDisplay

X, y = load_mfeat(return_X_y=True)
binary = (X["pix"] > 3).astype(np.float32)
train, test, y_train, y_test = train_test_split(binary, y, stratify=y, random_state=0)
calm = {"gradient": Gradient(averaging=0.01), "trainer": Trainer(schedule="linear")}
training = {"learning_rate": 0.05, "batch_size": 32, "max_epochs": 100, "random_state": 0}
large = RBM(100, **training, **calm).fit(train)
small = clone(large).set_params(n_components=16).fit(train)

# %%
# What the hidden units look for
# ------------------------------
# Red pixels speak for a unit, blue ones against it.
ComponentsDisplay.from_estimator(large, image_shape=(16, 15), components=range(42))

# %%
# How probable are unseen digits?
# -------------------------------
# Mean log-probability in nats per digit, higher is better, beside a coin per pixel and a coin per
# pixel and class. With 16 hidden units the normalising constant can be summed up; with 100 it is
# estimated by annealing.
coins = BernoulliNB().fit(train, np.zeros(len(train)))
bayes = BernoulliNB().fit(train, y_train)
for name, model in {"coins": coins, "coins per class": bayes}.items():
    print(f"{name:21} {logsumexp(model.predict_joint_log_proba(test), axis=1).mean():7.1f}")
print(f"RBM, 16 units, exact  {small.log_likelihood(test).mean():7.1f}")
print(f"RBM, 100 units, about {large.log_likelihood(test, 'ais', random_state=0).mean():7.1f}")

# %%
# Can the number be believed?
# ---------------------------
# Annealing from a model without connections makes the likelihood look too good, annealing backward
# too bad. On the small machine the exact value shows who is right; on the large one the gap says
# how much of the number to believe. Should the lines cross, the backward chains have not seen all
# that the model holds probable.
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for ax, model in zip(axes, (small, large), strict=True):
    LogLikelihoodDisplay.from_estimator(
        model, test, n_temperatures=(10, 100, 1000), random_state=0, ax=ax
    )
    ax.set_title(f"RBM, {model.n_components} hidden units")

# %%
# Dreams
# ------
# Chains of the model, after many steps, beside digits from the test set.
rows = {"samples": large.sample(12, random_state=0), "real digits": test[:12]}
figure, axes = plt.subplots(2, 1, figsize=(8, 1.7), layout="constrained")
for ax, (name, images) in zip(axes, rows.items(), strict=True):
    tiles = np.pad(images.reshape(-1, 16, 15), ((0, 0), (0, 0), (1, 1)))
    ax.imshow(np.hstack(tiles), cmap="gray_r")
    ax.set_axis_off()
    ax.set_title(name, loc="left", fontsize="medium")
