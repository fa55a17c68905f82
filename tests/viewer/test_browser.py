"""The page in a real browser (Chromium, software GL): its pixels are the project's own, and all that one can do is done."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lmf_sr.images import read_picture
from lmf_sr.viewer.pictures import Place, Studio
from lmf_sr.viewer.server import Server

WAIT = 180_000  # ms; software GL on a busy machine is slow
VIEWPORT = {"width": 320, "height": 400}
HIDE = "for (const id of ['divider', 'status', 'probe']) document.getElementById(id).style.visibility = 'hidden';" + (
    "document.activeElement.blur()"  # its outline
)


COUNT_TEXTURES = """
  const held = new Set();
  const { createTexture, deleteTexture } = WebGL2RenderingContext.prototype;
  WebGL2RenderingContext.prototype.createTexture = function () {
    const texture = createTexture.call(this);
    held.add(texture);
    return texture;
  };
  WebGL2RenderingContext.prototype.deleteTexture = function (texture) {
    held.delete(texture);
    deleteTexture.call(this, texture);
  };
  self.texturesHeld = () => held.size;
"""


class Viewer:
    """The page of a server, and what a person does with it."""

    def __init__(self, page: Any, server: Server) -> None:
        self.page, self.server = page, server
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, **place: Any) -> "Viewer":
        where = "&".join(f"{key}={value}" for key, value in place.items())
        self.page.goto("about:blank")
        self.page.goto(f"{self.server.address}#{where}")
        return self.rest()

    def rest(self) -> "Viewer":
        """Waits until all that is in view is made."""
        self.page.wait_for_timeout(150)
        self.page.wait_for_selector('#canvas[aria-busy="false"]', timeout=WAIT)
        return self

    def press(self, *keys: str) -> "Viewer":
        for key in keys:
            self.page.keyboard.press(key)
        return self.rest()

    @property
    def status(self) -> str:
        return self.page.inner_text("#status")

    @property
    def place(self) -> dict[str, str]:
        return dict(pair.split("=") for pair in self.page.evaluate("location.hash").lstrip("#").split("&"))

    @property
    def size(self) -> tuple[int, int]:
        """The canvas's width and height."""
        width, height = (
            self.page.evaluate(f"document.getElementById('canvas').{side}") for side in ("width", "height")
        )
        return width, height

    def pixels(self) -> np.ndarray:
        """What the canvas shows, without what lies over it."""
        self.page.evaluate(HIDE)
        shot = self.page.locator("#canvas").screenshot()
        return np.array(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


@pytest.fixture
def viewer(browser: Any, server: Server) -> Iterator[Viewer]:
    page = browser.new_page(viewport=VIEWPORT)
    viewer = Viewer(page, server)
    yield viewer
    page.close()
    assert viewer.complaints == []


def seen(studio: Studio, layer: str, x: float, y: float, scale: float, shape: tuple[int, ...]) -> np.ndarray:
    """What a canvas should show around (x, y)."""
    place = Place(y - shape[0] / 2 / scale, x - shape[1] / 2 / scale, scale, shape[0], shape[1])
    return studio.view("0", layer, place).astype(int)


@pytest.mark.parametrize("model", ["0", "1"])
@pytest.mark.parametrize("scale", [2.9, 8.3, 30.0, 4000.0])
def test_the_shader_s_pixels_are_the_project_s(viewer: Viewer, studio: Studio, model: str, scale: float) -> None:
    """Beyond the border, in the midst of a pixel, and where the state is another at each scale."""
    x, y = 32.3, 24.6
    viewer.open(x=x, y=y, scale=scale, left=model, right=model)
    assert "WebGL2" in viewer.status
    shown = viewer.pixels()
    expected = seen(studio, model, x, y, scale, shown.shape)
    rows = y + (np.arange(shown.shape[0]) + 0.5 - shown.shape[0] / 2) / scale
    cols = x + (np.arange(shown.shape[1]) + 0.5 - shown.shape[1] / 2) / scale
    inside = ((rows > 0) & (rows < 48))[:, None] & ((cols > 0) & (cols < 64))
    assert inside.sum() > 10000
    assert abs(shown - expected)[inside].max() <= 2


@pytest.mark.slow
def test_a_screenful_of_the_shader_s_pixels(browser: Any, server: Server, studio: Studio) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    shown = Viewer(page, server).open(x=32, y=24, scale=25, left=0, right=0).pixels()
    page.close()
    assert shown.shape[0] * shown.shape[1] > 800_000
    assert abs(shown - seen(studio, "0", 32, 24, 25, shown.shape)).max() <= 2


def test_the_slider_parts_the_layers(viewer: Viewer, studio: Studio) -> None:
    viewer.open(x=32, y=24, scale=9, left="nearest", right="bicubic")
    half = viewer.size[0] // 2
    shown = viewer.pixels()
    nearest, bicubic = (seen(studio, layer, 32, 24, 9, shown.shape) for layer in ("nearest", "bicubic"))
    assert abs(shown - nearest)[:, :half].max() == 0
    assert abs(shown - bicubic)[:, half:].max() <= 1
    assert abs(shown - nearest)[:, half:].max() > 5

    viewer.page.evaluate(HIDE.replace("hidden", "visible"))
    handle = viewer.page.locator("#divider").bounding_box()
    middle = handle["x"] + handle["width"] / 2
    viewer.page.mouse.move(middle, 60)
    viewer.page.mouse.down()
    viewer.page.mouse.move(middle + half / 2, 60, steps=4)
    viewer.page.mouse.up()
    assert abs(viewer.rest().pixels() - nearest)[:, : half + half // 3].max() == 0


def test_base_methods_and_the_reference_come_from_the_server(viewer: Viewer, studio: Studio) -> None:
    viewer.open(x=30.25, y=20.5, scale=7, left=2, right="reference")
    assert "server" in viewer.status
    shown = viewer.pixels()
    half = shown.shape[1] // 2
    assert abs(shown - seen(studio, "2", 30.25, 20.5, 7, shown.shape))[:, :half].max() <= 1
    assert abs(shown - seen(studio, "reference", 30.25, 20.5, 7, shown.shape))[:, half:].max() <= 1


def test_two_models_side_by_side_move_together(viewer: Viewer, studio: Studio) -> None:
    viewer.open(x=30, y=22, scale=8, left=0, right=1, layout="side")
    viewer.page.focus("#canvas")
    viewer.press("ArrowRight", "+")
    shown, place = viewer.pixels(), viewer.place
    x, y, scale = (float(place[key]) for key in ("x", "y", "scale"))
    assert (x > 30, scale) == (True, pytest.approx(10))
    half = (shown.shape[1] - 2) // 2
    for part, model in ((shown[:, :half], "0"), (shown[:, -half:], "1")):
        assert abs(part - seen(studio, model, x, y, scale, part.shape)).max() <= 2


def test_wheel_drag_and_keys(viewer: Viewer) -> None:
    viewer.open(x=32, y=24, scale=6, left="bicubic", right="nearest")
    page = viewer.page
    box = page.locator("#canvas").bounding_box()
    at = box["x"] + 100, box["y"] + 50
    page.mouse.move(*at)
    corner = [32 + (100 - box["width"] / 2) / 6, 24 + (50 - box["height"] / 2) / 6]
    page.mouse.wheel(0, -300)
    place = {key: float(value) for key, value in viewer.rest().place.items() if key in "xyscale"}
    assert place["scale"] > 9
    x = place["x"] + (100 - box["width"] / 2) / place["scale"]
    y = place["y"] + (50 - box["height"] / 2) / place["scale"]
    assert [x, y] == pytest.approx(corner, abs=0.05)  # what lay under the pointer still does
    assert f"x {corner[0]:.1f}"[:6] in page.inner_text("#probe")

    page.mouse.down()
    page.mouse.move(at[0] + 40, at[1] + 20, steps=5)
    page.mouse.up()
    moved = viewer.rest().place
    assert float(moved["x"]) == pytest.approx(place["x"] - 40 / place["scale"], abs=0.02)
    assert float(moved["y"]) == pytest.approx(place["y"] - 20 / place["scale"], abs=0.02)

    width, height = viewer.size
    page.focus("#canvas")
    assert float(viewer.press("1").place["scale"]) == 1
    assert float(viewer.press("0").place["scale"]) == pytest.approx(min(width / 64, height / 48))
    assert viewer.press("a").place["left"] == "nearest"
    assert viewer.press("l", "b").place["layout"] == "side"
    assert viewer.press("?").page.is_visible("#help-dialog")


def test_all_of_it_by_keyboard_alone(viewer: Viewer, studio: Studio, pictures: Path) -> None:
    studio.add(pictures / "large.png")
    viewer.open(x=32, y=24, scale=6, left="bicubic", right="nearest")
    page = viewer.page
    divider = lambda: int(page.get_attribute("#divider", "aria-valuenow"))  # noqa: E731
    viewer.press("Tab")
    assert page.evaluate("document.activeElement.id") == "canvas"
    viewer.press("ArrowDown", "-")
    assert float(viewer.place["y"]) > 24
    assert float(viewer.place["scale"]) == pytest.approx(4.8)
    viewer.press("]", "]", "[")
    assert divider() == 55
    viewer.press("Tab", "ArrowRight")
    assert (page.evaluate("document.activeElement.id"), divider()) == ("divider", 57)
    viewer.press("i")
    assert page.inner_text("#probe").startswith("x 32.")
    viewer.press("?")
    assert page.is_visible("#help-dialog")
    viewer.press("Escape")
    assert not page.is_visible("#help-dialog")
    viewer.press("n")
    assert page.input_value("#picture") == "1"
    assert viewer.press("p").place["picture"] == "0"
    plain = viewer.press(*"aaabb").pixels()  # the model, on the left and on the right
    page.focus("#canvas")
    values = lambda: page.inner_text("#probe").split(" · intensity")[0]  # noqa: E731
    before = values()
    assert viewer.press("o").place["overlay"] == "intensity"
    assert values() == before  # those of the model, whatever lies over them
    assert abs(viewer.pixels() - plain).max() > 30
    page.focus("#canvas")
    page.keyboard.press("s")
    page.keyboard.type("99")
    with page.expect_download(timeout=WAIT) as download:
        page.keyboard.press("Enter")
    assert Image.open(download.value.path()).width == 99


def test_a_file_that_is_no_picture_is_told_and_the_others_stay(viewer: Viewer, studio: Studio, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(b"no picture")
    studio.add_later(damaged)
    viewer.open(left="bicubic", right="nearest")
    viewer.page.select_option("#picture", "1")
    viewer.page.wait_for_selector("#message:has-text('damaged.png')", timeout=WAIT)
    viewer.page.select_option("#picture", "0")
    viewer.page.wait_for_selector("#message", state="hidden", timeout=WAIT)
    assert viewer.rest().place["picture"] == "0"


def test_two_fingers_zoom(browser: Any, server: Server) -> None:
    context = browser.new_context(viewport=VIEWPORT, has_touch=True)
    page = context.new_page()
    viewer = Viewer(page, server).open(x=32, y=24, scale=6, left="bicubic", right="nearest")
    touch = context.new_cdp_session(page)

    def fingers(kind: str, *xs: int) -> None:
        points = [{"x": x, "y": 100, "id": i} for i, x in enumerate(xs)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 60, 120)
    for spread in (5, 15, 30):
        fingers("touchMove", 60 - spread, 120 + spread)
    fingers("touchEnd")
    assert float(viewer.rest().place["scale"]) == pytest.approx(12, rel=0.05)
    context.close()


def test_levels_and_what_they_save(viewer: Viewer, studio: Studio) -> None:
    viewer.open(x=32, y=24, scale=9, left=0, right="0%2B", overlay="levels")
    page = viewer.page
    page.wait_for_selector("#cmsr:has-text(' ms')", timeout=WAIT)
    told = page.inner_text("#cmsr")
    levels = studio.models[0].tables[2e-5].table.levels(9.0)
    for level in levels:
        assert f"×{level.scale:.3g} " in told
    saved = lambda: int(page.inner_text("#cmsr").split("MACs saved ")[1].split(" %")[0])  # noqa: E731
    before = saved()
    page.focus("#canvas")
    viewer.press(*["."] * 5)
    assert page.inner_text("#threshold-value") == "1.0e-3"
    assert saved() > before
    coloured = viewer.pixels()
    page.focus("#canvas")
    viewer.press("o")
    assert viewer.place.get("overlay") is None
    assert abs(viewer.pixels() - coloured).max() > 30


def test_a_dropped_picture_is_opened(viewer: Viewer, pictures: Path) -> None:
    viewer.open()
    content = list((pictures / "large.png").read_bytes())
    viewer.page.evaluate(
        """(content) => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(content)], "dropped.png", { type: "image/png" }));
            document.getElementById("stage").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
        }""",
        content,
    )
    viewer.page.wait_for_selector("#picture option:text('dropped.png')", state="attached", timeout=WAIT)
    viewer.rest()
    assert viewer.page.locator("#picture option").all_inner_texts() == ["small.png", "dropped.png"]
    viewer.page.set_input_files("#file", {"name": "x.png", "mimeType": "image/png", "buffer": b"no picture"})
    viewer.page.wait_for_selector("#message:has-text('cannot read x.png')", timeout=WAIT)


@pytest.mark.parametrize(("whole", "side"), [(False, "left"), (False, "right"), (True, "left")])
def test_saving(viewer: Viewer, studio: Studio, pictures: Path, whole: bool, side: str) -> None:
    viewer.open(x=32, y=24, scale=20, left=0, right="nearest")
    page = viewer.page
    page.focus("#canvas")
    page.keyboard.press("s")
    if whole:
        page.check("[name=what][value=whole]")
    page.check(f"[name=side][value={side}]")
    assert page.inner_text("#save-right") == "right: nearest"
    page.fill("#save-width", "160")
    with page.expect_download(timeout=WAIT) as download:
        page.click("#save-now")
    saved = np.array(Image.open(download.value.path())).astype(int)
    if whole:
        image = studio.models[0].model.encode(read_picture(pictures / "small.png").rgb)
        expected = (image.render(120, 160)[0] * 255).round().permute(1, 2, 0).numpy()
    else:
        width, height = viewer.size
        scale = 160 / (width / 20)
        place = Place(24 - height / 40, 32 - width / 40, scale, saved.shape[0], 160)
        expected = studio.view("0", "0" if side == "left" else "nearest", place).astype(int)
    assert saved.shape == expected.shape
    assert abs(saved - expected).max() <= 1


def test_nothing_leaves_the_machine(viewer: Viewer) -> None:
    viewer.open(x=32, y=24, scale=9, left=0, right=2)
    assert viewer.requests
    assert all(url.startswith((viewer.server.address, "blob:", "data:", "about:")) for url in viewer.requests)


def test_a_page_left_open_rests_and_one_in_use_does_not_grow(viewer: Viewer) -> None:
    page = viewer.page
    page.add_init_script(COUNT_TEXTURES)
    viewer.open(x=32, y=24, scale=9, left=0, right=2)
    session = page.context.new_cdp_session(page)
    page.focus("#canvas")

    def used() -> int:
        session.send("HeapProfiler.collectGarbage")
        return session.send("Runtime.getHeapUsage")["usedSize"]

    viewer.press("ArrowLeft", "ArrowRight", "o", "o", "o")
    before, asked, textures = used(), len(viewer.requests), page.evaluate("texturesHeld()")
    page.wait_for_timeout(1500)
    assert len(viewer.requests) == asked  # it asks for nothing, and computes nothing
    for _ in range(12):
        viewer.press("ArrowLeft", "ArrowRight", "o", "+", "-", "o", "o")
    assert used() < before + 2_000_000
    assert 0 < page.evaluate("texturesHeld()") <= textures + 6  # twelve rounds would leave twelve and more


def test_while_one_zooms_views_are_given_up(viewer: Viewer, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer.open(x=32, y=24, scale=9, left=2, right="nearest")
    rendered: list[float] = []
    view = studio.view
    monkeypatch.setattr(studio, "view", lambda *about: (rendered.append(about[2].scale), view(*about))[1])
    viewer.page.focus("#canvas")
    viewer.press(*["+"] * 10)
    assert len(rendered) < 10
    assert rendered[-1] == pytest.approx(9 * 1.25**10)


def test_without_webgl_the_server_renders(browser_without_gl: Any, server: Server, studio: Studio) -> None:
    page = browser_without_gl.new_page(viewport=VIEWPORT)
    viewer = Viewer(page, server).open(x=32, y=24, scale=8, left=0, right=0)
    assert "server" in viewer.status
    shown = viewer.pixels()
    page.close()
    assert viewer.complaints == []
    assert abs(shown - seen(studio, "0", 32, 24, 8, shown.shape)).max() <= 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_s_width_and_the_dark(browser: Any, server: Server, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 700}, color_scheme=scheme)
    viewer = Viewer(page, server).open(left="bicubic", right="nearest")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("#canvas").bounding_box()["height"] > 300
    for control in ("#left", "#right", "#layout", "#overlay", "#in", "#out", "#fit", "#save", "#open", "#help"):
        page.locator(control).scroll_into_view_if_needed()
        assert page.locator(control).is_visible()
    scale = float(viewer.place["scale"])
    page.set_viewport_size({"width": 180, "height": 700})  # turned, all of the picture stays in view
    assert float(viewer.rest().place["scale"]) < 0.7 * scale
    page.set_viewport_size({"width": 360, "height": 700})
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(json.loads(f"[{paper[4:-1]}]")) / 3
    assert brightness > 230 if scheme == "light" else brightness < 40
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "canvas"
    assert viewer.complaints == []
    page.close()
