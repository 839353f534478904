"""
Grid search over a pipeline of several views
============================================

``Views`` has the length of its samples, so scikit-learn splits it like any table, and a search
tunes the whole pipeline: scaling of each view, the code, the classifier. This page searches three
kinds of codes and their sizes at once, on data where samples lack views, and tries the best of
each kind on samples that the search has not seen.
"""

# %%
# A pipeline and a grid
# ---------------------
# Three views of the digits, each absent from 40 % of the samples. The grid names a step of the
# pipeline (``code``), the settings of a step (``code__n_components``), and those of a step within
# a step (``code__pca__n_components``).
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skrep import ConcatViews, MultimodalAutoencoder, PerView
from skrep.datasets import drop_views, load_mfeat

digits = load_mfeat()
X, y = drop_views(digits.data[["pix", "fou", "mor"]], 0.4, random_state=0), digits.target
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
mean_filled = make_pipeline(ConcatViews(absent="nan"), SimpleImputer(), PCA(random_state=0))
network = MultimodalAutoencoder(hidden_layer_sizes=(32,), max_epochs=5, random_state=0)
pipeline = Pipeline(
    [
        ("scale", PerView(StandardScaler())),
        ("code", network),
        ("classify", LogisticRegression(max_iter=5000)),
    ]
)
sizes = [4, 8, 32]
grid = [
    {"code": [mean_filled], "code__pca__n_components": sizes},
    {"code": [network], "code__fusion": ["concat", "gate"], "code__n_components": sizes},
]
search = GridSearchCV(pipeline, grid, cv=3).fit(X_train, y_train)

# %%
# What was found
# --------------
# The scores of all candidates, and the best of each kind on held-out samples. With three folds,
# a difference smaller than the bars says nothing.
found = pd.DataFrame(search.cv_results_)
found["kind"] = [p.get("code__fusion", "means, then PCA") for p in found["params"]]
found["size"] = [
    p.get("code__n_components", p.get("code__pca__n_components")) for p in found["params"]
]
figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for i, (kind, rows) in enumerate(found.groupby("kind", sort=False)):
    places = rows["size"] * (1 + 0.03 * i)
    ax.errorbar(places, rows["mean_test_score"], rows["std_test_score"], fmt="o-", label=kind)
    best = rows.loc[rows["mean_test_score"].idxmax()]
    again = clone(pipeline).set_params(**best["params"]).fit(X_train, y_train)
    print(
        f"{kind:16} size {best['size']:2.0f}: {best['mean_test_score']:.3f} in cross-validation, "
        f"{again.score(X_test, y_test):.3f} held out"
    )
ax.set_xscale("log", base=2)
ax.set_xticks(sizes, sizes)
ax.set(xlabel="size of the code", ylabel="accuracy in 3 folds", title="40 % of views absent")
ax.legend(frameon=False)
plt.show()
