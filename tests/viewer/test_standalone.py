"""A page by itself: complete, within its size, and within a grey level or two of the project's pixels, opened from disk."""

import base64
import io
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lmf_sr.cmsr.measures import PAPER
from lmf_sr.errors import InputError
from lmf_sr.geometry import TRAINING_SCALE
from lmf_sr.images import read_picture
from lmf_sr.rendering.tiling import Window
from lmf_sr.viewer.pictures import ShownModel, prepared
from lmf_sr.viewer.standalone import ERROR, packed, write_page


@pytest.mark.parametrize("number", [0, 1])
def test_a_page_opened_from_disk(
    browser: Any, models: list[ShownModel], pictures: Path, tmp_path: Path, number: int
) -> None:
    path = tmp_path / "page.html"
    size = write_page(path, pictures / "small.png", models[number], 10**7)
    assert path.stat().st_size == size

    page = browser.new_page(viewport={"width": 400, "height": 420})
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{path.as_uri()}#x=32&y=24&scale=9&left=0&right=0")
    page.wait_for_selector('#canvas[aria-busy="false"]', timeout=180_000)
    assert "WebGL2" in page.inner_text("#status")
    page.evaluate("for (const id of ['divider', 'status']) document.getElementById(id).style.visibility = 'hidden'")
    shown = np.array(Image.open(io.BytesIO(page.locator("#canvas").screenshot())).convert("RGB")).astype(int)
    height, width = shown.shape[:2]
    region = ((24 - height / 18) / 48, (32 - width / 18) / 64, height / 9 / 48, width / 9 / 64)
    image = models[number].model.encode(read_picture(pictures / "small.png").rgb)
    expected = (image.render(height, width, region)[0] * 255).round().permute(1, 2, 0).numpy()
    assert abs(shown - expected).max() <= 2

    page.focus("#canvas")
    page.keyboard.press("s")
    page.check("[name=what][value=whole]")
    page.fill("#save-width", "256")
    with page.expect_download(timeout=180_000) as download:
        page.click("#save-now")
    saved = np.array(Image.open(download.value.path()).convert("RGB")).astype(int)
    assert abs(saved - (image.render(192, 256)[0] * 255).round().permute(1, 2, 0).numpy()).max() <= 2
    page.close()
    assert [url.split("#")[0] for url in requests if not url.startswith(("blob:", "data:"))] == [path.as_uri()]
    assert complaints == []


def test_without_webgl_a_page_says_what_it_needs(
    browser_without_gl: Any, models: list[ShownModel], pictures: Path, tmp_path: Path
) -> None:
    path = tmp_path / "page.html"
    write_page(path, pictures / "small.png", models[0], 10**7)
    page = browser_without_gl.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_selector("#message:has-text('by WebGL2, which this browser does not have')", timeout=180_000)
    page.close()
    assert complaints == []


@pytest.mark.parametrize("number", [0, 1])
def test_packed_values_are_near_the_state_s(models: list[ShownModel], pictures: Path, number: int) -> None:
    model = models[number].model
    image, window = model.encode(read_picture(pictures / "small.png").rgb), Window.whole((48, 64))
    state = prepared((image, window), window, TRAINING_SCALE)
    found = packed(model.decoder, state, PAPER, image.encoded.lr)  # type: ignore[arg-type]
    planes = np.frombuffer(zlib.decompress(base64.b64decode(found["data"])), np.uint8).reshape(-1, 2, 48, 64)
    symbols = torch.from_numpy(planes[:, 0] + 256 * planes[:, 1].astype(np.float32))
    least, step = (torch.tensor(found[key])[:, None, None] for key in ("least", "step"))
    values = least + step * symbols
    channels = state.modulations.shape[-1]
    assert torch.allclose(values[-1], state.intensity[0].clone(), atol=float(step[-1]))
    coords = torch.rand(1, 5000, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        exact = model.decoder.query(state, coords)
        near = model.decoder.query(state._replace(modulations=values[:channels].permute(1, 2, 0)[None]), coords)
    assert (near - exact).abs().max() * 255 / 2 < 1.3 * ERROR  # between the places that were looked at, too
    assert symbols[:channels].amax((1, 2)).median() < 1000  # coarse steps


def test_a_page_holds_what_it_needs_and_nothing_that_ends_it_early(
    models: list[ShownModel], pictures: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "<script>&'.png"
    picture.write_bytes((pictures / "small.png").read_bytes())
    write_page(tmp_path / "page.html", picture, models[0], 10**7)
    text = (tmp_path / "page.html").read_text()
    setup = json.loads(re.search(r'id="setup">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert setup["about"]["pictures"][0]["name"] == picture.name
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "<script>&" not in text


@pytest.mark.parametrize(
    ("number", "most", "sentence"),
    [
        (0, 100_000, r"page.html would be 0\.\d MB, more than the 0.1 MB of --max-mb: allow more, or crop the picture"),
        (2, 10**7, "a page cannot render decoder 'lte' by itself: choose an LMF model"),
    ],
)
def test_what_makes_no_page(
    models: list[ShownModel], pictures: Path, tmp_path: Path, number: int, most: int, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        write_page(tmp_path / "page.html", pictures / "small.png", models[number], most)
    assert not (tmp_path / "page.html").exists()
