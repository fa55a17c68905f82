"""The live picture of docs/viewer.md: a page by itself, made while mkdocs builds the site (one of its hooks)."""

from pathlib import Path
from typing import Any

from lmf_sr.checkpoints import DEFAULT_MODEL, load
from lmf_sr.commands.view import shown_model
from lmf_sr.images import embedded_photographs
from lmf_sr.viewer.pictures import ShownPicture
from lmf_sr.viewer.standalone import page_of

NAME = "live.html"


def on_post_build(config: Any) -> None:
    """Writes the page beside those of the site."""
    eyes = embedded_photographs()["chelsea"][:, 76:156, 106:218]
    page = page_of(ShownPicture("a cat, 112x80", eyes), shown_model(DEFAULT_MODEL, load(DEFAULT_MODEL)))
    Path(config["site_dir"], NAME).write_text(page, encoding="utf-8")
