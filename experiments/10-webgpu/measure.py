"""The viewer's shader by WebGL2 and by WebGPU, in one page of Chromium: `python experiments/10-webgpu/measure.py`.

Prints the table of README.md. On a machine with a GPU, `--gpu` takes it in the place of SwiftShader.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from lmf_sr.checkpoints import load
from lmf_sr.viewer.page import ASSETS
from lmf_sr.viewer.textures import render_mlp

MODEL = "edsr-tiny-lm-liif"
SCRIPTS = (ASSETS / "shaders.js", ASSETS / "painting.js", ASSETS / "sources.js", Path(__file__).with_name("both.js"))
SOFTWARE = ("--use-webgpu-adapter=swiftshader", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
ROUNDS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", action="store_true", help="this machine's GPU")
    flags = ["--no-sandbox", "--enable-unsafe-webgpu", *(() if parser.parse_args().gpu else SOFTWARE)]
    mlp = json.dumps(render_mlp(load(MODEL).decoder))
    scripts = "\n".join([f"const mlp = {mlp};", *(script.read_text(encoding="utf-8") for script in SCRIPTS)])
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder, "both.html")
        path.write_text(f"<script>{scripts}</script>", encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page()
        page.goto(path.as_uri())
        measured = page.evaluate(f"compare({ROUNDS})")
        print(f"Chromium {browser.version}, WebGPU adapter {measured['adapter']}\n")
        browser.close()
    fastest = measured["found"][0]["ms"]
    print("| | ms | of WebGL2's | largest difference |\n| --- | ---: | ---: | ---: |")
    for row in measured["found"]:
        print(f"| {row['way']} | {row['ms']:.0f} | {row['ms'] / fastest:.2f} | {row['difference']} |")


if __name__ == "__main__":
    main()
