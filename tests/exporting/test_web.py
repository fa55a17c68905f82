"""What docs/export.md and docs/try say runs in a browser does, and gives Python's pixels."""

import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import lmf_sr

ROOT = Path(__file__).parents[2]
MODEL = "edsr-tiny-lm-liif"


def photograph(path: Path, height: int, width: int) -> torch.Tensor:
    """A smooth picture that is in a PNG file, too."""
    torch.manual_seed(0)
    coarse = torch.rand(1, 3, 6, 7)
    rgb = (torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1) * 255).round()
    Image.fromarray(rgb[0].permute(1, 2, 0).byte().numpy()).save(path)
    return rgb / 255


def grey_levels(rgb: torch.Tensor) -> np.ndarray:
    return (rgb[0].permute(1, 2, 0) * 255).round().numpy()


@pytest.mark.slow
@pytest.mark.usefixtures("untyped")
def test_the_page_of_the_docs(tmp_path: Path, runtime: Path, site: str, browser: Any) -> None:
    from lmf_sr.exporting.files import export_onnx

    (code,) = re.findall(r"```html\n(.*?)```", (ROOT / "docs" / "export.md").read_text(), re.DOTALL)
    (tmp_path / "index.html").write_text(code)
    shutil.copytree(runtime, tmp_path, dirs_exist_ok=True)
    model = lmf_sr.load(MODEL)
    export_onnx(model, tmp_path / "model.onnx", MODEL, "")
    rgb = photograph(tmp_path / "photo.png", 30, 41)
    page = browser.new_page()
    page.goto(site)
    page.wait_for_selector("canvas[data-done]", state="attached", timeout=120_000)
    width, height, pixels = page.evaluate(
        """() => {
          const { width, height } = canvas;
          return [width, height, [...canvas.getContext("2d").getImageData(0, 0, width, height).data]];
        }"""
    )
    page.close()
    expected = grey_levels(model.encode(rgb).render(81, 111))
    drawn = np.array(pixels).reshape(height, width, 4)[..., :3]
    assert drawn.shape == expected.shape
    assert np.abs(drawn - expected).max() <= 1


@pytest.mark.slow
@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("name", [MODEL, "edsr-tiny-lm-lte"])
def test_the_page_that_upscales_by_itself(
    name: str,
    tmp_path: Path,
    runtime: Path,
    trying: ModuleType,
    site: str,
    browser: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A picture is opened and saved as PNG, at a scale below that at which cells are clipped and at one beyond. Nothing but
    the page's own files is asked for, and nothing is sent."""
    monkeypatch.setattr(trying, "fetch_runtime", lambda out: shutil.copytree(runtime, out, dirs_exist_ok=True))
    trying.make(tmp_path, name)
    own = {path.name for path in tmp_path.iterdir()}
    rgb = photograph(tmp_path / "photo.png", 40, 52)
    image = lmf_sr.load(name).encode(rgb)
    page = browser.new_page()
    requests, complaints = [], []
    page.on("request", lambda request: requests.append((request.method, request.url)))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{site}/index.html")
    with page.expect_file_chooser() as chosen:
        page.click("#open")
    chosen.value.set_files(tmp_path / "photo.png")
    page.wait_for_selector("#picture option", state="attached", timeout=120_000)
    for width in (104, 416):
        page.wait_for_selector("#canvas[aria-busy=false]", timeout=120_000)
        page.click("#save")
        page.check("[name=what][value=whole]")
        page.fill("#save-width", str(width))
        with page.expect_download(timeout=120_000) as saved:
            page.click("#save-now")
        drawn = np.asarray(Image.open(saved.value.path()).convert("RGB"), dtype=float)
        expected = grey_levels(image.render(width * 40 // 52, width))
        assert drawn.shape == expected.shape
        assert np.abs(drawn - expected).max() <= 2
    page.close()
    assert complaints == []
    for method, url in requests:
        assert method == "GET"
        assert url.startswith(("blob:", "data:")) or url.removeprefix(f"{site}/") in own
