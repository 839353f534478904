"""
Few labels: what is pre-training worth?
=======================================

Labels are dear, pictures are cheap. A deep belief network learns from all pictures, one layer
after the other and without labels; then a classifier is put on top, and both are trained on the
few pictures that have one. This page draws the accuracy against the number of labels, beside the
same network from random weights and two linear baselines.
"""

# %%
# Learn from all pictures
# -----------------------
# 1200 training digits, whose labels are not looked at. ``FrozenEstimator`` says that the network
# is fitted already, so that the many classifiers below share it; each trains a copy.
import numpy as np
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from skrep import DBN, FineTunedClassifier
from skrep.datasets import load_mfeat

X, y = load_mfeat(return_X_y=True)
shares = (X["pix"] / 6).astype(np.float32)
train, test, y_train, y_test = train_test_split(
    shares, y, test_size=0.4, stratify=y, random_state=0
)
training = {"learning_rate": 0.05, "batch_size": 32, "max_epochs": 30, "random_state": 0}
dbn = DBN(64, layer_sizes=(128,), pretrain="rbm", fine_tuning=None, **training).fit(train)
pca = PCA(n_components=32, random_state=0).fit(train)

# %%
# Classify with few labels
# ------------------------
# ``pretrain=False`` builds the same network from random weights. For each number of labels, five
# draws of who has one. PCA has seen all pictures, as the network has; logistic regression on the
# code tells what the code is worth before it is fine-tuned. All are scored on 800 digits that took
# no part.
tuned = {"max_epochs": 40, "batch_size": 32, "random_state": 0}
logistic = LogisticRegression(max_iter=1000)
models = {
    "DBN, fine-tuned": FineTunedClassifier(FrozenEstimator(dbn), **tuned),
    "DBN, as it is": make_pipeline(FrozenEstimator(dbn), logistic),
    "PCA": make_pipeline(FrozenEstimator(pca), logistic),
    "pixels": logistic,
    "random start": FineTunedClassifier(FrozenEstimator(dbn), pretrain=False, **tuned),
}
counts = (20, 40, 80, 120)
figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
print(f"{'labels':16}", *(f"{count:13}" for count in counts))
for name, model in models.items():
    scores = np.zeros((len(counts), 5))
    for i, count in enumerate(counts):
        for draw in range(5):
            some, _, y_some, _ = train_test_split(
                train, y_train, train_size=count, stratify=y_train, random_state=draw
            )
            scores[i, draw] = model.fit(some, y_some).score(test, y_test)
    mean, std = scores.mean(axis=1), scores.std(axis=1, ddof=1)
    ax.errorbar(counts, mean, yerr=std, marker="o", capsize=3, label=name)
    print(f"{name:16}", *(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean, std, strict=True)))
ax.set(xscale="log", xlabel="labelled digits", ylabel="accuracy on unseen digits")
ax.set_xticks(counts, counts)
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)
ax.set_title("Mean and spread over five draws of the labels")
ax.legend(frameon=False)

# %%
# Compare three pairs of curves: the two networks for what pre-training is worth, the network as it
# is with PCA for the better code, and the network before and after fine-tuning for what the last
# step adds, which may be little.
