"""How fast pictures are seen in a browser without a GPU (Chromium, software GL): python -m benchmarks.viewing

shader      a view of 900 x 550 by the page's shader, and frames while one zooms; beside it, the compiled renderer
state       what the server makes for a new scale below 4, of 320 x 180 pixels
exported    how far a page by itself is from the exact pixels below scale 4, in grey levels of 255
by itself   docs/try: 320 x 180 pixels and a megapixel, opened, seen and saved wholly in the browser; beside it, lmf-sr
"""

import argparse
import functools
import http.server
import importlib.util
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Page, sync_playwright

from benchmarks.record import RESULTS, begun, write
from lmf_sr import load
from lmf_sr.commands.view import shown_model
from lmf_sr.geometry import Grid
from lmf_sr.images import Picture, embedded_photographs, read_picture, resize_pillow, write_picture
from lmf_sr.rendering.tiling import Window
from lmf_sr.results.table import Table
from lmf_sr.viewer.pictures import ShownModel, Studio, prepared
from lmf_sr.viewer.server import Server

MODELS = ("edsr-tiny-lm-liif", "edsr-tiny-lm-lte")
TRIED = "edsr-tiny-lm-liif"  # the default model of docs/try
SIZE = (180, 320)
MEGAPIXEL = (864, 1152)
VIEW = (900, 550)  # of the canvas
LEAST_SCALE = 2.0  # of views in docs/try: at smaller scales a view has more latents than the page has room for
FRAMES = 120
ROUNDS = 3
BELOW = (3.0, 2.0, 1.0)  # scales
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking")
WAIT = 1_200_000  # ms
REST = '#canvas[aria-busy="false"]'
ZOOM = """async (frames) => {
  const canvas = document.getElementById("canvas"), times = [];
  let last = performance.now();
  for (let i = 0; i < frames; i++) {
    const deltaY = i < frames / 2 ? -40 : 40;
    canvas.dispatchEvent(new WheelEvent("wheel", { deltaY, clientX: 450, clientY: 275, cancelable: true }));
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - last);
    last = now;
  }
  return times;
}"""


def photograph(folder: Path, height: int, width: int) -> Path:
    """The coffee, 3 : 2, as a PNG of that size."""
    rgb = embedded_photographs()["coffee"]
    path = folder / f"coffee-{width}x{height}.png"
    write_picture(path, Picture(resize_pillow(rgb, height, width) / 255))
    return path


def shader(page: Page, models: list[ShownModel], path: Path) -> Iterator[dict[str, Any]]:
    studio = Studio(models)
    studio.add(path)
    server = Server(studio)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        for number, shown in enumerate(models):
            page.goto("about:blank")
            page.goto(f"{server.address}#x=160&y=90&scale=9&left={number}&right={number}")
            page.wait_for_timeout(300)
            page.wait_for_selector(REST, timeout=WAIT)
            width, height = (page.evaluate(f"document.getElementById('canvas').{side}") for side in ("width", "height"))
            took, compiled = [], []
            image = shown.model.encode(read_picture(path).rgb)
            region = (
                0.5 - height / 18 / SIZE[0],
                0.5 - width / 18 / SIZE[1],
                height / 9 / SIZE[0],
                width / 9 / SIZE[1],
            )
            for key in ["ArrowLeft", "ArrowRight"] * ROUNDS:
                page.press("#canvas", key)
                page.wait_for_timeout(300)
                page.wait_for_selector(REST, timeout=WAIT)
                status = page.inner_text("#status")
                if "WebGL2" in status:
                    took.append(float(status.split("WebGL2 ")[1].split(" ms")[0]))
                begin = time.perf_counter()
                image.render(height, width, region)
                compiled.append(1000 * (time.perf_counter() - begin))
            frames = sorted(page.evaluate(ZOOM, FRAMES))
            yield {
                "model": shown.name,
                "pixels": height * width,
                "view_ms": min(took),
                "compiled_ms": min(compiled),
                "frame_ms": statistics.median(frames),
                "slow_frame_ms": frames[int(0.95 * len(frames))],
            }
    finally:
        server.stop()
        thread.join()


def states(models: list[ShownModel], path: Path) -> Iterator[dict[str, Any]]:
    studio = Studio(models)
    name = studio.add(path)
    for number, shown in enumerate(models):
        seconds = []
        for i in range(ROUNDS + 1):  # the first encodes
            begin = time.perf_counter()
            studio.state(name, number, Window.whole(SIZE), 2.0 + i / 8)
            seconds.append(time.perf_counter() - begin)
        yield {"model": shown.name, "state_ms": 1000 * min(seconds[1:])}


@torch.inference_mode()
def exported(models: list[ShownModel], path: Path) -> Iterator[dict[str, Any]]:
    window = Window.whole(SIZE)
    for shown in models:
        decoder: Any = shown.model.decoder
        image = shown.model.encode(read_picture(path).rgb)
        clipped = prepared((image, window), window, 4.0)
        for scale in BELOW:
            height, width = (round(scale * side) for side in SIZE)
            moved = decoder.at_cell(clipped, torch.tensor([[2 / height, 2 / width]]))
            exact = prepared((image, window), window, scale)
            coords = Grid.over(height, width).coords(torch.device("cpu"))[None].split(2**14, dim=1)
            pairs = [(decoder.query(moved, c) - decoder.query(exact, c)).abs() * 255 / 2 for c in coords]
            error = torch.cat(pairs, dim=1)
            yield {"model": shown.name, "scale": scale, "mean": float(error.mean()), "largest": float(error.max())}


