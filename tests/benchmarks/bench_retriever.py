"""Search among 1,000,000 codes of 128 numbers: exact beside approximate, with recall and memory."""

import resource
import statistics
import sys
import time

from _interleave import print_machine, print_value, read_options


def planted(n_items, n_clusters, n_components, seed):
    """Return codes and 100 new ones from the same clusters."""
    import numpy as np

    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_clusters, n_components)).astype(np.float32)

    def draw(n):
        codes = np.empty((n, n_components), dtype=np.float32)
        # In blocks: what is held for a moment would hide some of what the search takes.
        for start in range(0, n, 10_000):
            block = codes[start : start + 10_000]
            rng.standard_normal(out=block, dtype=np.float32)
            block *= 0.5
            block += centres[rng.integers(n_clusters, size=len(block))]
        return codes

    return draw(n_items), draw(100)


def make_codes_model():
    """Return a model whose views are their codes, so that nothing but the search is measured."""
    from sklearn.base import BaseEstimator

    class Codes(BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform_each(self, X):
            return X

    return Codes()


def timed(function, repeats):
    """Return CPU seconds, which a busy neighbour moves least, and what was found."""
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        found = function()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds), found


def peak_in_gib():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def say(text):
    print(text, file=sys.stderr, flush=True)


def main():
    options = read_options(__doc__, rounds=3)
    print_machine("Retrieval among 1,000,000 x 128 codes", options)
    import numpy as np

    from skrep import Views
    from skrep.compose import CrossModalRetriever

    n_items = 2_000 if options.quick else 1_000_000
    codes, queries = planted(n_items, n_items // 1000, 128, 0)
    gallery, asked = Views({"image": codes}), Views({"image": queries})
    del codes
    before = peak_in_gib()
    say(f"codes drawn, {before:.2f} GiB")

    def search(retriever):
        return retriever.kneighbors(asked, "image", "image", return_distance=False)

    def retriever(algorithm):
        made = CrossModalRetriever(model, algorithm=algorithm, n_jobs=options.threads)
        return made.fit(gallery)

    model = make_codes_model()
    exact = retriever("exact")
    exact_seconds, truth = timed(lambda: search(exact), options.rounds)
    whole = peak_in_gib()
    say(f"exact search: {exact_seconds:.2f} s, {whole:.2f} GiB; now the graph is built")
    started, started_cpu = time.perf_counter(), time.process_time()
    approximate = retriever("approximate")
    build, build_cpu = time.perf_counter() - started, time.process_time() - started_cpu
    say(f"built in {build:.0f} s")
    seconds, found = timed(lambda: search(approximate), options.rounds)
    recall = np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, truth, strict=True)])
    print_value(
        [
            ("exact search of 100 queries", None, exact_seconds, "CPU s"),
            ("memory that index and exact search add", 2.0, whole - before, "GiB"),
            ("memory of the whole process until then", 2.0, whole, "GiB"),
            ("approximate search of 100 queries", None, seconds, "CPU s"),
            ("time of the approximate over the exact search", 0.05, seconds / exact_seconds, ""),
            ("neighbours missed of the first 10", 0.05, 1.0 - recall, ""),
            ("building of the approximate index", None, build, "s"),
            ("the same", None, build_cpu, "CPU s"),
        ]
    )


if __name__ == "__main__":
    main()
