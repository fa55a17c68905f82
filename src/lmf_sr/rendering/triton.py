"""The Triton renderer, which renders a whole grid of an LMF conversion in one GPU kernel (`triton_kernel.py`).

Along each axis of a regular grid the pixels between the same two latents are neighbours: the axis falls into *runs*, and
the plane into blocks, a run of rows by a run of columns. Long runs are cut so that a block fills one tile of the kernel.
Runs and pixels are described once per row and column, in float64; the descriptions serve the next picture of that size too.
"""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from lmf_sr.decoders.base import Decoder
from lmf_sr.geometry import Grid, relative_cell
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.rendering.pixel_axes import Axis, PixelMask
from lmf_sr.rendering.renderer import RenderChosen
from lmf_sr.rendering.strips import FromStates
from lmf_sr.rendering.value_range import ValueRange

TILES = (16, 32)  # pixels of a block, padded
STRIP = 4  # blocks that a warp renders one after the other, with the weights in its registers
LAUNCH = {"num_warps": 1, "num_stages": 1}
OLDEST_TRITON = (3, 3)  # the first with tuples


class Triton(FromStates):
    """A whole grid in one GPU kernel (see `Renderer`). Not differentiable.

    The precision is the state's. With float32 latents it equals the direct path within 2e-5. With latents of 16 bits it
    is within 1e-2 of the largest value of what float32 arithmetic makes of the same latents and weights. The pixels have
    the type of `out`.
    """

    name = "triton"

    @staticmethod
    def supports(decoder: Decoder, features: Float[Tensor, "B C h w"]) -> bool:
        return (
            features.device.type == "cuda"
            and torch.cuda.get_device_capability(features.device) >= (8, 0)
            and triton_version() >= OLDEST_TRITON
            and decoder.has_kernel
            and decoder.ensemble
            and next(decoder.parameters()).dtype in (torch.float32, torch.bfloat16, torch.float16)
        )

    @property
    def form(self) -> str:
        return "one fused kernel"

    def render(
        self,
        state: LMFState,
        lr: Float[Tensor, "B 3 h w"],
        grid: Grid,
        out: Float[Tensor, "B 3 H W"],
        values: ValueRange,
    ) -> None:
        launch(self.decoder, state.modulations, state.cell, lr, grid, out, values)

    def render_chosen(self, state: LMFState, lr: Float[Tensor, "B 3 h w"]) -> RenderChosen:
        decoder = self.decoder

        def render(cell: Tensor, chosen: PixelMask, out: Tensor, values: ValueRange) -> None:
            cell = relative_cell(cell, lr.shape[-2:])
            shift = decoder.shift_to(state, cell)
            launch(decoder, state.modulations, cell, lr, chosen.grid, out, values, chosen.pixels(), shift)

        return render


def triton_version() -> tuple[int, ...]:
    """Major and minor version of the installed Triton; (0, 0) where there is none."""
    try:
        return tuple(int(part) for part in version("triton").split(".")[:2])
    except PackageNotFoundError:
        return (0, 0)


def launch(
    decoder: Conversion,
    latents: Float[Tensor, "B h w C"],
    cell: Float[Tensor, "B 2"],
    lr: Float[Tensor, "B 3 h w"],
    grid: Grid,
    out: Float[Tensor, "B 3 H W"],
    values: ValueRange,
    wanted: Bool[Tensor, "B H W"] | None = None,
    shift: Float[Tensor, "B D"] | None = None,
) -> None:
    """Runs the kernel.

    Args:
        decoder: a conversion that `Triton` supports.
        latents: the modulations of a state.
        cell: the relative cell of each image.
        lr: the normalised LR image, for methods with an LR skip.
        grid: the pixels.
        out: takes the pixels; rows lie one after the other.
        values: the range in which they are written.
        wanted: the pixels to write; None for all.
        shift: is added to the first layer's product.
    """
    from lmf_sr.rendering.triton_kernel import render_blocks

    B, h, w, _ = latents.shape
    blocks = blocks_of(grid.rows.numpy().tobytes(), grid.cols.numpy().tobytes(), (h, w), out.device)
    n_rows, n_cols = blocks.row_runs.shape[1], blocks.col_runs.shape[1]
    parameters = [*decoder.render_weights, decoder.render_mlp.linears[-1].bias]
    with torch.cuda.device_of(out):
        render_blocks[(B * n_rows * ceil(n_cols / STRIP),)](
            out,
            latents.contiguous(),
            lr.contiguous(),
            torch.cat([x.flatten() for x in parameters]),
            decoder.phases(cell),
            shift,
            wanted,
            blocks.row_runs,
            blocks.row_pixels,
            blocks.col_runs,
            blocks.col_pixels,
            n_rows,
            n_cols,
            h,
            w,
            *out.shape[2:],
            *out.stride()[:2],
            *values,
            L=decoder.depth,
            WAVES=bool(decoder.kernel_waves),
            SKIP=decoder.lr_skip,
            SPLIT=latents.dtype == torch.float32,
            TILE=blocks.tile,
            STRIP=STRIP,
            **LAUNCH,
        )


