"""The compiled functions, called with tensors. This is the only file that knows ctypes.

    convolve    a 3x3 convolution of an encoder             `convolve.c`
    latents     the latent MLP on a window of features      `latents.c`
    render      the render MLP on a grid of pixels          `render.c`
    upsample    bilinear interpolation on a grid            `upsample.c`

Each `_C...` class mirrors a structure of `boundary.h`. When the library is loaded, the size of each structure and the size
and offset of each field are compared with those that the C compiler gave them (`layout.c`).

The functions raise Unavailable where there is no library (`why_not_compiled`), and MemoryError where C finds no memory for
its scratch. They run on `torch.get_num_threads()` threads, and know no gradients.
"""

from __future__ import annotations

import ctypes
from ctypes import Structure, c_char_p, c_double, c_float, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from math import inf
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from lmf_sr.geometry import tie_margin
from lmf_sr.kernels.compilation import Unavailable, library_path

LANES = 16  # floats in a vector; numbers of channels are multiples of it, and it is the render MLP's width
MAX_LAYERS = 2  # of a latent MLP, after its convolution


# Arguments


class GridAxis(NamedTuple):
    """An axis of a grid: pixels at coordinates `at` in [-1, 1], rising, over `latents` latents counted from `first`."""

    at: Float[Tensor, " N"]
    latents: int
    first: int = 0


class GridPixels(NamedTuple):
    """The pixels of a grid to make: all, or those whose nearest latent is `chosen` and, with `around`, their neighbours."""

    rows: GridAxis
    cols: GridAxis
    chosen: Bool[Tensor, "B h w"] | None = None
    around: bool = False


class Written(NamedTuple):
    """The value written for a pixel x: min(max(gain x + offset, low), high)."""

    gain: float = 1.0
    offset: float = 0.0
    low: float = -inf
    high: float = inf


UNCHANGED = Written()


class Layer(NamedTuple):
    """A linear layer, or a convolution in Winograd's form (`winograd.transformed`), with one bias or one for each image."""

    weight: Float[Tensor, "*points i o"]
    bias: Float[Tensor, "*B o"]


@dataclass(frozen=True, kw_only=True)
class LatentMLP:
    """A latent MLP whose last layer makes `[gain, offset, known or code]` (`rendering/cpu_latents.py`).

    waves: the number of amplitudes in `[coef, g] <- coef * cos(pi [g, g - 1/2])` after the convolution; 0 for relu.
    layers: the one or two linear layers after the convolution.
    modulations: the number of gains, which is that of offsets.
    known: whether a row ends with the `known` of `offset_0 += gain_0 * known`.
    hidden: the number of the render MLP's hidden layers.
    bias: the biases of these layers, one after the other.
    """

    convolution: Layer
    waves: int
    layers: list[Layer]
    modulations: int
    known: bool
    hidden: int
    bias: Float[Tensor, " M"]


@dataclass(frozen=True, kw_only=True)
class RenderMLP:
    """A render MLP of `depth` hidden layers. Its matrices are stored by columns.

    first: the first layer, on rel (two columns) or on waves (16).
    hidden: the other hidden layers, one below the other; None if there are none.
    last: the last layer, padded to 16 outputs, followed by its bias.
    """

    first: Float[Tensor, "i 16"]
    hidden: Float[Tensor, "n 16"] | None
    last: Float[Tensor, "17 16"]
    depth: int


# Functions


def convolve(
    x: Float[Tensor, "B h w i"],
    layer: Layer,
    out: Float[Tensor, "B h w o"],
    *,
    slope: float = 1.0,
    residual: Float[Tensor, "B h w o"] | None = None,
    scale: float = 1.0,
    pointwise: Layer | None = None,
) -> None:
    """Writes pointwise(residual + scale * leaky_relu(conv(x))) into `out`, which may be the residual.

    Args:
        layer: the convolution, transformed for tiles of either size.
        out: has the residual's layout, in which a position's channels are side by side.
        slope: the slope of the leaky relu, 0 for relu, 1 for none.
        pointwise: a 1x1 convolution to end with, as wide as its input.
    """
    kept: list[Tensor] = []
    job = _CConvolveJob(
        input=_picture(x.permute(0, 3, 1, 2)),
        tile=round(len(layer.weight) ** 0.5) - 2,
        convolution=_linear(layer, kept),
        residual=None if residual is None else residual.data_ptr(),
        pointwise=_CLinear() if pointwise is None else _linear(pointwise, kept),
        out=out.data_ptr(),
        **_strides("out", out, "image", "line", "position"),
        images=len(out),
        threads=torch.get_num_threads(),
        slope=slope,
        scale=scale,
    )
    _call("lmf_convolve", job)


