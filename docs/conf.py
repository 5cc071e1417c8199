"""Settings of the documentation: `sphinx-build -W docs site`, then open site/index.html.

No network is needed to build it or to read it: no font, script or icon comes from elsewhere.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_ext")]

import zeroshot  # noqa: E402

project = "scikit-zeroshot"
author = "The scikit-zeroshot developers"
release = version = zeroshot.__version__
html_title = f"{project} {release}"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "repository_links",
]
exclude_patterns = ["_build", "**/sg_execution_times.rst", "sg_execution_times.rst"]
templates_path = ["_templates"]
default_role = "code"
root_doc = "index"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["config.cache"]  # functions below are settings, and cannot be pickled

autosummary_generate = True
autosummary_imported_members = True
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
autodoc_inherit_docstrings = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
math_number_all = False
html_math_renderer = "mathml"

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
    "show_prev_next": False,
}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "plot_",
    "ignore_pattern": r"^(?!.*plot_).*\.py$",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "abort_on_example_error": True,
    "min_reported_time": 0,
    "doc_module": ("zeroshot",),
    "backreferences_dir": "auto_examples/backreferences",
    "remove_config_comments": True,
    "show_memory": False,
    "plot_gallery": "True",
    "parallel": 2,
}


def public_names(module_name: str) -> dict[str, list[str]]:
    """Return the public classes and functions of a module, for the template of its page.

    Parameters
    ----------
    module_name : str
        Its full name.

    Returns
    -------
    dict of str to list of str
        Names under ``"Classes"``, ``"Functions"`` and ``"Data"``.
    """
    module = importlib.import_module(module_name)
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module_name
    ]
    kinds: dict[str, list[str]] = {"Classes": [], "Functions": [], "Data": []}
    for name in sorted(names):
        value = getattr(module, name)
        is_class = inspect.isclass(value)
        kind = "Classes" if is_class else "Functions" if inspect.isfunction(value) else "Data"
        kinds[kind].append(name)
    return {kind: found for kind, found in kinds.items() if found}


autosummary_context = {"public_names": public_names}


def inherited_from_elsewhere(
    app: Any, what: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out methods of scikit-learn's and torch's own bases: their sites describe them."""
    function = getattr(member, "fget", member)
    home = getattr(function, "__module__", None) or ""
    return True if inspect.isroutine(function) and not home.startswith("zeroshot") else None


def setup(app: Any) -> None:
    """Connect the functions above to the build."""
    app.connect("autodoc-skip-member", inherited_from_elsewhere)
