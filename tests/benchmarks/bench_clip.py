"""CLIP with towers 784-256-64 on 20,000 pairs, batch 256, Adam: ours beside a plain torch loop."""

from _interleave import (
    Comparison,
    interleave,
    print_machine,
    print_ratios,
    print_variants,
    read_options,
)

OURS = "skrep, same towers"
GOALS = (
    Comparison(OURS, "plain torch loop", 1.2),
    Comparison("skrep, as it comes", "plain torch loop"),
    Comparison("skrep, batch of 2048 in chunks", "skrep, batch of 2048"),
)


def plain_loop(X, Y, *, epochs, batch_size):
    """Return the loop that a tutorial writes: two towers, one matrix, two cross-entropies."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    def run():
        torch.manual_seed(0)
        a, b = torch.from_numpy(X), torch.from_numpy(Y)
        towers = nn.ModuleList(
            nn.Sequential(nn.Linear(v.shape[1], 256), nn.ReLU(), nn.Linear(256, 64)) for v in (a, b)
        )
        scale = nn.Parameter(torch.tensor(1 / 0.07).log())
        optimizer = torch.optim.Adam([*towers.parameters(), scale], lr=3e-4)
        for _ in range(epochs):
            order = torch.randperm(len(a))
            total = 0.0
            for start in range(0, len(a), batch_size):
                rows = order[start : start + batch_size]
                codes = F.normalize(towers[0](a[rows])), F.normalize(towers[1](b[rows]))
                logits = scale.exp() * codes[0] @ codes[1].T
                own = torch.arange(len(rows))
                loss = 0.5 * (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                with torch.no_grad():
                    scale.clamp_(max=100.0)
                total += loss.item() * len(rows)
        return total / len(a)

    return run


def make_variants(options):
    from _peers import images

    from skrep import Views
    from skrep.multimodal import CLIP
    from skrep.nn import MLP

    n = 600 if options.quick else 20_000
    whole = images(options.data, 2 * n)
    views = Views({"image": whole[:n], "text": whole[n:]})
    # A few, so that the steps outweigh what a fit does once: start, codes, decoder.
    epochs = options.epochs or (1 if options.quick else 5)

    def ours(**settings):
        def run():
            settings.setdefault("batch_size", 256)
            model = CLIP(64, max_epochs=epochs, device="cpu", random_state=0, **settings)
            return float(model.fit(views).loss_curve_[-1])

        return run

    same = {"encoder": MLP((256,))}
    return {
        "plain torch loop": plain_loop(whole[:n], whole[n:], epochs=epochs, batch_size=256),
        OURS: ours(**same),
        "skrep, as it comes": ours(),
        "skrep, batch of 2048": ours(**same, batch_size=2048),
        "skrep, batch of 2048 in chunks": ours(**same, batch_size=2048, chunk_size=256),
    }


def main():
    options = read_options(__doc__)
    print_machine("CLIP, 20,000 pairs of 784 numbers", options)
    turns = interleave(make_variants(options), options.rounds)
    print_variants(turns)
    print_ratios(turns, GOALS)


if __name__ == "__main__":
    main()
