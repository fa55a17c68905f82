"""A page by itself, opened from disk in Firefox, has the project's pixels there too."""

import time
from pathlib import Path

import pytest
from firefox import DISPLAY, PROGRAM, firefox

from lmf_sr.images import read_picture
from lmf_sr.viewer.pictures import ShownModel
from lmf_sr.viewer.standalone import write_page


@pytest.mark.slow
@pytest.mark.skipif(not (PROGRAM and DISPLAY), reason="SKIPPED FOR LACK OF FIREFOX: install firefox-esr and xvfb")
def test_a_page_opened_from_disk(models: list[ShownModel], pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_page(path, pictures / "small.png", models[0], 10**7)
    (tmp_path / "profile").mkdir()
    with firefox(tmp_path / "profile") as page:
        page.ask("Navigate", url=f"{path.as_uri()}#x=32&y=24&scale=40&left=0&right=0")
        if not page.run("return Boolean(document.createElement('canvas').getContext('webgl2'))"):
            pytest.skip("SKIPPED FOR LACK OF WEBGL2 IN FIREFOX: install libgl1-mesa-dri")
        begin = time.monotonic()
        while page.run("return document.getElementById('canvas').getAttribute('aria-busy')") != "false":
            assert time.monotonic() - begin < 300
            time.sleep(0.2)
        assert "WebGL2" in page.run("return document.getElementById('status').textContent")
        assert page.run("return document.getElementById('message').hidden")
        page.run("for (const id of ['divider', 'status', 'probe']) document.getElementById(id).style.display = 'none'")
        shown = page.shot("#canvas")
    height, width = shown.shape[:2]
    region = ((24 - height / 80) / 48, (32 - width / 80) / 64, height / 40 / 48, width / 40 / 64)
    image = models[0].model.encode(read_picture(pictures / "small.png").rgb)
    expected = (image.render(height, width, region)[0] * 255).round().permute(1, 2, 0).numpy()
    assert abs(shown - expected).max() <= 2
