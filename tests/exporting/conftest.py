"""Pages that use ONNX Runtime's WebAssembly build, which comes by npm and is kept for the session."""

import functools
import http.server
import importlib.util
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import jaxtyping
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def untyped() -> Iterator[None]:
    """Tracing hands functions symbolic numbers, which are not what their annotations say."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture(scope="session")
def trying() -> ModuleType:
    """docs/try/make.py."""
    pytest.importorskip("onnx", reason="SKIPPED: onnx is not installed, pip install -e .[onnx]")
    spec = importlib.util.spec_from_file_location("trying", ROOT / "docs" / "try" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def runtime(trying: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ONNX Runtime's files for a page."""
    from lmf_sr.errors import InputError

    if shutil.which("npm") is None:
        pytest.skip("SKIPPED FOR LACK OF NPM: install node")
    folder = tmp_path_factory.mktemp("runtime")
    try:
        trying.fetch_runtime(folder)
    except InputError as error:
        pytest.skip(f"SKIPPED FOR LACK OF ONNXRUNTIME-WEB: {error}")
    return folder


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address at which `tmp_path` is served."""
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
