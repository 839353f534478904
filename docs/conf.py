"""Sphinx configuration; it also writes the API page from what the package lists as public."""

import importlib
import inspect
import pkgutil
import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

import skrep

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

project = "skrep"
author = "skrep developers"
copyright = "2026, skrep developers"
version = release = installed_version("skrep")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "capabilities",
    "mathml",
]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
templates_path = ["_templates"]
exclude_patterns = [
    "_build",
    "changes/README.md",
    "changes/*.*.md",
    "gallery/*.md5",
    "gallery/*.json",
    "gallery/*.ipynb",
]

# Every signature is shown once, with the parameters explained below it.
autodoc_typehints = "none"
autosummary_generate = True
autosummary_generate_overwrite = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# The build reaches no network, so names of other projects are shown and not linked.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!skrep\.).*"),
]

# The build runs every example.
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "ignore_pattern": r"papers",
    "within_subsection_order": "course.CourseOrder",
    "matplotlib_animations": False,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 10_000,
    "only_warn_on_example_error": False,
    "remove_config_comments": True,
    # What a cell ends with is shown if it shows as a table; addresses of objects say nothing.
    "capture_repr": ("_repr_html_",),
}

# Quotation marks in `default="relu"` are code.
smartquotes = False

html_theme = "pydata_sphinx_theme"
html_title = f"skrep {release}"
html_show_sourcelink = False
html_copy_source = False
html_static_path = ["_static"]
html_math_renderer = "mathml"
html_css_files = ["skrep.css"]
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"**": ["sidebar-nav-bs"]}


# Machinery behind the public names; what of it is public is listed by `skrep` itself.
INTERNAL = ("skrep.engine", "skrep.utils")


def public_names() -> dict[str, list[str]]:
    """Map each public module to the functions and classes it lists in `__all__`."""
    modules = [info.name for info in pkgutil.walk_packages(skrep.__path__, "skrep.")]
    public = [
        name
        for name in modules
        if not name.startswith(INTERNAL) and not any(p.startswith("_") for p in name.split("."))
    ]
    found: dict[str, list[str]] = {}
    home: dict[int, str] = {}
    # Last, for the names that no other module of the page lists.
    for name in [*public, "skrep"]:
        module = importlib.import_module(name)
        for member_name in getattr(module, "__all__", ()):
            member = getattr(module, member_name)
            documented = inspect.isclass(member) or inspect.isfunction(member)
            # A family re-exports what its files define: the first public module is its home.
            if documented and home.setdefault(id(member), name) == name:
                found.setdefault(name, []).append(member_name)
    return found


def api_page() -> str:
    """Return the API page: one table per public module, in the order of the package."""
    lines = [
        "# API",
        "",
        "Everything public, by module. What `dir(skrep)` lists can also be",
        "imported from `skrep` itself: `from skrep import VAE, Views, compare`. Estimators also",
        "have what every scikit-learn transformer has, such as `fit_transform` and `set_output`.",
    ]
    for module, names in public_names().items():
        summary = (inspect.getdoc(importlib.import_module(module)) or "").split("\n")[0]
        lines += ["", f"## `{module}`", "", summary, "", "```{eval-rst}"]
        lines += [f".. currentmodule:: {module}", "", ".. autosummary::", "   :toctree: api/", ""]
        lines += [f"   {name}" for name in sorted(names)] + ["```"]
    return "\n".join(lines) + "\n"


def write_if_changed(path: Path, text: str) -> None:
    # An untouched file keeps its time stamp, so an unchanged page is not built again.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def remove_stale_pages() -> None:
    """Delete pages of names that are no longer public: the build warns of pages nobody lists."""
    current = {f"{module}.{name}.rst" for module, names in public_names().items() for name in names}
    for page in (HERE / "api").glob("*.rst"):
        if page.name not in current:
            page.unlink()


write_if_changed(HERE / "api.md", api_page())
remove_stale_pages()


def skip_foreign_members(app, what, name, obj, skip, options):
    """Leave out what scikit-learn, torch or Python wrote: their pages explain it."""
    plain = obj.fget if isinstance(obj, property) else inspect.unwrap(obj)
    plain = getattr(plain, "__func__", plain)
    module = getattr(plain, "__module__", None)
    ours = isinstance(module, str) and module.startswith("skrep")
    return True if what == "class" and not ours else None


def escape_fitted_names(app, what, name, obj, options, lines):
    """Keep `shape (n_iter_,)` from being read as a link to a target called n_iter."""
    lines[:] = [
        re.sub(r"(?<=[a-z])_(?=[,)])", r"\\_", line) if " of shape (" in line else line
        for line in lines
    ]


def link_short_name(app, env, node, contnode):
    """Link `skrep.VAE` to the page of `skrep.autoencoder.VAE`."""
    name = node.get("reftarget", "").removeprefix("skrep.")
    homes = [module for module, names in public_names().items() if name in names]
    if not homes:
        return None
    return env.get_domain("py").resolve_xref(
        env, node["refdoc"], app.builder, "obj", f"{homes[0]}.{name}", node, contnode
    )


def setup(app):
    """Connect the hooks; the text is mended before numpydoc reads it."""
    app.connect("autodoc-skip-member", skip_foreign_members)
    app.connect("autodoc-process-docstring", escape_fitted_names, priority=400)
    app.connect("missing-reference", link_short_name)
