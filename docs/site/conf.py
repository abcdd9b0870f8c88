"""The site of the pages in docs/: `make docs` makes it, with Sphinx, in build/docs.

The pages are those that a forge shows too. Here they are put in order (order.py), what is made of the
program takes the place of `<!-- made: NAME ... -->` (made.py), and what they link to comes along (linked.py).
"""

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

import linked  # noqa: E402
import made  # noqa: E402
import order  # noqa: E402

project = "resnetlab"
author = "resnetlab authors"
version = release = version_of("resnetlab")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.linkcode"]
root_doc = "index"
source_suffix = {".md": "markdown"}
html_copy_source = False
show_warning_types = True

myst_enable_extensions = ["attrs_block"]
myst_heading_anchors = 4

default_role = "code"  # docstrings quote code as Markdown does
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "resnetlab"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
pygments_style = "tango"
pygments_dark_style = "github-dark"

linkcode_resolve = linked.source_of


def setup(app: Any) -> None:
    """Connect what is done to the pages."""
    app.connect("source-read", order.add_navigation)
    app.connect("source-read", made.fill)
    app.connect("source-read", made.in_both_themes)
    app.connect("source-read", linked.by_theme)
    app.connect("doctree-read", linked.follow, priority=400)  # before Sphinx gathers downloads
    app.connect("html-collect-pages", linked.source_pages)
    app.connect("build-finished", linked.copy_files)