def latents(
    mlp: LatentMLP,
    features: Float[Tensor, "B C h w"],
    top: int,
    left: int,
    out: Float[Tensor, "B n m c"],
    strengths: Float[Tensor, "B n m 2 L"] | None = None,
) -> None:
    """Writes the rows of a state for the window of `out`'s size that begins at (top, left), and their strengths.

    `strengths`, if given, is contiguous and gets mean |gain - 1| and mean |offset - gain * bias| of each layer of each row.
    """
    kept: list[Tensor] = []
    height, width = out.shape[1:3]
    job = _CLatentsJob(
        features=_picture(features),
        top=top,
        left=left,
        height=height,
        width=width,
        convolution=_linear(mlp.convolution, kept),
        waves=mlp.waves,
        depth=len(mlp.layers),
        layers=(MAX_LAYERS * _CLinear)(*(_linear(layer, kept) for layer in mlp.layers)),
        modulations=mlp.modulations,
        known=mlp.known,
        out=out.data_ptr(),
        **_strides("out", out, "image", "line"),
        latent_size=out.stride(2),
        hidden=mlp.hidden,
        bias=_pointer(mlp.bias, kept),
        strengths=None if strengths is None else strengths.data_ptr(),
        images=len(out),
        threads=torch.get_num_threads(),
    )
    _call("lmf_latents", job)


def render(
    mlp: RenderMLP,
    latents: Float[Tensor, "B n m c"],
    pixels: GridPixels,
    out: Float[Tensor, "B 3 H W"],
    *,
    lr: Float[Tensor, "B 3 h w"] | None = None,
    phases: Float[Tensor, "B 16"] | None = None,
    shift: Float[Tensor, "B 16"] | None = None,
    written: Written = UNCHANGED,
) -> None:
    """Renders pixels of a grid into `out`, and leaves the others as they are.

    Args:
        latents: gains, offsets and perhaps coef and freq of each latent of a window, from which the axes count.
        out: takes the pixels; contiguous along a row.
        lr: the LR image to add, read bilinearly.
        phases: `[phase, phase - 1/2]` where the render MLP is fed waves.
        shift: is added to the first layer's product.
    """
    kept: list[Tensor] = []
    rows = _contiguous_lines(latents, kept)
    skip = None if lr is None else _contiguous_lines(lr, kept)
    job = _CRenderJob(
        latents=rows.data_ptr(),
        **dict(zip(("image_size", "line_size", "latent_size"), rows.stride(), strict=False)),
        first=_pointer(mlp.first, kept),
        hidden=_pointer(mlp.hidden, kept),
        last=_pointer(mlp.last, kept),
        phases=_pointer(phases, kept),
        shift=_pointer(shift, kept),
        depth=mlp.depth,
        pixels=_chosen(pixels, kept),
        lr=None if skip is None else skip.data_ptr(),
        **({} if skip is None else _strides("lr", skip, "image", "channel", "line")),
        out=out.data_ptr(),
        **_strides("out", out, "image", "channel", "line"),
        written=_CValues(*written),
        images=len(out),
        threads=torch.get_num_threads(),
    )
    _call("lmf_render", job)


def upsample(
    picture: Float[Tensor, "B C h w"],
    rows: GridAxis,
    cols: GridAxis,
    pixels: GridPixels,
    out: Float[Tensor, "B C H W"],
    *,
    written: Written = UNCHANGED,
) -> None:
    """Reads a picture bilinearly at pixels of a grid, into `out`, and leaves the others as they are.

    Args:
        rows: the grid's rows over the lines of the picture; `cols` its columns.
        pixels: the pixels to make, chosen by the latents they are over.
        out: takes the pixels; contiguous along a row.
    """
    kept: list[Tensor] = []
    source = _contiguous_lines(picture, kept)
    job = _CUpsampleJob(
        picture=source.data_ptr(),
        **_strides("picture", source, "image", "plane", "line"),
        rows=_axis(rows, kept),
        cols=_axis(cols, kept),
        pixels=_chosen(pixels, kept),
        out=out.data_ptr(),
        **_strides("out", out, "image", "plane", "line"),
        written=_CValues(*written),
        images=out.shape[0],
        planes=out.shape[1],
        threads=torch.get_num_threads(),
    )
    _call("lmf_upsample", job)