class Blocks(NamedTuple):
    """A grid as the kernel sees it."""

    row_runs: Int[Tensor, "4 R"]
    row_pixels: Float[Tensor, "6 H"]
    col_runs: Int[Tensor, "4 C"]
    col_pixels: Float[Tensor, "6 W"]
    tile: int


@lru_cache(maxsize=256)  # with CMSR a picture has a grid for each level of each band
def blocks_of(rows: bytes, cols: bytes, lr_size: tuple[int, int], device: torch.device) -> Blocks:
    """The blocks of a grid, whose rows and columns are given as the bytes of their float64 coordinates."""
    axes = [
        Axis(torch.frombuffer(bytearray(p), dtype=torch.float64), n) for p, n in zip((rows, cols), lr_size, strict=True)
    ]
    tile, *most = block_shape(*[longest_run(axis.corners.at) for axis in axes])
    row_runs, col_runs = [runs(axis.corners.at, n).to(device) for axis, n in zip(axes, most, strict=True)]
    row_pixels, col_pixels = [pixel_table(axis).to(device) for axis in axes]
    return Blocks(row_runs, row_pixels, col_runs, col_pixels, tile)


def block_shape(tall: int, wide: int) -> tuple[int, int, int]:
    """The tile, and the rows and columns of a block, that cut the `tall` x `wide` pixels between four latents with the least
    padding."""

    def padded(shape: tuple[int, int, int]) -> int:
        tile, rows, cols = shape
        return ceil(tall / rows) * ceil(wide / cols) * tile

    shapes = [(tile, tile // cols, cols) for tile in TILES for cols in range(1, min(wide, tile) + 1)]
    return min(shapes, key=lambda shape: (padded(shape), -shape[0], -shape[2]))


def longest_run(at: Int[Tensor, "n 2"]) -> int:
    """The most pixels between two latents; where all pixels lie beyond the border, the longest run."""
    # The two latents are one, or neighbours. Their sum tells which, and changes of it are found faster than of the pair.
    sums, lengths = torch.unique_consecutive(at.sum(-1), return_counts=True)
    inner = lengths[sums % 2 == 1]
    return int((inner if len(inner) else lengths).max())


def runs(at: Int[Tensor, "n 2"], most: int) -> Int[Tensor, "4 R"]:
    """The runs of an axis, cut to `most` pixels, as rows of first pixel, last + 1, low latent, high latent."""
    pixel = torch.arange(len(at))
    changes = torch.cat([torch.tensor([True]), (at[1:] != at[:-1]).any(-1)])
    origin = (pixel * changes).cummax(0).values  # first pixel of each pixel's run
    start = pixel[(pixel - origin) % most == 0]
    stop = torch.cat([start[1:], torch.tensor([len(at)])])
    return torch.stack([start, stop, *at[start].T]).int()


def pixel_table(axis: Axis) -> Float[Tensor, "6 n"]:
    """Rel and weight of both corners, and the place in the LR image, of each pixel along one axis."""
    rel, weight = axis.corners.rel.T, axis.corners.weight.T
    return torch.stack([*rel, *weight, axis.lr.low, axis.lr.share]).float()
