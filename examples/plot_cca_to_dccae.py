"""
From CCA to DCCAE
=================

Two views of one thing are spoiled independently: what they share is what was not spoiled. CCA
looks for it by linear maps, in closed form; DCCA and DCCAE put a network before each view. This
page shows how many pairs the networks need before they are worth it.
"""

# %%
# Two spoiled views
# -----------------
# One is a digit, rotated by up to 45 degrees, the other is *another* digit of the same class, under
# noise. No label is shown in training, but the pairing says what belongs together.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from skrep import CCA, DCCA, DCCAE, Views
from skrep.datasets import load_mfeat, make_noisy_views

digits = load_mfeat()
train, test, y_train, y_test = train_test_split(
    digits.data["pix"] / 6, digits.target, test_size=0.5, stratify=digits.target, random_state=0
)
draws = [make_noisy_views(train, y_train, image_shape=(16, 15), random_state=i) for i in range(8)]
held_out = make_noisy_views(test, y_test, image_shape=(16, 15), random_state=99)

figure, axes = plt.subplots(2, 10, figsize=(8, 2), layout="constrained")
for row, name in zip(axes, held_out.names, strict=True):
    for ax, image in zip(row, held_out[name][:10], strict=True):
        ax.imshow(image.reshape(16, 15), cmap="gray_r")
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
figure.suptitle("Pairs: a rotated digit, and another of its class under noise")

# %%
# How many pairs?
# ---------------
# Angles, partners and noise can be drawn anew, which makes more pairs of the same images. Each
# model is fitted to one draw, to two, four and eight, and judged on images that it has never
# seen: by how much of nine correlations is left, and by how far 50 labels get on the code of the
# rotated view. The same 50 labels on its pixels are the baseline.
settings = {"regularization": 0.1, "max_epochs": 12, "random_state": 0}
models = {"CCA": CCA(9, regularization=0.1), "DCCA": DCCA(9, **settings)}
models["DCCAE"] = DCCAE(9, reconstruction_weight=1.0, **settings)


def accuracy(features, test_features):
    classifier = LogisticRegression(max_iter=5000).fit(features[:50], y_train[:50])
    return classifier.score(test_features, y_test)


pixels = accuracy(draws[0]["rotated"], held_out["rotated"])
print(f"pixels: accuracy {pixels:.2f}")
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
for name, model in models.items():
    found = {}
    for n in (1, 2, 4, 8):
        X = Views({view: np.vstack([draw[view] for draw in draws[:n]]) for view in held_out.names})
        codes = model.fit(X).transform(draws[0])["rotated"]
        test_codes = model.transform(held_out)["rotated"]
        found[n] = model.score(held_out), accuracy(codes, test_codes)
        print(f"{name}, draws {n}: correlation {found[n][0]:.2f} of 9, accuracy {found[n][1]:.2f}")
    for ax, values in zip((left, right), zip(*found.values(), strict=True), strict=True):
        ax.plot(list(found), values, "o--" if name == "DCCAE" else "o-", label=name)
right.axhline(pixels, color="black", linestyle=":", label="pixels")
left.set(title="What is shared", xlabel="draws of pairs", ylabel="held-out correlation, of 9")
right.set(title="50 labels on the code", xlabel="draws of pairs", ylabel="held-out accuracy")
right.legend(frameon=False)
plt.show()

# %%
# What to take
# ------------
# More pairs help the linear model little: no linear map undoes a rotation. Networks gain with every
# draw, since there are many rotations to see. The decoders of DCCAE make hardly a difference here;
# they are for filling in a view. Take CCA first, and networks where held-out pairs say so.
