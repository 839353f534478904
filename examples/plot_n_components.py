"""
How many numbers does a code need?
==================================

A larger code always reconstructs better, so reconstruction alone cannot choose its size. What
comes after the code can. This page draws both curves for PCA and an autoencoder, and lets a stock
``GridSearchCV`` choose.
"""

# %%
# Two measures, one rule
# ----------------------
# The search is scored by two of skrep's scorers on the same held-out folds: the share of the
# variance that survives, and a linear classifier on the code. Small differences between folds are
# luck, so the rule for the winner is: among all sizes whose classifier is within one standard
# deviation of the best, the smallest. ``refit`` takes such a rule.
import numpy as np
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, train_test_split

from skrep import Autoencoder
from skrep.datasets import load_mfeat
from skrep.metrics import linear_probe_accuracy, reconstruction_r2, scorers

X, y = load_mfeat(return_X_y=True)
train, test, y_train, y_test = train_test_split(X["pix"], y, stratify=y, random_state=0)
sizes = [2, 4, 8, 16, 32]
measures = {"reconstruction_r2": "R² of reconstructions", "linear_probe_accuracy": "linear probe"}


def smallest_good_enough(results):
    mean = results["mean_test_linear_probe_accuracy"]
    slack = results["std_test_linear_probe_accuracy"][np.argmax(mean)]
    # Sizes are in rising order, so the first one is the smallest.
    return int(np.argmax(mean >= mean.max() - slack))


# %%
# Search
# ------
# Three folds of the training digits for every size. The spread of a score over the folds is its
# error bar.
searches = {}
models = {"PCA": PCA(random_state=0), "autoencoder": Autoencoder(max_epochs=15, random_state=0)}
for name, model in models.items():
    searches[name] = GridSearchCV(
        model,
        {"n_components": sizes},
        scoring=scorers(*measures),
        refit=smallest_good_enough,
        cv=3,
    ).fit(train, y_train)

figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.6), layout="constrained")
for name, search in searches.items():
    for ax, (measure, label) in zip(axes, measures.items(), strict=True):
        mean, std = (search.cv_results_[f"{kind}_test_{measure}"] for kind in ("mean", "std"))
        ax.errorbar(sizes, mean, yerr=std, marker="o", capsize=3, label=name)
        ax.set(xlabel="n_components", ylabel=label, xscale="log")
        ax.set_xticks(sizes, sizes)
        ax.minorticks_off()
        ax.spines[["top", "right"]].set_visible(False)
axes[0].legend(frameon=False)
figure.suptitle("Mean and spread over three held-out folds")

# %%
# The choice
# ----------
# The winner was fitted again on all training digits. The test digits, which took no part in the
# choice, judge it.
for name, search in searches.items():
    r2 = reconstruction_r2(search.best_estimator_, test)
    probe = linear_probe_accuracy(search.best_estimator_, test, y_test)
    chosen = search.best_params_["n_components"]
    print(f"{name:11} {chosen:2} numbers, R² {r2:.3f}, linear probe {probe:.3f}")
