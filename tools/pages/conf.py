"""Sphinx's settings for the kit's book. tools/site.py copies this beside the pages."""

project = "Thirty Frames"
author = "the authors of Thirty Frames"
copyright = "Code: BSD 3-Clause. Text and figures: CC BY 4.0"
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "plain_docstrings"]
nb_execution_mode = "off"  # the chapters carry their outputs
nb_code_prompt_show = "Show the code"
nb_ipywidgets_js = {}  # stills stand for widgets: nothing is loaded
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.header", "misc.highlighting_failure"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True  # as they are written: a path of this machine is nobody's default
add_module_names = False

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_search_summary = False  # it fetches pages, which a browser refuses a folder on a disk
html_sidebars = {"docs/*": [], "search": []}  # nothing stands below a page of docs
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "show_prev_next": True,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "use_edit_page_button": False,
    "logo": {"text": project},
}
