"""Linear CCA of 60,000 x (392 + 392), 10 components: ours beside scikit-learn, cca-zoo, mvlearn."""

import sys
from pathlib import Path

from _interleave import (
    Comparison,
    interleave,
    is_installed,
    print_machine,
    print_ratios,
    print_value,
    print_variants,
    read_options,
)

N_COMPONENTS = 10
# scikit-learn's power iterations take tens of seconds; it is given fewer rows, and so are we.
FEW = 10_000
OURS, OURS_FEW = "skrep", "skrep, fewer rows"
STOCK, ZOO, MVLEARN = "scikit-learn CCA, fewer rows", "cca-zoo CCA", "mvlearn CCA"
COMPARISONS = (
    Comparison(OURS, MVLEARN, 0.6),
    Comparison(OURS, ZOO, 0.25),
    Comparison(OURS_FEW, STOCK, 0.02),
)
GOAL_SECONDS = 1.0
GOAL_MIB = 120.0


def halves(options):
    from _peers import images

    X = images(options.data, 1_500 if options.quick else 60_000).reshape(-1, 28, 28)
    if options.quick:
        X = X[:, ::4, ::4]
    middle = X.shape[2] // 2
    return tuple(
        # `reshape` of a slice copies, so that no peer pays for strides.
        part.reshape(len(X), -1)
        for part in (X[:, :, :middle], X[:, :, middle:])
    )


def make_variants(options):
    import numpy as np
    from sklearn.cross_decomposition import CCA as SklearnCCA  # noqa: N811

    from skrep.cross_decomposition import CCA

    a, b = halves(options)
    few = (a[:FEW], b[:FEW])
    # A pixel that never varies has no correlation, and stops scikit-learn's iterations.
    wide = [each[:, each.std(axis=0) > 0].astype(np.float64) for each in few]

    def ours(views):
        return lambda: -float(CCA(N_COMPONENTS).fit(views).correlations_.sum())

    def stock():
        model = SklearnCCA(N_COMPONENTS).fit(*wide)
        codes = model.transform(*wide)
        return -sum(np.corrcoef(x, y)[0, 1] for x, y in zip(codes[0].T, codes[1].T, strict=True))

    variants = {OURS: ours((a, b)), OURS_FEW: ours(few), STOCK: stock}
    if is_installed("cca_zoo"):
        variants[ZOO] = cca_zoo((a, b))
    if is_installed("mvlearn"):
        variants[MVLEARN] = mvlearn((a, b))
    return variants


def cca_zoo(views):
    from cca_zoo.linear import CCA

    return lambda: CCA(N_COMPONENTS).fit(list(views)) and None


def mvlearn(views):
    from mvlearn.compose import SimpleSplitter
    from mvlearn.embed import CCA
    from sklearn.base import BaseEstimator

    # Version 0.5 lists its bases in an order that scikit-learn's tags no longer take.
    for cls in (CCA, SimpleSplitter):
        cls.__sklearn_tags__ = lambda self: BaseEstimator.__sklearn_tags__(self)
    # Constant pixels make its covariance singular, which the ridge is for.
    return lambda: CCA(N_COMPONENTS, regs=1e-4).fit(list(views)) and None


def memory(options):
    """Return what a fit adds to data and imports, in MiB; None where /proc does not say."""
    from bench_memory import STATUS, resident

    from skrep.cross_decomposition import CCA

    if not STATUS.exists():
        return None
    views = halves(options)
    CCA(2, regularization=0.1).fit(tuple(each[:500] for each in views))
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    CCA(N_COMPONENTS).fit(views)
    return resident("VmHWM") - before


def main():
    options = read_options(__doc__, rounds=3)
    print_machine("Linear CCA, 60,000 x (392 + 392), 10 components", options)
    # First, while nothing else has left free memory behind that a fit could fill unseen.
    added = memory(options)
    turns = interleave(make_variants(options), options.rounds, warm_up=options.quick)
    print_variants(turns)
    print_ratios(turns, COMPARISONS)
    seconds = sorted(turn.cpu for turn in turns[OURS])[len(turns[OURS]) // 2]
    rows = [("skrep, CPU time of a fit", GOAL_SECONDS, seconds, "s")]
    if added is not None:
        rows.append(("skrep, memory a fit adds", GOAL_MIB, added, "MiB"))
    print_value(rows)


if __name__ == "__main__":
    sys.exit(main())
