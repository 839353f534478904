"""The small pictures of the HTML report: each fits a phone, and both light and dark pages."""

import re
import warnings
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np

from skrep.inspection._comparison_plot import draw_metric
from skrep.inspection._display import class_colors, color_scale, plain
from skrep.inspection._report_picture import (
    Pictured,
    chosen_images,
    chosen_rows,
    codes_in_plane,
    decoded,
    image_strip,
    loss_curve,
    matplotlib_figure,
    shown_columns,
)
from skrep.inspection._report_text import title_of
from skrep.inspection._splits import rows_of
from skrep.metrics._inputs import matrix_of

__all__ = ["Image", "class_legend", "code_images", "loss_plots", "metric_plots", "reconstructions"]

# Stands for the colour of the page's text, which a dark page turns light.
_INK = "#1b2d3f"
_MOST_CLASSES = 12


class Image(NamedTuple):
    """A picture and what is said of it.

    Attributes
    ----------
    title : str
        Above it.
    alt : str
        For who cannot see it.
    source : str
        A data URI of a PNG, or the text of an SVG element.
    """

    title: str
    alt: str
    source: str


def metric_plots(comparison: Any, prefix: str) -> list[Image]:
    """Draw each metric over all splits.

    Parameters
    ----------
    comparison : Comparison
        What is drawn.
    prefix : str
        Starts every id inside, so that several pictures stand in one page.
    """
    made = []
    for i, metric in enumerate(comparison.metrics):
        with _page_style():
            figure = matplotlib_figure(4.6, 0.3 * len(comparison.table) + 0.75)
            ax = figure.subplots()
            draw_metric(comparison, metric, ax)
            ax.set_title("")
            told = ", ".join(
                f"{name} {value:.3f}" for name, value in comparison.table[metric].items()
            )
            title = title_of(metric)
            alt = f"{title} of each estimator on each split. Means: {told}."
            made.append(Image(title, alt, _svg(figure, f"{prefix}-m{i}-", alt)))
    return made


def loss_plots(pictured: Pictured, prefix: str) -> list[Image]:
    """Draw the loss curves of the models that have one."""
    made = []
    for i, name in enumerate(pictured.names):
        losses = loss_curve(pictured.models[name])
        if len(losses) < 2:
            continue
        with _page_style():
            figure = matplotlib_figure(3.1, 2.0)
            ax = figure.subplots()
            ax.plot(np.arange(1, len(losses) + 1), losses, color="tab:blue", linewidth=1.5)
            ax.set_xlabel("epoch")
            ax.locator_params(axis="x", integer=True, nbins=5)
            ax.locator_params(axis="y", nbins=5)
            plain(ax)
            alt = (
                f"Training loss of {name} over {len(losses)} epochs, from {losses[0]:.4g} to "
                f"{losses[-1]:.4g}."
            )
            made.append(Image(name, alt, _svg(figure, f"{prefix}-l{i}-", alt)))
    return made


def code_images(pictured: Pictured) -> list[Image]:
    """Draw the codes of held-out rows, one image per model."""
    classes = pictured.classes
    values = np.array([]) if classes is None else np.unique(classes)
    made = []
    for name in pictured.names:
        flat, rows = codes_in_plane(pictured.models[name], pictured.held_out)
        figure = matplotlib_figure(2.1, 2.1)
        figure.set_layout_engine("none")
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        ax.set_axis_off()
        colors: Any = "tab:blue"
        if classes is not None:
            palette = class_colors(len(values))
            colors = [palette[i] for i in np.searchsorted(values, classes[rows])]
        size = 10 if len(rows) > 150 else 16
        ax.scatter(*flat.T, s=size, c=colors, alpha=0.75, linewidths=0)
        buffer = BytesIO()
        figure.savefig(buffer, format="png", dpi=170, transparent=True)
        alt = f"Codes of {len(rows)} held-out rows by {name}, in two dimensions."
        made.append(Image(name, alt, _data_uri(buffer)))
    return made


