"""The Triton renderer: the direct path's pixels, from one kernel. Run on a GPU where there is one, else interpreted.

(Triton's interpreter executes the kernel operation by operation; it takes 0.1 s per block, so the images are tiny.)
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lmf_sr
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.geometry import Grid, axis_corners
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.lmf.lm_ciaosr import LMCiaoSR
from lmf_sr.lmf.lm_liif import LMLIIF
from lmf_sr.lmf.lm_lte import LMLTE
from lmf_sr.rendering import triton
from lmf_sr.rendering.direct import Direct
from lmf_sr.rendering.pixel_axes import PixelMask
from lmf_sr.rendering.renderer import Renderer
from lmf_sr.rendering.triton import Triton
from lmf_sr.rendering.value_range import NORMALISED, ValueRange

CONVERSIONS: list[type[Conversion]] = [LMLIIF, LMLTE, LMCiaoSR]
WHOLE = (0.0, 0.0, 1.0, 1.0)
EXACT, HALF = 2e-5, 1e-2  # what `Triton` promises for latents of 32 and of 16 bits

needs_triton = pytest.mark.skipif(
    triton.triton_version() < triton.OLDEST_TRITON, reason="SKIPPED FOR LACK OF TRITON: pip install 'lmf-sr[gpu]'"
)


@pytest.fixture(scope="module")
def device() -> Iterator[torch.device]:
    if torch.cuda.is_available():
        yield torch.device("cuda")
    else:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("TRITON_INTERPRET", "1")  # read when the kernel is first imported
            yield torch.device("cpu")


def drawn(
    conversion: type[Conversion], size: tuple[int, int, int], device: torch.device, depth: int = 2
) -> tuple[Conversion, LMFState, torch.Tensor]:
    """A decoder, a state for (batch, height, width) latents and an LR image; hidden values of order 1, a few of 10."""
    torch.manual_seed(0)
    decoder = conversion(8, depth=depth).to(device)
    for layer in decoder.render_mlp.linears:
        layer.reset_parameters()
        layer.weight.data *= 2
    code = decoder.code_dim if conversion is LMLTE else 0
    rows = torch.randn(*size, 2 * depth * decoder.width + code, device=device)
    rows[..., : depth * decoder.width] += 1
    state = LMFState(rows, rows[..., None, :depth], torch.rand(size[0], 2, device=device))
    return decoder, state, torch.rand(size[0], 3, *size[1:], device=device) * 2 - 1


def whole(renderer: Renderer, state: LMFState, lr: torch.Tensor, grid: Grid) -> torch.Tensor:
    out = lr.new_empty(len(lr), 3, *grid.size)
    renderer.render(state, lr, grid, out, NORMALISED)
    return out


def difference(decoder: Conversion, state: LMFState, lr: torch.Tensor, grid: Grid) -> float:
    with torch.inference_mode():
        pixels, expected = (whole(renderer(decoder, lr), state, lr, grid) for renderer in (Triton, Direct))
    assert pixels.shape == expected.shape
    assert expected.std() > 0.1
    return (pixels - expected).abs().max().item()


GRIDS = {
    "x1": ((2, 3), (2, 3), WHOLE),
    "x1.01": ((2, 3), (2, 4), WHOLE),
    "x3, pixels centred on latents": ((3, 2), (9, 6), WHOLE),
    "x7.3 x 2.2": ((2, 3), (15, 7), WHOLE),
    "x30": ((2, 2), (3, 60), (0.5, 0.0, 0.05, 1.0)),
    "fewer pixels than latents": ((9, 7), (3, 2), WHOLE),
    "one pixel wide": ((4, 1), (11, 1), WHOLE),
    "one LR pixel": ((1, 1), (5, 5), WHOLE),
    "a region over the border": ((2, 2), (9, 8), (-0.4, 0.3, 1.1, 1.5)),
    "a region beyond the border": ((2, 2), (5, 7), (-2.0, 1.5, 0.5, 0.5)),
}


@needs_triton
@pytest.mark.parametrize("case", GRIDS)
def test_equals_the_direct_path_on_any_grid(case: str, device: torch.device) -> None:
    lr_size, size, region = GRIDS[case]
    decoder, state, lr = drawn(LMCiaoSR, (1, *lr_size), device)
    assert difference(decoder, state, lr, Grid.over(*size, region)) < EXACT


@needs_triton
@pytest.mark.parametrize("conversion", CONVERSIONS)
def test_equals_the_direct_path_for_each_conversion(conversion: type[Conversion], device: torch.device) -> None:
    decoder, state, lr = drawn(conversion, (2, 1, 2), device, depth=8)
    assert difference(decoder, state, lr, Grid.over(3, 7)) < EXACT


@needs_triton
@pytest.mark.parametrize("conversion", CONVERSIONS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_latents(conversion: type[Conversion], dtype: torch.dtype, device: torch.device) -> None:
    """Against the direct path in float32 on the same 16-bit values: what is left is the kernel's own arithmetic."""
    decoder, state, lr = drawn(conversion, (1, 2, 1), device, depth=6)
    grid = Grid.over(8, 3)
    halved = LMFState(*(x.to(dtype) for x in state))
    with torch.inference_mode():
        pixels = whole(Triton(decoder.to(dtype), lr), halved, lr, grid)
        expected = whole(Direct(decoder.float(), lr), LMFState(*(x.float() for x in halved)), lr, grid)
    assert pixels.dtype == lr.dtype
    assert (pixels - expected).abs().max() < HALF * expected.abs().max()


