"""The UCI Multiple Features digits, shipped inside the package."""

from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from skrep.views import Views

__all__ = ["load_mfeat"]

_NAMES = ("fou", "fac", "kar", "pix", "zer", "mor")


def load_mfeat(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Load 2000 handwritten digits, each described by six views (classification, 10 classes).

    The rows are sorted by class: shuffle before splitting, as `train_test_split` and
    `KFold(shuffle=True)` do. A plain `KFold` would train on some digits and test on others.

    ====  =====  ============================================================
    view  width  what it holds
    ====  =====  ============================================================
    fou      76  Fourier coefficients of the character's outline
    fac     216  profile correlations
    kar      64  Karhunen-Loève coefficients of the pixels
    pix     240  dark pixels per window, 0 to 6; an image of 16 x 15, row by row
    zer      47  Zernike moments
    mor       6  morphological features
    ====  =====  ============================================================

    The units differ by orders of magnitude between views, and within `mor` between columns.

    Parameters
    ----------
    return_X_y : bool, default=False
        Return `(data, target)` in place of the Bunch.
    as_frame : bool, default=False
        Return `data` as a DataFrame with two column levels (view, feature) and `target` as a
        Series. `Views.from_frame` makes `Views` of such a frame.

    Returns
    -------
    Bunch or tuple
        With the fields

        data : Views of 2000 samples, or DataFrame of shape (2000, 649)
            All float32.
        target : ndarray or Series of shape (2000,)
            The digit, 0 to 9.
        target_names : list of str
            "0" to "9".
        view_names : tuple of str
            The names in the order above.
        frame : DataFrame of shape (2000, 650) or None
            `data` and, in the column ("target", "digit"), `target`; None unless `as_frame`.
        DESCR : str
            Source, licence (CC BY 4.0) and description.

    References
    ----------
    .. [1] van Breukelen, M., Duin, R. P. W., Tax, D. M. J. and den Hartog, J. E. "Handwritten
       digit recognition by combined classifiers." Kybernetika 34(4), 1998.
       https://doi.org/10.24432/C5HC70

    Examples
    --------
    >>> from skrep.datasets import load_mfeat
    >>> digits = load_mfeat()
    >>> digits.data.shape
    (2000, 649)
    >>> digits.data["pix"].shape
    (2000, 240)
    """
    folder = files("skrep.datasets").joinpath("data")
    with (
        folder.joinpath("mfeat.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        arrays = {name: stored[name].astype(np.float32) for name in _NAMES}
        target: Any = stored["y"].astype(np.int64)
    data: Any = Views(arrays)
    frame = None
    if as_frame:
        data = data.to_frame()
        target = pd.Series(target, name="target")
        frame = data.copy()
        frame["target", "digit"] = target
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=[str(digit) for digit in range(10)],
        view_names=_NAMES,
        frame=frame,
        DESCR=folder.joinpath("README.md").read_text(encoding="utf-8"),
    )