def class_legend(pictured: Pictured) -> list[tuple[str, str]]:
    """Return the classes and their colours, none where they are too many to tell apart."""
    from matplotlib.colors import to_hex

    values = np.array([]) if pictured.classes is None else np.unique(pictured.classes)
    if len(values) > _MOST_CLASSES:
        return []
    colors = class_colors(len(values))
    return [(str(value), to_hex(c)) for value, c in zip(values, colors, strict=True)]


def reconstructions(pictured: Pictured) -> list[Image]:
    """Draw held-out rows and what comes back from their codes, as images or as heat maps."""
    rows = chosen_images(pictured) if pictured.image_shape else chosen_rows(pictured)
    original = matrix_of(rows_of(pictured.held_out, rows), absent=True)
    panels = {"original": original}
    for name in pictured.names:
        back = decoded(pictured.models[name], pictured.held_out, rows)
        if back is not None:
            panels[name] = back
    if len(panels) == 1:
        return []
    kind = "images" if pictured.image_shape else "rows as a heat map"
    scale, pixels = _as_pixels(pictured, panels)
    return [
        Image(
            name,
            f"{len(rows)} held-out {kind}, " + ("as they are." if i == 0 else f"as {name} sees."),
            _pixel_image(values, scale),
        )
        for i, (name, values) in enumerate(pixels.items())
    ]


def _as_pixels(
    pictured: Pictured, panels: dict[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the colour scale and one matrix of pixels for each panel."""
    if not pictured.image_shape:
        columns = shown_columns(panels["original"].shape[1])
        return color_scale(panels["original"]), {n: v[:, columns] for n, v in panels.items()}
    images = {name: pictured.to_images(values) for name, values in panels.items()}
    low, high = float(np.nanmin(images["original"])), float(np.nanmax(images["original"]))
    strips = {n: image_strip(v, pictured.image_shape, low) for n, v in images.items()}
    return {"cmap": "gray_r", "vmin": low, "vmax": high}, strips


def _pixel_image(values: np.ndarray, scale: dict[str, Any]) -> str:
    """Return an image of one pixel per value, clear where a view is absent."""
    from matplotlib import colormaps
    from matplotlib.colors import Normalize
    from matplotlib.image import imsave

    norm = Normalize(scale["vmin"], scale["vmax"], clip=True)
    colors = colormaps[scale["cmap"]](norm(np.ma.masked_invalid(values)), bytes=True)
    colors[~np.isfinite(values)] = 0
    buffer = BytesIO()
    imsave(buffer, colors, format="png")
    return _data_uri(buffer)


def _data_uri(buffer: BytesIO) -> str:
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode('ascii')}"


@contextmanager
def _page_style() -> Iterator[None]:
    """Draw with text as text, in the colour of the page's."""
    import matplotlib as mpl

    style: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "skrep",
        "text.parse_math": False,
        "font.size": 10,
        **dict.fromkeys(
            ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK
        ),
    }
    with mpl.rc_context(style), warnings.catch_warnings():
        # The browser has the signs that matplotlib's font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _svg(figure: Any, prefix: str, alt: str) -> str:
    """Return a figure as an SVG element that may stand in a page beside others."""
    from html import escape

    buffer = BytesIO()
    unsaid = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=unsaid)
    text = buffer.getvalue().decode("utf-8")
    head, _, body = text[text.index("<svg") :].partition(">")
    found = re.search(r'viewBox="([^"]+)"', head)
    box = found.group(1) if found else "0 0 100 100"
    # The styles that matplotlib writes would hold for the whole page.
    body = re.sub(r"<(metadata|style)\b.*?</\1>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r"font-family: [^;\"]*;", "", body).replace(_INK, "currentColor")
    body = re.sub(r'\bid="', f'id="{prefix}', body)
    body = body.replace("url(#", f"url(#{prefix}").replace('href="#', f'href="#{prefix}')
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(alt)}">{body}'
