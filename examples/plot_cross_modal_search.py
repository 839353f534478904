"""
Searching images by a description in another view
=================================================

A ``CrossModalRetriever`` answers queries in one view with items of another, by the codes of a
model that puts both into one space. Here the query is a row of 47 Zernike moments, and images are
searched. What is a good answer depends on what one wants: this very digit, or one of its class.
"""

# %%
# Four spaces
# -----------
# ``CCA`` in closed form, ``CLIP`` trained on pairs, ``CLIP`` trained to put digits of a class
# together, and a ``MultimodalAutoencoder``, which rebuilds both views.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from skrep import CCA, CLIP, CrossModalRetriever, MultimodalAutoencoder, PerView
from skrep.datasets import load_mfeat
from skrep.inspection import RetrievalDisplay
from skrep.metrics import mean_average_precision, retrieval_recall

digits = load_mfeat()
X, y = digits.data[["zer", "pix"]], digits.target
train, test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
scaler = PerView({"zer": StandardScaler()}).fit(train)
train, test = scaler.transform(train), scaler.transform(test)

clip = {"n_components": 32, "learning_rate": 1e-3, "max_epochs": 15, "random_state": 0}
models = {
    "CCA": CCA(16, regularization=0.1, weight_by_correlation=True),
    "CLIP, pairs": CLIP(**clip),
    "CLIP, labels": CLIP(positives="labels", **clip),
    "MultimodalAutoencoder": MultimodalAutoencoder(16, max_epochs=15, random_state=0),
}
finders = {
    name: CrossModalRetriever(model).fit(train, y_train).index({"pix": test["pix"]})
    for name, model in models.items()
}

# %%
# Two questions
# -------------
# Each has a measure: how often the image of the query itself is among the first k, and the mean
# average precision of images of its class. Only ``positives="labels"`` has seen labels, and it
# pays for what they give.
ranks = np.unique(np.geomspace(1, 100, 20).astype(int))
figure, ax = plt.subplots(figsize=(8, 3.4), layout="constrained")
print(f"{'':22}  first is itself   class, mAP")
for name, finder in finders.items():
    codes = finder.estimator_.transform_each(test)
    recall = [retrieval_recall(codes["zer"], codes["pix"], k=k) for k in ranks]
    precision = mean_average_precision(codes["zer"], codes["pix"], y_test, y_test)
    print(f"{name:22}{recall[0]:17.3f}{precision:13.3f}")
    ax.plot(ranks, recall, label=name)
print(f"{'chance':22}{1 / len(test):17.3f}{0.1:13.3f}")
ax.plot(ranks, ranks / len(test), "k:", label="chance")
ax.set(xscale="log", xlabel="k", title=f"Is the right one of {len(test)} images among the first k?")
ax.set_ylabel("share of queries")
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))

# %%
# What is found
# -------------
# The first images for three queries, by pairs and by labels; a frame says whether the class
# agrees. Zernike moments hardly change when an image is turned, which makes a 9 of a 6.
rows = [np.flatnonzero(y_test == digit)[0] for digit in (2, 6, 8)]
for name in ("CLIP, pairs", "CLIP, labels"):
    display = RetrievalDisplay.from_estimator(
        finders[name], test[rows], gallery=test, source="zer", target="pix", image_shape=(16, 15),
        n_neighbors=6, query_labels=y_test[rows], gallery_labels=y_test,
    )  # fmt: skip
    display.figure_.suptitle(name)
plt.show()
