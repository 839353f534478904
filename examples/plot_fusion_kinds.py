"""
Six ways to fuse views into one code
====================================

A ``MultimodalAutoencoder`` makes one code of several views, and ``fusion`` says how: views side by
side, an autoencoder each, or codes that are joined, gated or attended to. This page shows where
the six differ and where they do not, and how much of a code comes from each view.
"""

# %%
# Three views, and samples that have one
# --------------------------------------
# The digits come as pixels, Fourier coefficients of the outline, and six morphological features.
# Models are fitted to complete samples. At test time a sample may have one view only.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep import ConcatViews, MultimodalAutoencoder, PerView, Views
from skrep.datasets import load_mfeat
from skrep.inspection import ViewWeightsDisplay

digits = load_mfeat()
X, y = digits.data[["pix", "fou", "mor"]], digits.target
train, test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
scaler = PerView(StandardScaler()).fit(train)
train, test = scaler.transform(train), scaler.transform(test)


def only(kept):
    return Views({v: test[v] if v == kept else np.full_like(test[v], np.nan) for v in X.names})


conditions = {"all views": test, **{f"{view} only": only(view) for view in X.names}}

# %%
# One classifier for all
# ----------------------
# One logistic regression is fitted to the codes of complete samples, and reads those of incomplete
# ones, too. The baseline is PCA of the views side by side with means in place of what is absent;
# where pixels alone are left, it beats the two kinds that are not trained on gaps.
mean_filled = make_pipeline(ConcatViews(absent="nan"), SimpleImputer(), PCA(12, random_state=0))
models = {"PCA of filled-in means": mean_filled}
for kind in ("early", "early_weighted", "late", "concat", "gate", "attention"):
    models[kind] = MultimodalAutoencoder(
        12, fusion=kind, hidden_layer_sizes=(64,), max_epochs=10, random_state=0
    )
table = pd.DataFrame(index=list(models), columns=list(conditions), dtype=float)
for name, model in models.items():
    classifier = LogisticRegression(max_iter=5000).fit(model.fit_transform(train), y_train)
    for condition, Z in conditions.items():
        table.loc[name, condition] = classifier.score(model.transform(Z), y_test)
print(table.round(2))

figure, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
ax.imshow(table, cmap="Blues", vmin=0.2, vmax=1.2, aspect="auto")
for (i, j), value in np.ndenumerate(table.to_numpy()):
    ax.text(j, i, f"{value:.2f}", ha="center", va="center")
ax.set_xticks(range(len(conditions)), conditions)
ax.set_yticks(range(len(models)), models)
ax.set_title("Held-out accuracy of one classifier of the code")

# %%
# What the code is made of
# ------------------------
# ``fusion_weights`` says how much of each sample's code comes from each view: for "gate" the gates
# themselves, for "concat" how far the code moves when the view is taken away. They tell what is
# *in* the code, which is not the same as what is useful.
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for ax, kind in zip(axes, ("gate", "concat"), strict=True):
    ViewWeightsDisplay.from_estimator(models[kind], test, y=y_test, ax=ax)
    ax.set_title(kind)
plt.show()
