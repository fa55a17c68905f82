"""Firefox, driven by its own remote protocol (Marionette): lengths and JSON over a socket, nothing to install beside it."""

import base64
import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")
DISPLAY = shutil.which("xvfb-run")  # a display in memory: Firefox without one has no WebGL
STARTS = 120  # seconds
PREFERENCES = {
    "marionette.port": 0,
    "webgl.force-enabled": True,
    "gfx.color_management.mode": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "browser.shell.checkDefaultBrowser": False,
}


class Firefox:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=300)
        self._stream, self._count = self._socket.makefile("rb"), 0
        self._receive()
        self.ask("NewSession", capabilities={"alwaysMatch": {"timeouts": {"script": 300_000, "pageLoad": 300_000}}})

    def ask(self, command: str, **parameters: Any) -> Any:
        """The answer to a WebDriver command."""
        self._count += 1
        message = json.dumps([0, self._count, f"WebDriver:{command}", parameters]).encode()
        self._socket.sendall(str(len(message)).encode() + b":" + message)
        _, _, error, answer = self._receive()
        if error:
            raise RuntimeError(error["message"])
        return answer.get("value", answer)

    def run(self, script: str) -> Any:
        return self.ask("ExecuteScript", script=script, args=[])

    def shot(self, selector: str) -> np.ndarray:
        """The pixels of an element."""
        (element,) = self.ask("FindElement", using="css selector", value=selector).values()
        content = base64.b64decode(self.ask("TakeScreenshot", id=element, full=False))
        return np.array(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)

    def _receive(self) -> Any:
        length = b""
        while (character := self._stream.read(1)) != b":":
            length += character
        return json.loads(self._stream.read(int(length)))


@contextlib.contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """A Firefox with a profile of its own, until the end of the block."""
    lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))
    command = [DISPLAY, "-a", PROGRAM, "--marionette", "--no-remote", "--profile", str(profile)]
    surroundings = {**os.environ, "HOME": str(profile), "LIBGL_ALWAYS_SOFTWARE": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, env=surroundings, start_new_session=True, **quiet)  # type: ignore[call-overload]
    try:
        port, begin = profile / "MarionetteActivePort", time.monotonic()
        while not (port.exists() and port.read_text().strip()):
            if time.monotonic() - begin > STARTS:
                raise TimeoutError(f"{PROGRAM} does not start within {STARTS} s")
            time.sleep(0.1)
        yield Firefox(int(port.read_text()))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
