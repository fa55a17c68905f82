"""The compiled renderer: the whole render MLP on a grid of pixels in one pass (`kernels/render.c`)."""

import ctypes
from ctypes import Structure, c_int64, c_void_p

import torch
from jaxtyping import Float
from torch import Tensor

from lmf_sr.decoders import Decoder
from lmf_sr.kernels.library import library
from lmf_sr.lmf.conversion import Conversion, LinearFirst
from lmf_sr.lmf.lm_lte import LMLTE
from lmf_sr.rendering.axes import Axis, Chosen
from lmf_sr.rendering.structures import CChosen, CValues, pointer
from lmf_sr.rendering.values import NORMALISED, Values

WIDTH = 16  # of the render MLP: the kernel's vectors


class _Job(Structure):
    _fields_ = [
        ("latents", c_void_p),
        *((name, c_int64) for name in ("image_size", "line_size", "latent_size")),
        *((name, c_void_p) for name in ("first", "hidden", "last", "phases", "shift")),
        ("depth", c_int64),
        ("pixels", CChosen),
        ("lr", c_void_p),
        *((name, c_int64) for name in ("lr_image_size", "lr_channel_size", "lr_line_size")),
        ("out", c_void_p),
        *((name, c_int64) for name in ("out_image_size", "out_channel_size", "out_line_size")),
        ("written", CValues),
        ("images", c_int64),
        ("threads", c_int64),
    ]


def supports(decoder: Decoder, dtype: torch.dtype) -> bool:
    """Whether `kernels/render.c` covers this decoder's render MLP, given a compiler."""
    return (
        isinstance(decoder, LinearFirst | LMLTE)
        and decoder.width == WIDTH
        and (decoder.code_dim == 2 * WIDTH or not isinstance(decoder, LMLTE))
        and dtype == torch.float32
    )


class Rendering:
    """A decoder's render MLP, ready for any pixels of a picture."""

    def __init__(self, decoder: Conversion, lr: Float[Tensor, "B 3 h w"]) -> None:
        """
        Args:
            decoder: a conversion that the kernel `supports`.
            lr: the whole LR image, for methods with an LR skip.

        Raises:
            Unavailable: if there is no compiled library.
        """
        self.library, self.decoder = library(), decoder
        lr = lr if lr.stride(-1) == 1 else lr.contiguous()
        self.held = [lr]  # what C points into
        first, *hidden, last = decoder.render_weights
        columns = torch.zeros(WIDTH + 1, WIDTH)
        columns[:, :3] = torch.cat([last.T, decoder.render_mlp.linears[-1].bias[None]])
        self.fixed = {
            "first": self._pointer(first.T),
            "hidden": self._pointer(torch.cat([W.T for W in hidden])) if hidden else None,
            "last": self._pointer(columns),
            "depth": decoder.depth,
            "lr": lr.data_ptr() if decoder.lr_skip else None,
            **_strides("lr", lr),
        }

    def render(
        self,
        latents: Float[Tensor, "B n m C"],
        cell: Float[Tensor, "B 2"],
        rows: Axis,
        cols: Axis,
        out: Float[Tensor, "B 3 H W"],
        chosen: Chosen | None = None,
        shift: Float[Tensor, "B D"] | None = None,
        values: Values = NORMALISED,
    ) -> None:
        """Renders the pixels of some rows and columns into `out`.

        Args:
            latents: rows of a state for a window of the image, from which the axes count.
            cell: the relative cell.
            out: where to; contiguous along a row.
            chosen: which of the pixels, the others being left as they are; all, if not given.
            shift: of the first layer's product, if the cell is not the state's (`Conversion.shift_to`).
            values: what to write.
        """
        fixed = len(self.held)
        latents = latents if latents.stride(-1) == 1 else latents.contiguous()
        phase = self.decoder.render_phase(cell) if isinstance(self.decoder, LMLTE) else None
        job = _Job(
            **self.fixed,
            latents=latents.data_ptr(),
            **dict(zip(("image_size", "line_size", "latent_size"), latents.stride(), strict=False)),
            phases=None if phase is None else self._pointer(torch.cat([phase, phase - 0.5], dim=-1)),
            shift=None if shift is None else self._pointer(shift),
            pixels=CChosen.of(chosen, rows, cols, self.held),
            out=out.data_ptr(),
            **_strides("out", out),
            written=CValues(*values),
            images=len(out),
            threads=torch.get_num_threads(),
        )
        if self.library.lmf_render(ctypes.byref(job)):
            raise MemoryError("no memory for the axes of the grid")
        del self.held[fixed:]

    def _pointer(self, values: Tensor) -> int:
        return pointer(values, torch.float32, self.held)


def _strides(name: str, x: Float[Tensor, "B 3 H W"]) -> dict[str, int]:
    return dict(zip((f"{name}_image_size", f"{name}_channel_size", f"{name}_line_size"), x.stride(), strict=False))
