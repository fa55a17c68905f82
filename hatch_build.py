"""Builds the compiled kernels into the wheel, in both variants for x86-64 Linux (`src/lmf_sr/kernels/compilation.py`).

On other systems, and where there is no C compiler, the wheel holds the C sources alone and suits any system: the kernels are
compiled when they are first used, or PyTorch does their work.
"""

import importlib.util
import sysconfig
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLATFORM = "linux-x86_64"


class KernelsHook(BuildHookInterface):
    """Adds `lmf_sr/kernels/built/*.so` and the platform's tag to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or sysconfig.get_platform() != PLATFORM:
            return
        compilation = load_compilation(Path(self.root))
        self.folder = tempfile.TemporaryDirectory()
        try:
            variants = compilation.compile_variants(Path(self.folder.name))
        except compilation.Unavailable as reason:
            self.app.display_warning(f"the wheel is built without compiled kernels: {reason}")
            return
        build_data["force_include"].update({str(path): f"lmf_sr/kernels/built/{path.name}" for path in variants})
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{PLATFORM.replace('-', '_')}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


def load_compilation(root: Path) -> ModuleType:
    """The package's module that compiles, which imports nothing that a build lacks."""
    spec = importlib.util.spec_from_file_location("compilation", root / "src/lmf_sr/kernels/compilation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
