"""
An image from its label
=======================

A ``MultimodalRBM`` is one density over all views, so it can be asked in any direction: the label
of an image, or an image for a label. This page asks both questions, and judges the drawn images by
three numbers, beside those of real images and of a simpler model.
"""

# %%
# Image and label as two views
# ----------------------------
# The image is black and white, the label a second view, one-hot. The label has ten columns beside
# 240 pixels, so its connections are given a larger learning rate.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances
from sklearn.model_selection import train_test_split

from skrep import MultimodalRBM
from skrep.datasets import load_mfeat, with_labels

digits = load_mfeat()
images = (digits.data["pix"] >= 3).astype(np.float32)
train, test, y_train, y_test = train_test_split(
    images, digits.target, test_size=0.5, stratify=digits.target, random_state=0
)
units = {"image": "bernoulli", "label": "categorical"}
model = MultimodalRBM(
    128, visible=units, view_rates={"label": 30.0}, batch_size=20, max_epochs=30, random_state=0
).fit(with_labels({"image": train}, y_train))

# %%
# From the image to the label
# ---------------------------
# ``impute`` gives the probabilities of the label, exactly, as there are only ten cases.
guessed = model.impute({"image": test, "label": None})["label"].argmax(axis=1)
rival = LogisticRegression(max_iter=5000).fit(train, y_train)
print(f"label from image: {np.mean(guessed == y_test):.3f}")
print(f"logistic regression: {rival.score(test, y_test):.3f}")

# %%
# From the label to the image
# ---------------------------
# Twelve images are drawn for each digit. The simpler model draws every pixel by itself, with its
# frequency in the class.
wanted = {"image": None, "label": np.eye(10)}
draws = [Z["image"] for Z in model.sample_given(wanted, n_samples=12, random_state=0)]
frequency = np.stack([train[y_train == digit].mean(axis=0) for digit in range(10)])
rng = np.random.default_rng(0)
samples = {
    "real images": np.stack([train[y_train == digit][:12] for digit in range(10)], axis=1),
    "pixel by pixel": (rng.random((12, 10, 240)) < frequency).astype(np.float32),
    "MultimodalRBM": np.stack(draws),
}

# %%
# Three numbers
# -------------
# Each alone can be cheated. A classifier of held-out images counts the draws
# that show the digit asked for. The distance to the nearest held-out image, in pixels, says
# whether they look like images at all; that between two draws of a digit, whether they are more
# than one image repeated. Pixel by pixel every draw is recognised and none is a digit; the
# machine draws digits, and fewer different ones than people write.
judge = LogisticRegression(max_iter=5000).fit(test, y_test)
figure, axes = plt.subplots(3, 1, figsize=(6, 6.6), layout="constrained")
print(f"{'':16}recognised  pixels to nearest  pixels between draws")
for ax, (name, drawn) in zip(axes, samples.items(), strict=True):
    flat = drawn.reshape(-1, 240)
    right = judge.score(flat, np.tile(np.arange(10), len(drawn)))
    nearest = 240 * pairwise_distances(flat, test, metric="hamming").min(axis=1).mean()
    spread = np.mean([np.abs(a - b).sum(axis=1).mean() for a in drawn for b in drawn if a is not b])
    print(f"{name:16}{right:10.2f}{nearest:19.0f}{spread:22.0f}")
    framed = np.pad(drawn[:4].reshape(4, 10, 16, 15), ((0, 0), (0, 0), (1, 1), (1, 1)))
    ax.imshow(framed.swapaxes(1, 2).reshape(72, 170), cmap="gray_r")
    ax.set(title=name, xticks=[], yticks=[])
plt.show()
