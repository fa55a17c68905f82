"""The compiled renderer: the whole render MLP on a grid of pixels in one pass (`kernels/render.c`)."""

import ctypes
from ctypes import Structure, c_int64, c_void_p

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.geometry import Corners
from lmf_sr.lmf.conversion import Conversion, LinearFirst
from lmf_sr.lmf.lm_lte import LMLTE
from lmf_sr.rendering.axes import Axis, Between, Chosen, Stretches
from lmf_sr.rendering.library import library

WIDTH = 16  # of the render MLP: the kernel's vectors
NEGLIGIBLE = 1e-9  # weight in the ensemble: a pixel centred on a latent has no other


class _Taps(Structure):
    _fields_ = [("first", c_void_p), ("latent", c_void_p), ("rel", c_void_p), ("weight", c_void_p)]


class _Between(Structure):
    _fields_ = [("low", c_void_p), ("high", c_void_p), ("share_of_high", c_void_p)]


class _Stretches(Structure):
    _fields_ = [*((name, c_void_p) for name in ("line", "first", "begin", "end")), ("lines", c_int64)]


class _Job(Structure):
    _fields_ = [
        ("latents", c_void_p),
        *((name, c_int64) for name in ("image_size", "line_size", "latent_size")),
        *((name, c_void_p) for name in ("first", "hidden", "last", "phases")),
        ("depth", c_int64),
        ("rows", _Taps),
        ("cols", _Taps),
        ("pixels", _Stretches),
        ("height", c_int64),
        ("lr", c_void_p),
        *((name, c_int64) for name in ("lr_image_size", "lr_channel_size", "lr_line_size")),
        ("lr_rows", _Between),
        ("lr_cols", _Between),
        ("out", c_void_p),
        *((name, c_int64) for name in ("out_image_size", "out_channel_size", "out_line_size")),
        ("images", c_int64),
        ("threads", c_int64),
    ]


def supports(decoder: Conversion, dtype: torch.dtype) -> bool:
    """Whether `kernels/render.c` covers this decoder's render MLP, given a compiler."""
    waves = isinstance(decoder, LMLTE) and decoder.code_dim == 2 * WIDTH
    return decoder.width == WIDTH and dtype == torch.float32 and (waves or isinstance(decoder, LinearFirst))


def render_lines(
    decoder: Conversion,
    latents: Float[Tensor, "B n m C"],
    cell: Float[Tensor, "B 2"],
    lr: Float[Tensor, "B 3 h w"],
    rows: Axis,
    cols: Axis,
    out: Float[Tensor, "B 3 H W"],
    chosen: Chosen | None = None,
) -> None:
    """Renders pixels into `out`.

    Args:
        decoder: a conversion that the kernel `supports`.
        latents: rows of a state for a window of the image, from which the axes count; each row contiguous.
        cell: the relative cell.
        lr: the whole LR image, for methods with an LR skip.
        rows, cols: the axes of the pixels.
        out: where to; contiguous along a row.
        chosen: which of the pixels, the others being left as they are; all, if not given.

    Raises:
        Unavailable: if there is no compiled library.
    """
    held: list[Tensor] = []  # what C points into lives until the call is over

    def pointer(values: Tensor, dtype: torch.dtype = torch.float32) -> int:
        held.append(values.to(dtype).contiguous())
        return held[-1].data_ptr()

    def taps(corners: Corners) -> _Taps:
        weight = corners.weight.clone()
        once = corners.at[:, 0] == corners.at[:, 1]
        weight[once] = weight.new_tensor([1.0, 0.0])
        needed = weight > NEGLIGIBLE
        first = torch.cat([torch.zeros(1, dtype=torch.long), needed.sum(-1).cumsum(0)])
        at, rel = pointer(corners.at[needed], torch.int32), pointer(corners.rel[needed])
        return _Taps(pointer(first, torch.int32), at, rel, pointer(weight[needed]))

    def between(lr: Between) -> _Between:
        return _Between(pointer(lr.low, torch.int32), pointer(lr.high, torch.int32), pointer(lr.share))

    def stretches(some: Stretches) -> _Stretches:
        pointers = (pointer(x, torch.int32) for x in (some.line, some.first, some.begin, some.end))
        return _Stretches(*pointers, some.lines)

    latents = latents if latents.stride(-1) == 1 else latents.contiguous()
    lr = lr if lr.stride(-1) == 1 else lr.contiguous()
    first, *hidden, last = decoder.render_weights
    bias = decoder.render_mlp.linears[-1].bias
    phase = decoder.render_phase(cell) if isinstance(decoder, LMLTE) else None
    columns = torch.zeros(WIDTH + 1, WIDTH)
    columns[:, :3] = torch.cat([last.T, bias[None]])
    job = _Job(
        latents.data_ptr(),
        *latents.stride()[:3],
        pointer(first.T),
        pointer(torch.cat([W.T for W in hidden])) if hidden else None,
        pointer(columns),
        pointer(torch.cat([phase, phase - 0.5], dim=-1)) if phase is not None else None,
        decoder.depth,
        taps(rows.corners),
        taps(cols.corners),
        stretches(Stretches.all(*out.shape[2:]) if chosen is None else chosen.stretches()),
        out.shape[2],
        lr.data_ptr() if decoder.lr_skip else None,
        *lr.stride()[:3],
        between(rows.lr),
        between(cols.lr),
        out.data_ptr(),
        *out.stride()[:3],
        out.shape[0],
        torch.get_num_threads(),
    )
    library().lmf_render(ctypes.byref(job))
