"""The pixels of the GPU kernel against those of the direct path in float64, on the same state and weights.

Each conversion renders, from states of each precision, whole grids from x2 to x8, and with CMSR x8, whose levels stand by
themselves or build on each other (`cmsr/render.py`). States are drawn at random, and vary more than trained ones.

What is promised (`Triton`) is 2e-5 for states in float32 and values of order 1, and for 16 bits 1e-2 of the largest value;
where values are larger than 1, 2e-5 of the largest is allowed, since float32 itself can do no better. The sides of the LR
picture are powers of two, so that the cells of all levels are the same in any precision.
"""

import os
from copy import deepcopy

import torch
from torch import Tensor

from benchmarks.gpu.running import Case, Row, Setup
from lmf_sr import build
from lmf_sr.cmsr.plan import Plan
from lmf_sr.cmsr.render import render_plan
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.geometry import Grid
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.rendering.direct import Direct
from lmf_sr.rendering.renderer import Renderer
from lmf_sr.rendering.scratch import Scratch
from lmf_sr.rendering.triton import Triton
from lmf_sr.rendering.value_range import NORMALISED

DECODERS = ("lm-liif", "lm-lte", "lm-ciaosr")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 1e-2}  # of the largest value; in float32, of 1 at least
FULL, LEVELS, CHAINED = "whole grid", "CMSR, levels by themselves", "CMSR, levels chained"
SCALES = (4.0, 2.0, 2.7, 3.0, 6.0, 8.0)
CMSR_SCALE, DECODE_SCALES = 8.0, (2.0, 4.0)
LR_SIZE, SMALL = (128, 256), (1, 2)


def cases(setup: Setup) -> list[Case]:
    scales = (4.0,) if setup.small else SCALES
    return [
        (decoder, precision, way, scale)
        for way in (FULL, LEVELS, CHAINED)
        for scale in (scales if way == FULL else (CMSR_SCALE,))
        for decoder in DECODERS
        for precision in PRECISIONS
    ]


def measure(setup: Setup, case: Case) -> Row:
    """How far the kernel is off, and how far it may be."""
    if setup.device == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"  # read when the kernel is first imported
    name, precision, way, scale = case
    assert isinstance(scale, float)
    dtype = PRECISIONS[str(precision)]
    decoder, state, intensity, lr = drawn(setup, str(name), dtype)
    grid = Grid.over(*(round(side * scale) for side in lr.shape[2:]))
    plan = plan_of(str(way), intensity, grid)
    with torch.inference_mode():
        exact = LMFState(*(part.double() for part in state))
        expected = rendered(Direct(deepcopy(decoder).double(), lr), plan, exact, intensity, lr.double())
        pixels = rendered(Triton(decoder, lr), plan, state, intensity, lr)
    largest = expected.abs().max().item()
    bound = TOLERANCE[dtype] * (max(1.0, largest) if dtype == torch.float32 else largest)
    error = (pixels - expected).abs().max().item()
    row: Row = {"size": list(grid.size), "error": error, "bound": bound, "largest": largest}
    if not error <= bound:
        row["wrong"] = f"the kernel is off by {error:.1e}, more than {bound:.1e}"
    return row


def drawn(setup: Setup, name: str, dtype: torch.dtype) -> tuple[Conversion, LMFState, Tensor, Tensor]:
    """A decoder, a state, the intensity of its latents, and an LR image."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    decoder = build("edsr-baseline", {"name": name, **({"depth": 2} if setup.small else {})}).decoder.eval()
    assert isinstance(decoder, Conversion)
    for layer in decoder.render_mlp.linears:
        layer.reset_parameters()
        layer.weight.data *= 1.5
    decoder = decoder.to(setup.device, dtype)
    h, w = SMALL if setup.small else LR_SIZE
    gains = decoder.depth * decoder.width
    code = decoder.code_dim if decoder.kernel_waves else 0
    rows = 0.5 * torch.randn(1, h, w, 2 * gains + code, generator=generator)
    rows[..., :gains] += 1
    intensity = torch.rand(1, h, w, generator=generator)
    cell = torch.full((1, 2), 0.5)  # that of scale 4, which is the smallest
    strengths = torch.zeros(1, h, w, 2, decoder.depth)  # which rendering does not read
    state = LMFState(*(part.to(setup.device, dtype) for part in (rows, strengths, cell)))
    lr = torch.rand(1, 3, h, w, generator=generator) * 2 - 1
    return decoder, state, intensity.to(setup.device), lr.to(setup.device, dtype)


def plan_of(way: str, intensity: Tensor, grid: Grid) -> Plan:
    """A plan for which a third of the LR positions, or so, is of each level. (Of two, one is of each finer level.)"""
    lr_size = intensity.shape[1], intensity.shape[2]
    ordered = intensity.flatten().sort().values
    limits = ordered[len(ordered) // 3].item(), ordered[2 * len(ordered) // 3].item()
    target = grid.size[0] / lr_size[0]
    levels = {scale: limit for scale, limit in zip(DECODE_SCALES, limits, strict=True) if way != FULL}
    table = Scale2Mod.from_limits({target: {**levels, target: 1}}, chained=way == CHAINED)
    return table.plan(grid, lr_size)


def rendered(renderer: Renderer, plan: Plan, state: LMFState, intensity: Tensor, lr: Tensor) -> Tensor:
    """The plan's target, in float32 or, if the state is, in float64."""
    wide = lr.to(torch.promote_types(lr.dtype, torch.float32))
    out = wide.new_empty(len(lr), 3, *plan.target.size)
    scratch = Scratch(wide), Scratch(wide)
    render_plan(plan, state, intensity, lr, renderer, scratch, out, NORMALISED)
    return out
