"""Milliseconds of prepare, render and decode, at x2 to x8 of 180 x 320, and of encoding.

    prepare     the latent MLP: features -> state
    render      state -> pixels, by the renderer that is chosen here, on a GPU the fused kernel
    decode      both, one after the other
    wall        a decode as a caller sees it, Python included
    direct      the direct path: state -> pixels
    encode      the encoder: LR picture -> features

Weights and features are random: times do not depend on them.

*Roofline.* The floor of a render is the largest of three times: the bytes that must move (each latent and LR pixel read
once, each output value written once) at the rate of a large copy, its products at the rate of a large float16 matrix
product, and its other operations on hidden values at the float32 rate. `triton_kernel.py` explains the counts. The floor of
`prepare` and of `encode` is that of their multiply-adds. All rates are measured on the same device.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.gpu.measuring import milliseconds, peak_bytes, tf32, wall_milliseconds
from benchmarks.gpu.running import Case, Row, Setup
from lmf_sr import build
from lmf_sr.geometry import Grid, clip_cell
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.profiling import count_encoder_macs, decoder_macs
from lmf_sr.rendering import triton
from lmf_sr.rendering.choice import AUTO, choose
from lmf_sr.rendering.direct import Direct
from lmf_sr.rendering.renderer import Renderer
from lmf_sr.rendering.scratch import Scratch
from lmf_sr.rendering.value_range import NORMALISED

LR_SIZE, SMALL = (180, 320), (18, 32)
DECODERS = ("lm-liif", "lm-lte", "lm-ciaosr")
ENCODERS = ("edsr-baseline", "rlfn", "edsr-tiny")
SCALES = (4.0, 2.0, 8.0, 3.0, 6.0)
TARGET_SIZE, TARGET_MS = (720, 1280), 1.0


class Precision(NamedTuple):
    """`rate` is the ceiling that its matrix products are held against."""

    dtype: torch.dtype
    tf32: bool
    rate: str


PRECISIONS = {
    "float32": Precision(torch.float32, False, "float32"),
    "bfloat16": Precision(torch.bfloat16, False, "bfloat16"),
    "float32, products in TF32": Precision(torch.float32, True, "tf32"),
}


class Work(NamedTuple):
    """The least work that rendering a state takes."""

    bytes: float
    products: float  # FLOPs of the products, as often as the kernel takes them
    others: float  # operations on hidden values

    def floors_ms(self, rates: dict[str, float]) -> dict[str, float]:
        return {
            "memory": 1e3 * self.bytes / rates["copy"],
            "products": 1e3 * self.products / rates["float16"],
            "others": 1e3 * self.others / (rates["float32"] / 2),  # a multiply-add is one operation there
        }


class Setting(NamedTuple):
    """A decoder at one precision and output size, with all that is needed to run it."""

    decoder: Conversion
    precision: Precision
    features: Tensor
    cell: Tensor
    lr: Tensor
    grid: Grid

    @property
    def renderer(self) -> Renderer:
        return choose(AUTO, self.decoder, self.features)

    def prepare(self) -> LMFState:
        with tf32(self.precision.tf32):
            lr_size = self.lr.shape[2], self.lr.shape[3]
            return self.renderer.prepare(self.features, self.cell, lr_size, Scratch(self.lr))

    def render(self, state: LMFState, renderer: Renderer | None = None) -> Tensor:
        out = self.lr.new_empty(len(self.lr), 3, *self.grid.size)
        (renderer or self.renderer).render(state, self.lr, self.grid, out, NORMALISED)
        return out

    def decode(self) -> Tensor:
        return self.render(self.prepare())

    def work(self, state: LMFState) -> Work:
        decoder, lr = self.decoder, self.lr
        pixels = self.grid.size[0] * self.grid.size[1] * lr.shape[0]
        D, L, split = decoder.width, decoder.depth, state.modulations.dtype == torch.float32
        moved = state.modulations.nbytes + lr.nbytes * decoder.lr_skip + 3 * pixels * lr.element_size()
        products = 2 * 4 * pixels * (L if decoder.kernel_waves else L - 1) * D * D * (3 if split else 1)
        others = 4 * pixels * D * (L * (5 if split else 2.5) + (16 if decoder.kernel_waves else 2))
        return Work(moved, products, others)


def cases(setup: Setup) -> list[Case]:
    precisions = ["float32"] if setup.device == "cpu" else list(PRECISIONS)
    scales = SCALES[:2] if setup.small else SCALES
    return [(name, precision, scale) for scale in scales for name in DECODERS for precision in precisions]


@torch.inference_mode()
def measure(setup: Setup, case: Case) -> Row:
    """The times of one decoder, precision and scale."""
    name, precision, scale = case
    assert isinstance(name, str)
    assert isinstance(scale, float)
    s = setting(setup, name, PRECISIONS[str(precision)], scale)
    state, reference = s.prepare(), Direct(s.decoder, s.features)
    return {
        "size": list(s.grid.size),
        "renderer": s.renderer.name,
        "prepare_ms": milliseconds(s.prepare, setup),
        "render_ms": milliseconds(lambda: s.render(state), setup),
        "decode_ms": milliseconds(s.decode, setup),
        "wall_ms": wall_milliseconds(s.decode, setup),
        "direct_ms": milliseconds(lambda: s.render(state, reference), setup, repeats=2),
        "work": s.work(state)._asdict(),
        "prepare_flops": prepare_flops(name, s.lr.shape[2], s.lr.shape[3]),
        "rate": s.precision.rate,
        "peak_bytes": peak_bytes(s.decode, setup),
    }


def setting(setup: Setup, name: str, precision: Precision, scale: float) -> Setting:
    """The setting of a decoder with random weights."""
    h, w = SMALL if setup.small else LR_SIZE
    torch.manual_seed(0)
    model = build(decoder=name).to(setup.device).eval()
    features = torch.randn(1, model.encoder.out_dim, h, w, device=setup.device)
    lr = torch.rand(1, 3, h, w, device=setup.device) * 2 - 1
    grid = Grid.over(round(h * scale), round(w * scale))
    cell = clip_cell(torch.tensor(grid.cell, device=setup.device).expand(1, 1, 2), (h, w))
    features, cell, lr = (x.to(precision.dtype) for x in (features, cell, lr))
    decoder = model.decoder.to(precision.dtype)
    assert isinstance(decoder, Conversion)
    return Setting(decoder, precision, features, cell, lr, grid)


@lru_cache
def prepare_flops(name: str, h: int, w: int) -> int:
    """The operations of `prepare`, a multiply-add being two."""
    return 2 * decoder_macs(build(decoder=name).eval(), (h, w), plain=False).once


def encodings(setup: Setup) -> list[Case]:
    precisions = ["float32"] if setup.device == "cpu" else list(PRECISIONS)
    return [(name, precision) for name in ENCODERS for precision in precisions]


@torch.inference_mode()
def measure_encoding(setup: Setup, case: Case) -> Row:
    """The time of one encoder at one precision; in 16 bits with the channels of a position side by side."""
    name, precision = str(case[0]), PRECISIONS[str(case[1])]
    size = SMALL if setup.small else LR_SIZE
    model = build(name).to(setup.device).eval()
    flops = 2 * count_encoder_macs(model, size)
    lr = (torch.rand(1, 3, *size, device=setup.device) * 2 - 1).to(precision.dtype)
    model = model.to(precision.dtype)
    if precision.dtype != torch.float32:
        model.encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        lr = lr.to(memory_format=torch.channels_last)

    def encode() -> Tensor:
        with tf32(precision.tf32):
            return model.features(lr)

    return {
        "encode_ms": milliseconds(encode, setup),
        "wall_ms": wall_milliseconds(encode, setup),
        "flops": flops,
        "rate": precision.rate,
        "peak_bytes": peak_bytes(encode, setup),
    }


TILES, STRIPS, REGISTERS = (16, 32), (2, 4, 8, 16), (None, 128, 168)


def choices(setup: Setup) -> list[Case]:
    return [(name, "float32", 8.0) for name in DECODERS]


@torch.inference_mode()
def measure_choices(setup: Setup, case: Case) -> Row:
    """The time of a render for each of the kernel's own choices, fastest first."""
    name, precision, scale = case
    assert isinstance(scale, float)
    s = setting(setup, str(name), PRECISIONS[str(precision)], scale)
    state = s.prepare()
    found: list[dict[str, Any]] = []
    for tile, strip, registers in product(TILES, STRIPS, REGISTERS):
        with chosen((tile,), strip, registers):
            ms = milliseconds(lambda: s.render(state), setup, repeats=10)
        found.append({"tile": tile, "strip": strip, "registers": registers, "render_ms": ms})
    return {"choices": sorted(found, key=lambda entry: entry["render_ms"])}


@contextmanager
def chosen(tiles: tuple[int, ...], strip: int, registers: int | None) -> Iterator[None]:
    """The kernel's own choices, for a while."""
    before = triton.TILES, triton.STRIP, triton.LAUNCH
    triton.TILES, triton.STRIP = tiles, strip
    triton.LAUNCH = {**triton.LAUNCH, "maxnreg": registers} if registers else triton.LAUNCH
    triton.blocks_of.cache_clear()
    try:
        yield
    finally:
        triton.TILES, triton.STRIP, triton.LAUNCH = before
        triton.blocks_of.cache_clear()
