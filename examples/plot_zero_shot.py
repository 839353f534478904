"""
Zero-shot: naming numbers that were never shown
===============================================

A classifier can only answer with classes it was trained on. ``CLIP`` learns a space in which an
image and its caption lie close together, so that a new class needs no images: a caption will do.
Here eighty two-digit numbers are shown with their captions, and the other twenty are to be named.
"""

# %%
# Numbers and captions
# --------------------
# Images of numbers are two digits side by side. Captions are read as counts of words and of pairs
# of words, which keep tens and ones apart. Digits of test images are none of the training images.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.model_selection import train_test_split

from skrep import CCA, CLIP, Views
from skrep.datasets import load_mfeat

words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
captions = np.array([f"{tens} tens and {ones} ones" for tens in words for ones in words])
prompts = CountVectorizer(ngram_range=(1, 2)).fit_transform(captions).toarray().astype(float)
rng = np.random.default_rng(0)
unseen = np.sort(rng.choice(100, 20, replace=False))
digits = load_mfeat()
pixels = digits.data["pix"].reshape(-1, 16, 15) / 6
train, test = train_test_split(np.arange(len(pixels)), test_size=0.5, random_state=0)


def draw(rows, n_images):
    left, right = rng.choice(rows, (2, n_images))
    images = np.concatenate([pixels[left], pixels[right]], axis=2).reshape(n_images, -1)
    return images, 10 * digits.target[left] + digits.target[right]


images, numbers = draw(train, 5000)
seen = ~np.isin(numbers, unseen)
X = Views({"image": images[seen], "caption": prompts[numbers[seen]]})
test_images, test_numbers = draw(test, 2000)
is_new = np.isin(test_numbers, unseen)

# %%
# Which caption is closest?
# -------------------------
# Zero-shot classification asks which of a hundred captions is closest to an image, in cosine. The
# linear way to such a space is ``CCA``, in closed form.
clip = CLIP(32, learning_rate=1e-3, max_epochs=15, random_state=0).fit(X)
chances = clip.zero_shot(test_images, prompts, source="image", target="caption")

cca = CCA(18, regularization=0.1, weight_by_correlation=True).fit(X)
image_codes = cca.transform({"image": test_images, "caption": None})["image"]
caption_codes = cca.transform({"image": None, "caption": prompts})["caption"]
scores = {"CLIP": chances, "CCA": cosine_similarity(image_codes, caption_codes)}
right = {name: score.argmax(axis=1) == test_numbers for name, score in scores.items()}
table = pd.DataFrame(
    {name: [hits[~is_new].mean(), hits[is_new].mean(), 0.01] for name, hits in right.items()},
    index=["numbers seen in training", "numbers never seen", "chance"],
)
print(table.round(3))

# %%
# A look
# ------
# Some test images of numbers that were never shown, and the captions that CLIP finds likeliest.
figure, axes = plt.subplots(2, 4, figsize=(9, 3), height_ratios=[1, 1.4], layout="constrained")
for (above, below), row in zip(axes.T, np.flatnonzero(is_new)[::9], strict=False):
    above.imshow(test_images[row].reshape(16, 30), cmap="gray_r")
    above.set_axis_off()
    for place, number in enumerate(np.argsort(chances[row])[-4:]):
        color = "lightgreen" if number == test_numbers[row] else "lightgray"
        below.barh(place, chances[row, number], color=color)
        below.text(0.02, place, captions[number], va="center", fontsize=9)
    below.set(xlim=(0, 1), yticks=[], xlabel="probability")
plt.show()