@needs_triton
@pytest.mark.parametrize("conversion", CONVERSIONS)
@pytest.mark.parametrize(("values", "around"), [(NORMALISED, True), (ValueRange(0.5, 0.5, 0.3, 0.6), False)])
def test_chosen_pixels_alone(
    conversion: type[Conversion], values: ValueRange, around: bool, device: torch.device
) -> None:
    """CMSR asks for them so: with another cell than the state's, within a larger tensor, the others left as they are."""
    decoder, state, lr = drawn(conversion, (2, 2, 5), device)
    cell = torch.tensor([[0.2, 0.3], [0.1, 0.25]], device=device)
    some = torch.zeros(2, 2, 5, dtype=torch.bool, device=device)
    some[0, 1, 1:3] = some[1, 0, 4] = True
    expected, out = torch.full((2, 2, 3, 7, 20), torch.nan, device=device)
    with torch.inference_mode():
        for renderer, to in ((Direct, expected), (Triton, out)):
            renderer(decoder, lr).render_chosen(state, lr)(
                cell, PixelMask(some, Grid.over(5, 20), around), to[:, :, 1:-1], values
            )
    torch.testing.assert_close(out, expected, atol=EXACT, rtol=0, equal_nan=True)
    assert out.isnan().any()
    assert not out.isnan().all()


