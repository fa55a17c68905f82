"""The viewer's page: markup, style and scripts as one piece of HTML that needs nothing from elsewhere."""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

ASSETS = Path(__file__).with_name("assets")
SCRIPTS = ("shaders.js", "painting.js", "sources.js", "layers.js", "viewer.js")


def page(title: str, setup: dict[str, Any]) -> str:
    """The page as HTML.

    Args:
        title: of the window.
        setup: where pictures come from, `{"kind": "server"}` or `{"kind": "file", ...}` (`standalone.py`).
    """
    templates = Environment(loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined)
    return templates.get_template("page.html").render(
        title=title, setup=setup, style=_text("style.css"), script=_script()
    )


@cache
def _text(name: str) -> Markup:
    return Markup((ASSETS / name).read_text(encoding="utf-8"))


@cache
def _script() -> Markup:
    return Markup("\n").join(_text(name) for name in SCRIPTS)
