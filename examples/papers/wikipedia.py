"""Retrieval between images and texts of Wikipedia articles, as a Markdown table.

    python examples/papers/wikipedia.py --data DIR

DIR holds `wikipedia.npz`; without it the environment variable `SKREP_DATA` names the folder. 2173
articles with an image (SIFT bag of 128 words) and a text (proportions of 10 topics) are there to
learn from, 693 others are queries and gallery. An article is relevant if it has the query's
category. Figures are mean average precisions over the full ranking of the 693 by cosine, image to
text / text to image, printed as measured. Settings were chosen on parts of the training articles.

"Texts imputed from images" is a ridge regression in kernel features (`CCA.impute`): the texts that
images call for are compared with the texts that there are. With the category as a third view of
the training articles, the categories that image and text call for are compared, too.
"""

import argparse
import time

import numpy as np
from sklearn.kernel_approximation import Nystroem

from skrep import Views
from skrep.cross_decomposition import CCA, DCCA
from skrep.datasets import fetch_wikipedia
from skrep.metrics import mean_average_precision
from skrep.multimodal import CLIP

N_CATEGORIES = 10


def precisions(image, text, labels):
    """Return the mean average precision of images as queries, and of texts."""
    return (
        mean_average_precision(image, text, labels, labels),
        mean_average_precision(text, image, labels, labels),
    )


def square_roots(views):
    """Return the views so that Euclidean distances are Hellinger's, which suits proportions."""
    return Views({name: np.sqrt(views[name]) for name in views.names})


def of_codes(model, train, test, y=None):
    return precisions(*model.fit(train.data, y).transform(test.data), test.target)


def of_roots(model, train, test, y=None):
    codes = model.fit(square_roots(train.data), y).transform(square_roots(test.data))
    return precisions(*codes, test.target)


def kernel_features(train, test, view, n_components, gamma, seed):
    """Return features in which a Gaussian kernel of square roots is about linear."""
    kernel = Nystroem(gamma=gamma, n_components=n_components, random_state=seed)
    made = kernel.fit_transform(np.sqrt(train.data[view]))
    return made, kernel.transform(np.sqrt(test.data[view]))


def imputed_texts(train, test, n_components, seed):
    """Return the texts that test images call for and those there are, about the training mean."""
    images, asked = kernel_features(train, test, "image", n_components, 2.0, seed)
    model = CCA(regularization={"image": 1.0, "text": 0.01})
    model.fit({"image": images, "text": train.data["text"]})
    found = model.impute({"image": asked, "text": None})["text"]
    mean = train.data["text"].mean(axis=0)
    return found - mean, test.data["text"] - mean


def imputed_labels(train, test, n_components, seed):
    """Return the categories that test images and test texts call for, about their shares."""
    images, asked = kernel_features(train, test, "image", n_components, 2.0, seed)
    texts, told = kernel_features(train, test, "text", n_components // 4, 2.0, seed)
    labels = np.eye(N_CATEGORIES)[train.target]
    model = CCA(regularization={"image": 1.0, "text": 1.0, "label": 0.01})
    model.fit({"image": images, "text": texts, "label": labels})
    from_image = model.impute({"image": asked, "text": None, "label": None})["label"]
    from_text = model.impute({"image": None, "text": told, "label": None})["label"]
    return from_image - labels.mean(axis=0), from_text - labels.mean(axis=0)


def texts_and_labels(train, test, n_components, seed):
    """Return both of the above side by side."""
    texts = imputed_texts(train, test, n_components, seed)
    labels = imputed_labels(train, test, n_components, seed)
    return tuple(np.hstack(both) for both in zip(texts, labels, strict=True))


def measure(train, test, seed, quick):
    """Yield rows of the table."""
    n_epochs, n_components = (1, 40) if quick else (20, 600)
    published = "CCA 0.249 / 0.196, SCM 0.277 / 0.226"
    yield "CCA, 7 components", of_codes(CCA(7, regularization=1e-3), train, test), published
    weighted = CCA(9, regularization=0.1, weight_by_correlation=True)
    found = of_roots(weighted, train, test)
    yield "CCA of square roots, weighted by correlation", found, "the same"
    deep = DCCA(9, weight_by_correlation=True, max_epochs=n_epochs, random_state=seed)
    yield "DCCA of square roots, weighted", of_roots(deep, train, test), "the same"
    clip = CLIP(
        hidden_layer_sizes=(), temperature=0.3, max_epochs=min(n_epochs, 10), random_state=seed
    )
    yield "CLIP of square roots, linear", of_roots(clip, train, test), "the same"
    found = precisions(*imputed_texts(train, test, n_components, seed), test.target)
    yield "texts imputed from images", found, "goal 0.295 / 0.245"
    clip = CLIP(positives="labels", max_epochs=min(n_epochs, 10), random_state=seed)
    found = of_roots(clip, train, test, train.target)
    yield "CLIP with labels as positives", found, "goal with labels 0.315 / 0.255"
    found = precisions(*imputed_labels(train, test, n_components, seed), test.target)
    yield "categories imputed from images and from texts", found, "the same goal"
    found = precisions(*texts_and_labels(train, test, n_components, seed), test.target)
    yield "imputed texts and categories", found, "the same goal"


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", help="folder of wikipedia.npz")
    parser.add_argument("--seed", type=int, default=0, help="of the training")
    parser.add_argument("--quick", action="store_true", help="tiny models, to see that it runs")
    args = parser.parse_args(argv)
    train, test = (fetch_wikipedia(data_home=args.data, subset=part) for part in ("train", "test"))
    print("| figure, mAP image-text / text-image | ours | published | minutes |\n|---|---|---|---|")
    started = time.perf_counter()
    for figure, (from_image, from_text), beside in measure(train, test, args.seed, args.quick):
        minutes = (time.perf_counter() - started) / 60
        print(
            f"| {figure} | {from_image:.3f} / {from_text:.3f} | {beside} | {minutes:.1f} |",
            flush=True,
        )
        started = time.perf_counter()


if __name__ == "__main__":
    main()
