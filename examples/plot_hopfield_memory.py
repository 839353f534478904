"""
A memory that completes what it is shown
========================================

A Hopfield network stores patterns in the couplings between its units. Shown a part or a spoiled
copy, it changes unit after unit, each change lowering an energy, until it comes to rest: at the
stored pattern, if all goes well. This page watches a recall, counts what the rules of storage
hold, and asks whether the memory beats a mere look-up.
"""

# %%
# Falling to a memory
# -------------------
# Thirty digits are stored, three of each class. Digits resemble each other, which the classical
# rule "hebb" takes badly; "projection" allows for it. Three spoiled copies, with three tenths of
# their units flipped, then run downhill. Not every place of rest is a stored pattern.
import numpy as np
from matplotlib import pyplot as plt
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skrep import HopfieldNetwork
from skrep.datasets import load_mfeat
from skrep.inspection import AttractorDisplay

X, y = load_mfeat(return_X_y=True)
spins = np.where(X["pix"] > 3, 1.0, -1.0)
stored, _ = train_test_split(spins, train_size=30, stratify=y, random_state=0)
rng = np.random.default_rng(0)
memory = HopfieldNetwork(rule="projection", random_state=0).fit(stored)
spoiled = np.where(rng.random(stored.shape) < 0.3, -stored, stored)
AttractorDisplay.from_estimator(memory, spoiled[:3], image_shape=(16, 15))
exact = (memory.transform(spoiled) == stored).all(axis=1)
print(f"recalled without an error: {exact.sum()} of {len(stored)}")

# %%
# Half a digit
# ------------
# NaN says that a unit is not known. Those start at 0 and go where the known ones pull them.
half = np.where(np.arange(240) < 120, stored, np.nan)
exact = (memory.transform(half) == stored).all(axis=1)
print(f"from the upper half: {exact.sum()} of {len(stored)}")

# %%
# How much does it hold?
# ----------------------
# More and more digits are stored, and each is recalled from a copy in which a fifth of the units
# is flipped. The look-up compares the copy with all stored digits and takes the nearest; "modern"
# keeps the patterns, too.
spoiled = np.where(rng.random(stored.shape) < 0.2, -stored, stored)
loads = (2, 5, 10, 20, 30)
right = {rule: [] for rule in ("hebb", "storkey", "projection", "modern", "look-up")}
for load in loads:
    for rule, shares in right.items():
        if rule == "look-up":
            nearest = NearestNeighbors(n_neighbors=1, metric="hamming").fit(stored[:load])
            recalled = stored[nearest.kneighbors(spoiled[:load], return_distance=False)[:, 0]]
        else:
            model = HopfieldNetwork(rule=rule, random_state=0).fit(stored[:load])
            recalled = model.transform(spoiled[:load])
        shares.append(np.mean(recalled == stored[:load]))
    print(f"{load:2} stored:", *(f"{rule} {shares[-1]:.3f} " for rule, shares in right.items()))

figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for (rule, shares), size in zip(right.items(), (6, 6, 11, 6, 0), strict=True):
    ax.plot(loads, shares, "-o" if size else "--k", markersize=size, label=rule)
ax.axhline(np.mean(spoiled == stored), color="0.6", linestyle=":", label="the copy as it is")
ax.set(xlabel="digits stored on 240 units", ylabel="share of units recalled")
ax.set_title("Recall from copies with a fifth of the units flipped")
ax.legend(frameon=False, ncols=2, loc="lower left")
ax.spines[["top", "right"]].set_visible(False)

# %%
# Read the figure from the look-up down: where patterns can be kept as they are, a network recalls
# no better than comparing with each of them. What it offers is a size that does not grow with the
# number of patterns ("modern" excepted).