@needs_triton
@pytest.mark.parametrize("chained", [True, False])
def test_cmsr(chained: bool, device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole picture, in levels."""
    torch.manual_seed(0)
    model = lmf_sr.build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "lm-liif").eval().to(device)
    image = model.encode(torch.rand(3, 3, 4, device=device))
    limits = image.intensity(18, 24).flatten().sort().values[[4, 8]].tolist()
    table = Scale2Mod.from_limits({6: {2: limits[0], 4: limits[1], 6: 1}}, chained=chained).bound_to(model)
    expected = image.render(18, 24, cmsr=table, renderer="direct")
    monkeypatch.setattr(Triton, "supports", lambda decoder, features: True)
    assert isinstance(image.renderer("triton"), Triton)
    found = image.render(18, 24, cmsr=table, renderer="triton")
    torch.testing.assert_close(found, expected, atol=EXACT, rtol=0)


@needs_triton
@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")  # from the interpreter's numpy
def test_values_beyond_float16_are_nan_not_wrong(device: torch.device) -> None:
    decoder, state, lr = drawn(LMLIIF, (1, 1, 1), device)
    state.modulations[..., 32:64] = 1e6  # offsets
    with torch.inference_mode():
        assert whole(Triton(decoder, lr), state, lr, Grid.over(2, 2)).isnan().all()


@needs_triton
def test_compiles_without_a_gpu() -> None:
    """The interpreter lets pass what the compiler refuses. For the H100, without spilling registers to memory."""
    program = """
import subprocess
import tempfile
from pathlib import Path
import triton
from triton.backends import nvidia
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from lmf_sr.rendering.triton_kernel import render_blocks as kernel

cuobjdump = Path(nvidia.__file__).parent / "bin" / "cuobjdump"
for waves, dtype, cmsr in ((False, "fp32", False), (False, "fp32", True), (True, "fp32", True), (True, "bf16", False)):
    constants = dict(L=8, WAVES=waves, SKIP=True, SPLIT=dtype == "fp32", TILE=16, STRIP=4)
    constants |= {"shift": None} if waves else {"phase": None}
    constants |= {} if cmsr else {"shift": None, "wanted": None}
    types = dict.fromkeys(("out", "latents", "lr", "weights", "phase", "shift"), "*" + dtype) | {"wanted": "*i1"}
    types |= {"row_runs": "*i32", "col_runs": "*i32", "row_pixels": "*fp32", "col_pixels": "*fp32"}
    types |= dict.fromkeys(("gain", "offset", "low", "high"), "fp32")
    signature = {name: "constexpr" if name in constants else types.get(name, "i32") for name in kernel.arg_names}
    source = ASTSource(kernel, signature, constexprs=constants)
    compiled = triton.compile(source, GPUTarget("cuda", 90, 32), {"num_warps": 1, "num_stages": 1})
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        Path(file.name).write_bytes(compiled.asm["cubin"])
        used = subprocess.run([cuobjdump, "-res-usage", file.name], check=True, capture_output=True, text=True).stdout
    assert "STACK:0 " in used and "LOCAL:0 " in used, (waves, dtype, cmsr, used)
"""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment, timeout=600)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 300), st.floats(-0.5, 0.5), st.floats(0.01, 2), st.integers(1, 32))
def test_runs_part_an_axis(latents: int, pixels: int, start: float, extent: float, most: int) -> None:
    """Every pixel is in one run, of at most so many, with its own two latents."""
    at = axis_corners(Grid.over(pixels, 1, (start, 0.0, extent, 1.0)).rows, latents).at
    first, stop, low, high = triton.runs(at, most)
    lengths = stop - first
    assert all(1 <= n <= most for n in lengths.tolist())
    of_pixel = torch.repeat_interleave(torch.stack([low, high], dim=-1), lengths, dim=0)
    torch.testing.assert_close(of_pixel.long(), at)


@settings(deadline=None)
@given(st.integers(1, 64), st.integers(1, 64))
def test_blocks_fit_their_tile(tall: int, wide: int) -> None:
    tile, rows, cols = triton.block_shape(tall, wide)
    assert 1 <= rows * cols <= tile
    assert tile in triton.TILES


def test_the_usual_scales_waste_nothing() -> None:
    for scale in (4, 8, 12, 16):
        tile, rows, cols = triton.block_shape(scale, scale)
        assert rows * cols == tile
        assert scale % rows == scale % cols == 0


def test_supports_only_what_it_can_do() -> None:
    assert not Triton.supports(LMLIIF(8), torch.zeros(1, 8, 2, 2))
    if torch.cuda.is_available() and triton.triton_version() >= triton.OLDEST_TRITON:
        features = torch.zeros(1, 8, 2, 2, device="cuda")
        assert all(Triton.supports(conversion(8), features) for conversion in CONVERSIONS)
        assert not Triton.supports(LMLIIF(8, width=32), features)
        assert not Triton.supports(LMLTE(8, code_dim=16), features)
        assert not Triton.supports(LMLIIF(8).double(), features)
