"""Sphinx configuration: MyST pages, docstrings by autodoc, and an atlas made from the catalogue."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "gnomon"
author = copyright = "The gnomon developers"
version = release = installed_version("gnomon")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "atlas",
    "calibration",
    "docstrings",
    "ledger",
    "maths",
    "phenomena",
    "theories",
]
html_math_renderer = "mathml"
exclude_patterns = ["_build", "examples"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "py:obj"
add_module_names = False
python_use_unqualified_type_names = True
autodoc_typehints_format = "short"
maximum_signature_line_length = 160
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}

html_theme = "furo"
html_title = f"gnomon {version}"
