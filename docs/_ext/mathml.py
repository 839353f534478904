"""Equations as MathML, which browsers draw by themselves: pages need no script and no network."""

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml

# What docutils does not know or takes for something else, in words that it understands: it reads
# the digits of \frac12 as one number, sets the index of an accented letter below it, and leaves no
# space behind a logarithm.
ALIASES = [
    (re.compile(r"\\([dt]?)frac\s*(\w)"), r"\\\1frac{\2}"),
    (re.compile(r"(\\[dt]?frac\{\w\})\s*(\w)"), r"\1{\2}"),
    (re.compile(r"\\(tilde|bar|hat)\s*(\w|\\[a-z]+)(?=\s*[_^])"), r"\\\1{\2}{}"),
    (re.compile(r"\\log\s*(?=\w|\\(?!left|[bB]ig|[,;]))"), r"\\log\\,"),
    (re.compile(r"\\dots(?![a-z])"), r"\\ldots"),
    (re.compile(r"\\([bB]ig)(?=[(\[{|])"), r"\\\1l"),
    (re.compile(r"\\([bB]ig)(?=[)\]}])"), r"\\\1r"),
]


def to_mathml(tex: str, *, display: bool = False) -> str:
    """Return an equation in MathML."""
    for pattern, words in ALIASES:
        tex = pattern.sub(words, tex)
    try:
        made = tex2mathml(tex.strip())
    except (SyntaxError, ValueError) as error:
        raise ValueError(
            f"No MathML for the equation {tex!r}: {error}. Write it otherwise."
        ) from error
    return made.replace("<math ", '<math display="block" ', 1) if display else made


def visit_inline(self, node):
    """Write an equation that stands in a line."""
    self.body.append(to_mathml(node.astext()))
    raise nodes.SkipNode


def visit_display(self, node):
    """Write an equation that stands by itself."""
    self.body.append(f'<div class="math">{to_mathml(node.astext(), display=True)}</div>')
    raise nodes.SkipNode


def setup(app):
    """Register the renderer; `html_math_renderer` chooses it."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    return {"parallel_read_safe": True}
