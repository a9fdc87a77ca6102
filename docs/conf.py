"""How Sphinx makes the guide (`make guide`) of the Markdown here; nothing comes from the internet."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

project = "Piranha Web"
html_title = "Piranha Web: the guide"
extensions = ["myst_parser", "piranha_guide"]
exclude_patterns = ["_ext", "_theme", "samples"]
root_doc = "index"
myst_heading_anchors = 4
highlight_language = "none"

html_theme = "piranha"
html_theme_path = ["_theme"]
html_permalinks = False
html_copy_source = False
html_show_sphinx = False
html_use_index = False
# The guide is dressed as the panels are, by the same files.
html_static_path = [
    "../static/vendor/bootstrap-5.3.9/bootstrap.min.css",
    "../static/css/piranha.css",
    "../static/css/help.css",
    "../static/css/guide.css",
    "../static/js/theme.js",
    "../static/img/piranha.svg",
]
