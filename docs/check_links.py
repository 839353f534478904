"""Check that every link, image and script of the built pages leads to something that was built.

    python docs/check_links.py docs/_build/html

Links to other sites are counted and not followed: the build reaches no network. `make linkcheck`
follows them.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a page loads or points to, by tag.
ATTRIBUTES = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "src"}


class Page(HTMLParser):
    """The targets and the anchors of one page."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.anchors, self.loaded = [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note where a tag leads and what it is called."""
        found = dict(attrs)
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        target = found.get(ATTRIBUTES.get(tag, ""))
        if target:
            self.targets.append(target)
            if tag in ("script", "img") or (tag == "link" and found.get("rel") == "stylesheet"):
                self.loaded.append(target)


class Everything:
    """The anchors of what is no page: an image, a download."""

    def __contains__(self, anchor):
        return True


def anchors_of(page):
    """Return the anchors of a page, and all there can be of what is none."""
    return Everything() if page is None else page.anchors


def problems(root, pages):
    """Yield a line for each broken link, and the number of links to other sites at the end."""
    outside = 0
    for path, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                outside += 1
                if target in page.loaded and parts.scheme in ("http", "https"):
                    yield f"{path.relative_to(root)} loads {target} from another site"
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = there / "index.html" if there.is_dir() else there
            if not there.exists():
                yield f"{path.relative_to(root)} leads to {target}, which was not built"
            elif parts.fragment and unquote(parts.fragment) not in anchors_of(pages.get(there)):
                yield f"{path.relative_to(root)} leads to {target}, which has no such place"
    print(f"{len(pages)} pages, {outside} links to other sites not followed.")


def main(folder):
    """Print what is broken and return the exit code."""
    root = Path(folder).resolve()
    # Templates of the theme lie among the static files.
    found = [path for path in sorted(root.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: Page(path) for path in found}
    if not pages:
        print(f"There are no pages in {folder}. Build them with `make docs`.")
        return 1
    broken = sorted(set(problems(root, pages)))
    print("\n".join(broken) if broken else "Every link inside the pages leads somewhere.")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
