"""
Codes as compression: bytes against error
=========================================

A code is a short file. How short it is depends on two choices: how many numbers, and how many bits
for each. This page draws the error against the bytes per digit for PCA and for an autoencoder,
with numbers of 32 bits down to 2, and does not forget that somebody has to send the decoder, too.
"""

# %%
# Two ways to save
# ----------------
# Half precision is a type of NumPy. Fewer bits need a grid: each number of the code is rounded to
# one of 2 ** bits levels between its smallest and its largest value in the training data.
import zlib

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from skrep import Autoencoder
from skrep.datasets import load_mfeat

X, y = load_mfeat(return_X_y=True)
train, test = train_test_split(X["pix"], stratify=y, random_state=0)


def quantise(codes, low, high, bits):
    levels = 2**bits - 1
    steps = np.clip((codes - low) / (high - low), 0, 1) * levels
    return (low + steps.round().astype(np.uint8) / levels * (high - low)).astype(np.float32)


def decoded(model, bits):
    codes = model.transform(test)
    if bits == 16:
        codes = codes.astype(np.float16).astype(np.float32)
    elif bits < 16:
        known = model.transform(train)
        codes = quantise(codes, known.min(axis=0), known.max(axis=0), bits)
    return model.inverse_transform(codes)


# %%
# Error for every size and precision
# ----------------------------------
# Root mean squared error of a pixel, on digits that were not used for fitting; grey levels go from
# 0 to 6. The figure leaves 32 bits out: half precision has the same errors at half the bytes.
sizes = np.array([4, 8, 16, 32])
models = {
    "PCA": [PCA(k, random_state=0).fit(train) for k in sizes],
    "autoencoder": [Autoencoder(k, max_epochs=30, random_state=0).fit(train) for k in sizes],
}
table = pd.DataFrame(columns=[f"{k} numbers" for k in sizes], dtype=float)
figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
for (name, fitted), color in zip(models.items(), ("C0", "C1"), strict=True):
    for bits, style in {32: "", 16: ":", 8: "-.", 4: "-", 2: "--"}.items():
        error = [np.sqrt(np.mean((test - decoded(model, bits)) ** 2)) for model in fitted]
        table.loc[f"{name}, {bits} bits"] = error
        if style:
            ax.plot(sizes * bits / 8, error, style, color=color, marker=".", label=table.index[-1])
ax.set_xscale("log", base=2)
ax.xaxis.set_major_formatter("{x:g}")
ax.set(xlabel="bytes per digit", ylabel="error of a pixel (grey levels, of 6)")
ax.legend(frameon=False, fontsize="small", ncols=2)
print(table.round(2))

# %%
# What it costs to send
# ---------------------
# Without any loss, ``zlib`` packs all test digits together into this many bytes each. The decoder
# is sent once, so its size counts for little when there are many digits, and for everything when
# there are few.
weights = sum(p.numel() for p in models["autoencoder"][1].module_.decoder.parameters())
packed = zlib.compress(test.astype(np.uint8).tobytes(), level=9)
print(f"lossless by zlib: {len(packed) / len(test):.0f} bytes per digit")
print(f"decoder of 8 numbers, KiB: PCA {4 * 9 * 240 // 1024}, autoencoder {4 * weights // 1024}")
