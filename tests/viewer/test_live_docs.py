"""The live picture of the docs: the site's build writes the page that docs/viewer.md shows."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_build_of_the_site_writes_the_page_that_the_docs_show(tmp_path: Path) -> None:
    assert "hooks: [docs/live.py]" in (ROOT / "mkdocs.yml").read_text()
    hook = runpy.run_path(str(ROOT / "docs" / "live.py"))
    hook["on_post_build"]({"site_dir": str(tmp_path)})
    assert f'<iframe src="{hook["NAME"]}"' in (ROOT / "docs" / "viewer.md").read_text()
    page = (tmp_path / hook["NAME"]).read_text()
    assert page.startswith("<!doctype html>")
    assert "<canvas" in page
    assert len(page) < 2_500_000
