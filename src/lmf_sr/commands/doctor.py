"""`lmf-sr doctor`: which encoder and renderer paths run on this machine, and why."""

import argparse
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version

import torch

from lmf_sr.building import build, choices
from lmf_sr.encoders import cpu
from lmf_sr.kernels import compilation
from lmf_sr.kernels.bindings import compiled_from, why_not_compiled
from lmf_sr.rendering.triton import triton_version

EPILOG = """\
The encoder's lines say whether `upscale` encodes with the compiled kernels or with PyTorch, the decoder's lines which
renderer draws the pixels. Models whose options differ from the defaults may take another path.

A wheel for x86-64 Linux brings compiled kernels. Elsewhere a C compiler is needed once: install one, or name it by CC.

examples:
  lmf-sr doctor                           what runs here
  CC=clang lmf-sr doctor                  with another compiler
  OMP_NUM_THREADS=4 lmf-sr doctor         with four threads
"""


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="lmf-sr doctor",
        description=__doc__.partition(": ")[2].capitalize() if __doc__ else None,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    for name, lines in (("software", software()), ("devices", devices()), ("kernels", kernels())):
        print_section(name, lines)
    print_section("encoders", ((name, encoder_path(name)) for name in choices("encoder")))
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        print_section(f"renderers on {device}", ((name, renderer_path(name, device)) for name in choices("decoder")))


def print_section(name: str, lines: Iterator[tuple[str, str]]) -> None:
    """Prints a heading, and its lines as they come."""
    print(name)
    for label, value in lines:
        print(f"  {label:15} {value}", flush=True)


def software() -> Iterator[tuple[str, str]]:
    """Versions that the paths depend on."""
    yield "lmf-sr", version("lmf-sr")
    yield "Python", platform.python_version()
    yield "PyTorch", torch.__version__
    yield "oneDNN", "available" if torch.backends.mkldnn.is_available() else "not available: linear layers take MKL"
    triton = triton_version()
    yield "Triton", ".".join(map(str, triton)) if any(triton) else "not installed"


def devices() -> Iterator[tuple[str, str]]:
    """The CPU, its threads, and the GPUs."""
    yield "CPU", f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"
    if not torch.cuda.is_available():
        yield "GPU", "none that PyTorch can use"
    for i in range(torch.cuda.device_count()):
        yield f"GPU {i}", torch.cuda.get_device_name(i)


def kernels() -> Iterator[tuple[str, str]]:
    """The state of the compiled kernels: where they come from, or why there are none."""
    if reason := why_not_compiled():
        yield "compiled", f"no: {reason}"
        return
    path = compiled_from()
    came_with_wheel = path.parent == compilation.BUILT
    yield "compiled", "yes, with the wheel" if came_with_wheel else "yes, for this CPU"
    yield "compiler", "none needed" if came_with_wheel else " ".join(compilation.compiler_command())
    yield "library", str(path)


def encoder_path(name: str) -> str:
    """The path by which an encoder with its default options encodes in float32 on the CPU."""
    if not cpu.covers(build(name, "liif").encoder):
        return f"PyTorch: compiled are EDSR of up to {cpu.WIDEST} channels and RLFN without ESA"
    return f"PyTorch: {reason}" if (reason := why_not_compiled()) else "compiled"


def renderer_path(name: str, device: str) -> str:
    """The renderer that draws for a decoder with its default options in float32."""
    image = build("rlfn", name).to(device).encode(torch.zeros(3, 6, 6))
    renderer = image.renderer()
    return f"{renderer.name}: {renderer.form}"