def compiled_from() -> Path:
    """The file of the library. Raises Unavailable if there is none."""
    found = _library_or_reason()
    if isinstance(found, str):
        raise Unavailable(found)
    return Path(found._name)


def why_not_compiled() -> str | None:
    """The reason, in a few words, why there is no compiled library; None if there is one. Builds it if need be."""
    found = _library_or_reason()
    return found if isinstance(found, str) else None


# The structures of boundary.h


def _sizes(*names: str) -> list[tuple[str, type[c_int64]]]:
    return [(name, c_int64) for name in names]


class _CPicture(Structure):
    _fields_ = [
        ("data", c_void_p),
        *_sizes("image_size", "channel_size", "line_size", "position_size", "height", "width"),
    ]


class _CLinear(Structure):
    _fields_ = [("weight", c_void_p), ("bias", c_void_p), *_sizes("in", "out")]


class _CAxis(Structure):
    _fields_ = [("at", c_void_p), *_sizes("pixels", "latents", "first"), ("tie", c_double)]


class _CChosen(Structure):
    _fields_ = [("latents", c_void_p), ("rows", _CAxis), ("cols", _CAxis), *_sizes("around")]


class _CValues(Structure):
    _fields_ = [(name, c_float) for name in Written._fields]


class _CConvolveJob(Structure):
    _fields_ = [
        ("input", _CPicture),
        *_sizes("tile"),
        ("convolution", _CLinear),
        ("residual", c_void_p),
        ("pointwise", _CLinear),
        ("out", c_void_p),
        *_sizes("out_image_size", "out_line_size", "out_position_size"),
        *_sizes("images", "threads"),
        ("slope", c_float),
        ("scale", c_float),
    ]


class _CLatentsJob(Structure):
    _fields_ = [
        ("features", _CPicture),
        *_sizes("top", "left", "height", "width"),
        ("convolution", _CLinear),
        *_sizes("waves", "depth"),
        ("layers", MAX_LAYERS * _CLinear),
        *_sizes("modulations", "known"),
        ("out", c_void_p),
        *_sizes("out_image_size", "out_line_size", "latent_size"),
        *_sizes("hidden"),
        ("bias", c_void_p),
        ("strengths", c_void_p),
        *_sizes("images", "threads"),
    ]


class _CRenderJob(Structure):
    _fields_ = [
        ("latents", c_void_p),
        *_sizes("image_size", "line_size", "latent_size"),
        *((name, c_void_p) for name in ("first", "hidden", "last", "phases", "shift")),
        *_sizes("depth"),
        ("pixels", _CChosen),
        ("lr", c_void_p),
        *_sizes("lr_image_size", "lr_channel_size", "lr_line_size"),
        ("out", c_void_p),
        *_sizes("out_image_size", "out_channel_size", "out_line_size"),
        ("written", _CValues),
        *_sizes("images", "threads"),
    ]


class _CUpsampleJob(Structure):
    _fields_ = [
        ("picture", c_void_p),
        *_sizes("picture_image_size", "picture_plane_size", "picture_line_size"),
        ("rows", _CAxis),
        ("cols", _CAxis),
        ("pixels", _CChosen),
        ("out", c_void_p),
        *_sizes("out_image_size", "out_plane_size", "out_line_size"),
        ("written", _CValues),
        *_sizes("images", "planes", "threads"),
    ]


class _CLayoutEntry(Structure):
    _fields_ = [("structure", c_char_p), ("field", c_char_p), *_sizes("offset", "size")]


