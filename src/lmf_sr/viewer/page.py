"""The viewer's page: markup, style and scripts as one piece of HTML that needs nothing from elsewhere."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

ASSETS = Path(__file__).with_name("assets")
SCRIPTS = ("shaders.js", "painting.js", "sources.js", "layers.js")  # viewer.js, which starts the page, follows


def page(title: str, setup: dict[str, Any], source: str = "") -> str:
    """The page as HTML.

    Args:
        title: the title of the window.
        setup: says where pictures come from: `{"kind": "server"}` or `{"kind": "file", ...}` (`standalone.py`).
        source: a script that adds a kind of source to the ones in `assets/sources.js`.
    """
    templates = Environment(loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined)
    script = Markup("\n").join([*map(_text, SCRIPTS), Markup(source), _text("viewer.js")])
    return templates.get_template("page.html").render(title=title, setup=setup, style=_text("style.css"), script=script)


@cache
def _text(name: str) -> Markup:
    return Markup((ASSETS / name).read_text(encoding="utf-8"))
