"""
Several tables, some patients missing from each
===============================================

Genes, proteins and methylation are rarely all measured in the same patients, and dropping the
rest wastes most of a study. This page puts such tables together by patient, learns one code from
whatever each patient has, and fills in what was not measured. The data are made, so that what is
filled in can be checked.
"""

# %%
# Tables by patient
# -----------------
# Three tables on the same 400 patients, of which each lost about a third. They are DataFrames
# whose index says who a row is about; ``Views.align`` matches them and says what is absent.
import matplotlib.pyplot as plt
import pandas as pd
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.metrics import r2_score

from skrep import CCA, ConcatViews, MultimodalAutoencoder, Views
from skrep.datasets import drop_views, make_multiview
from skrep.inspection import ExplainedVarianceDisplay, feature_correlations

made = make_multiview(400, (60, 40, 20), n_shared=4, noise=0.5, random_state=0)
patients = [f"p{i:03d}" for i in range(400)]
prefixes = {"rna": "gene", "protein": "protein", "methylation": "site"}
truth = {
    table: pd.DataFrame(array, patients).add_prefix(prefix)
    for (table, prefix), array in zip(prefixes.items(), made, strict=True)
}
measured = drop_views(truth, 0.35, random_state=0)
tables = {name: measured[name].dropna() for name in measured.names}

X = Views.align(tables)
print(X.alignment)
print("patients with all three:", X.present.all(axis=1).sum(), "of", len(X))

# %%
# One model for all patients
# --------------------------
# Networks start at a linear solution, which is hard to better with a few hundred rows: so there
# are no hidden layers here, and little training.
model = MultimodalAutoencoder(6, hidden_layer_sizes=(), max_epochs=10, random_state=0).fit(X)
filled = model.impute(X)
print(filled["protein"][~X.present[:, 1]].iloc[:3, :4].round(2))  # they had none

# %%
# How good is it?
# ---------------
# Beside the model stand the means of each column, nearest neighbours on the tables side by side,
# and CCA, which learns from the complete patients alone.
concat = ConcatViews(absent="nan")
wide = concat.fit_transform(X)
cca = CCA(4, regularization="auto").fit(X[X.present.all(axis=1)])
candidates = {
    "means": concat.inverse_transform(SimpleImputer().fit_transform(wide)),
    "nearest neighbours": concat.inverse_transform(KNNImputer().fit_transform(wide)),
    "CCA, complete patients": cca.impute(X),
    "MultimodalAutoencoder": filled,
}
scores = pd.DataFrame(index=list(candidates), columns=list(truth), dtype=float)
for table in truth:
    gone = X.index[~X.present[:, X.names.index(table)]]
    for name, guess in candidates.items():
        pair = truth[table].loc[gone], pd.DataFrame(guess[table], X.index).loc[gone]
        scores.loc[name, table] = r2_score(*pair, multioutput="variance_weighted")
print(scores.round(3))
figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
scores.T.plot.bar(ax=ax, rot=0, width=0.8, ylabel="R² of what was filled in")
ax.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))

# %%
# Reading the code
# ----------------
# Which tables does a component of the code tell of, and which features go with it?
print(feature_correlations(model, X, component=0, n_top=2).round(2).to_string(index=False))
ExplainedVarianceDisplay.from_estimator(model, X)
plt.show()