STRUCTURES: dict[str, type[Structure]] = {
    "lmf_picture": _CPicture,
    "lmf_linear": _CLinear,
    "lmf_axis": _CAxis,
    "lmf_chosen": _CChosen,
    "lmf_values": _CValues,
    "lmf_convolve_job": _CConvolveJob,
    "lmf_latents_job": _CLatentsJob,
    "lmf_render_job": _CRenderJob,
    "lmf_upsample_job": _CUpsampleJob,
}

# From tensors to structures. The tensors that C points into are appended to `kept`, so that they live as long as the job.


def _pointer(values: Tensor | None, kept: list[Tensor], dtype: torch.dtype = torch.float32) -> int | None:
    """The address of the values, contiguous and of a type that C knows."""
    if values is None:
        return None
    kept.append(values.to(dtype).contiguous())
    return kept[-1].data_ptr()


def _contiguous_lines(x: Tensor, kept: list[Tensor]) -> Tensor:
    """A tensor of these values that is contiguous along the last axis."""
    kept.append(x if x.stride(-1) == 1 else x.contiguous())
    return kept[-1]


def _strides(name: str, x: Tensor, *axes: str) -> dict[str, int]:
    return {f"{name}_{axis}_size": size for axis, size in zip(axes, x.stride(), strict=False)}


def _picture(x: Float[Tensor, "B C h w"]) -> _CPicture:
    return _CPicture(x.data_ptr(), *x.stride(), *x.shape[2:])


def _linear(layer: Layer, kept: list[Tensor]) -> _CLinear:
    return _CLinear(_pointer(layer.weight, kept), _pointer(layer.bias, kept), *layer.weight.shape[-2:])


def _axis(axis: GridAxis, kept: list[Tensor]) -> _CAxis:
    at = _pointer(axis.at, kept, torch.float64)
    return _CAxis(at, len(axis.at), axis.latents, axis.first, tie_margin(axis.latents) * axis.latents / 2)


def _chosen(pixels: GridPixels, kept: list[Tensor]) -> _CChosen:
    latents = _pointer(pixels.chosen, kept, torch.bool)
    return _CChosen(latents, _axis(pixels.rows, kept), _axis(pixels.cols, kept), pixels.around)


# The library


def _call(function: str, job: Structure) -> None:
    library = _library_or_reason()
    if isinstance(library, str):
        raise Unavailable(library)
    if library[function](ctypes.byref(job)):
        raise MemoryError(f"no memory for the scratch of {function}")


@cache
def _library_or_reason() -> ctypes.CDLL | str:
    try:
        library = ctypes.CDLL(str(library_path(torch.backends.cpu.get_cpu_capability())))
        check_layout(layout_in_c(library))
    except Unavailable as reason:
        return str(reason)
    except (OSError, RuntimeError) as error:
        return f"the compiled library cannot be kept and loaded: {error}"
    return library


Layout = dict[tuple[str, str], tuple[int, int]]
"""Offset and size of each field of each structure, and of the structure itself under the field ""."""


def layout_in_c(library: ctypes.CDLL) -> Layout:
    """The layout that `layout.c` states."""
    library.lmf_layout.restype = ctypes.POINTER(_CLayoutEntry)
    entry, layout = library.lmf_layout(), {}
    for i in range(10_000):
        if entry[i].structure is None:
            break
        layout[entry[i].structure.decode(), entry[i].field.decode()] = entry[i].offset, entry[i].size
    return layout


def layout_in_python() -> Layout:
    """The layout of the `_C...` classes, and LANES."""
    layout: Layout = {("LANES", ""): (0, LANES)}
    for name, structure in STRUCTURES.items():
        layout[name, ""] = 0, ctypes.sizeof(structure)
        for field, _ in structure._fields_:  # type: ignore[misc]
            place = getattr(structure, field)
            layout[name, field] = place.offset, place.size
    return layout


def check_layout(in_c: Layout) -> None:
    """Raises Unavailable where C and Python differ, which happens only if one was changed without the other."""
    in_python = layout_in_python()
    for place in sorted(in_c.keys() | in_python.keys()):
        if in_c.get(place) != in_python.get(place):
            raise Unavailable(
                f"the compiled library has {'.'.join(place).rstrip('.')} at (offset, size) {in_c.get(place)}, "
                f"kernels/bindings.py at {in_python.get(place)}"
            )