def by_itself(page: Page, folder: Path) -> Iterator[dict[str, Any]]:
    make_site(folder / "site")
    model = load(TRIED)
    with served(folder / "site") as address:
        for height, width in (SIZE, MEGAPIXEL):
            path = photograph(folder, height, width)
            page.goto("about:blank")
            page.goto(f"{address}/index.html")
            with page.expect_file_chooser() as chosen:
                page.click("#open")
            begin = time.perf_counter()
            chosen.value.set_files(path)
            page.wait_for_selector("#picture option", state="attached", timeout=WAIT)
            scale = max(min(VIEW[0] / width, VIEW[1] / height), LEAST_SCALE)
            page.evaluate(f"location.hash = 'x={width / 2}&y={height / 2}&scale={scale}'")
            page.wait_for_timeout(300)
            page.wait_for_selector(REST, timeout=WAIT)
            assert "WebGL2" in page.inner_text("#status")
            shown = time.perf_counter() - begin
            page.press("#canvas", "s")
            page.check("[name=what][value=whole]")
            page.fill("#save-width", str(2 * width))
            begin = time.perf_counter()
            with page.expect_download(timeout=WAIT) as saved:
                page.click("#save-now", timeout=WAIT)
            saved.value.path()
            whole = time.perf_counter() - begin
            begin = time.perf_counter()
            image = model.encode(read_picture(path).rgb)
            ours_encode = time.perf_counter() - begin
            write_picture(folder / "large.png", Picture(image.render(2 * height, 2 * width)[0]))
            ours = time.perf_counter() - begin
            yield {
                "size": [height, width],
                "scale": scale,
                "shown_s": shown,
                "saved_s": whole,
                "ours_encode_s": ours_encode,
                "ours_s": ours,
            }


def make_site(out: Path) -> None:
    """docs/try/make.py."""
    spec = importlib.util.spec_from_file_location("trying", Path(__file__).parents[1] / "docs" / "try" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make(out, TRIED)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def report(record: dict[str, Any]) -> str:
    hardware = record["environment"]["hardware"]
    about = (
        f"{record['browser']}, software GL. {hardware['processor']}, {record['threads']} thread(s) of lmf-sr, "
        f"{record['date']}, `{record['command']}`."
    )
    state_ms = {row["model"]: row["state_ms"] for row in record["states"]}
    shader_table = Table.of_text(
        ["model", "view, ms", "µs a pixel", "compiled renderer, ms", "frame, ms", "slow frame, ms", "state, ms"],
        [
            [
                row["model"],
                f"{row['view_ms']:.0f}",
                f"{1000 * row['view_ms'] / row['pixels']:.1f}",
                f"{row['compiled_ms']:.0f}",
                f"{row['frame_ms']:.0f}",
                f"{row['slow_frame_ms']:.0f}",
                f"{state_ms[row['model']]:.0f}",
            ]
            for row in record["shader"]
        ],
    )
    exported_table = Table.of_text(
        ["model", "scale", "mean", "largest"],
        [
            [row["model"], f"{row['scale']:g}", f"{row['mean']:.2f}", f"{row['largest']:.1f}"]
            for row in record["exported"]
        ],
    )
    tried_table = Table.of_text(
        ["picture", "scale", "in view, s", "saved, s", "lmf-sr, s", "of it encoding, s", "both / lmf-sr"],
        [
            [
                f"{row['size'][1]} x {row['size'][0]}",
                f"{row['scale']:.1f}",
                f"{row['shown_s']:.1f}",
                f"{row['saved_s']:.1f}",
                f"{row['ours_s']:.2f}",
                f"{row['ours_encode_s']:.2f}",
                f"{(row['shown_s'] + row['saved_s']) / row['ours_s']:.1f}",
            ]
            for row in record["by_itself"]
        ],
    )
    parts = [
        "# Pictures in a browser without a GPU",
        about,
        f"A view of {VIEW[0]} x {VIEW[1]} pixels at x9, the fastest of {2 * ROUNDS}; beside it the compiled renderer in "
        f"Python, in turn. Frames are those of {FRAMES} steps of the wheel, median and 95 of 100. The state is of "
        f"{SIZE[1]} x {SIZE[0]} pixels, for a scale below 4.",
        shader_table.markdown(),
        "A page by itself against the exact state, grey levels of 255:",
        exported_table.markdown(),
        f"docs/try with {TRIED}: seconds from opening a picture until a view of {VIEW[0]} x {VIEW[1]} pixels is complete, "
        "and then to save the whole picture at x2. Beside it, lmf-sr from file to file at x2.",
        tried_table.markdown(),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="of lmf-sr (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    models = [shown_model(name, load(name)) for name in MODELS]
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = Path(temporary)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": VIEW[0], "height": VIEW[1] + 52})  # the controls below
        path = photograph(folder, *SIZE)
        record = {
            **begun(command=f"python -m benchmarks.viewing --threads {options.threads}"),
            "threads": options.threads,
            "browser": f"Chromium {browser.version}",
            "shader": list(shader(page, models, path)),
            "states": list(states(models, path)),
            "exported": list(exported(models, path)),
            "by_itself": list(by_itself(page, folder)),
        }
        browser.close()
    write(record, report(record), RESULTS / "viewing")
    sys.stdout.write(report(record))


if __name__ == "__main__":
    main()
