"""A page by itself: one file in which a picture can be zoomed without end.

The page holds the picture, the render MLP and the state beyond scale 4 (`textures.py`), with values in whole numbers of
steps,

    value_c = least_c + step_c * symbol_c,        step_c = quality / sensitivity_c

where the sensitivity of a channel c is the 4th root of the mean 4th power, over latents, of the gradient of the pixels
around with random signs. One step then moves the pixels by about the same amount in every channel, and the 4th power lets
rare but sensitive places count. The quality is the coarsest of `QUALITIES` at which no probed pixel errs by more than
`ERROR`. Symbols are compressed by deflate, channel by channel, low bytes and high bytes apart.

Below scale 4 each scale has a state of its own. The page then renders with the modulations of scale 4, which is an
approximation.
"""

import base64
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from lmf_sr.atomic import replacing
from lmf_sr.cmsr.measures import Measure
from lmf_sr.errors import InputError
from lmf_sr.geometry import TRAINING_SCALE, Grid
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.rendering.tiling import Window
from lmf_sr.viewer.page import page
from lmf_sr.viewer.pictures import ShownModel, ShownPicture, Studio, as_array, prepared, read
from lmf_sr.viewer.textures import drawable, layers, texels

ERROR = 1.5  # grey levels of 255; with the error of the shader it stays below 2
QUALITIES = [2e-3 * 0.8**k for k in range(16)]  # of values in [-1, 1]
PROBES = 2  # probed pixels per latent and axis
QUERIES_AT_ONCE = 2**14
SYMBOLS = 2**16
MOST_LATENTS = 2**18
LARGEST_SIDE = 2048  # latents per side that every WebGL2 can hold


def write_page(path: Path, picture: Path, model: ShownModel, most_bytes: int) -> int:
    """Writes the page of a picture, atomically; returns its size in bytes.

    Raises InputError for a picture that cannot be read, a model that no shader renders, or a page larger than `most_bytes`.
    """
    shown = read(picture)
    content = page_of(shown, model).encode()
    if len(content) > most_bytes:
        h, w = shown.size
        raise InputError(
            f"{path} would be {len(content) / 1e6:.1f} MB, more than the {most_bytes / 1e6:g} MB of --max-mb: allow "
            f"more, or crop the picture, {w}x{h} pixels, to about {int(0.9 * h * w * most_bytes / len(content))} pixels"
        )
    with replacing(path) as file:
        file.write(content)
    return len(content)


def page_of(shown: ShownPicture, model: ShownModel) -> str:
    """The page as HTML. Raises InputError for a model that no shader renders, or a picture too large for one page."""
    decoder = model.model.decoder
    if not drawable(decoder):
        name = model.model.config["decoder"]["name"]
        raise InputError(f"a page cannot render decoder {name!r} by itself: choose an LMF model (lm-...) 16 wide")
    studio = Studio([model])
    name = studio.show(shown)
    h, w = shown.size
    if h * w > MOST_LATENTS or max(h, w) > LARGEST_SIDE:
        raise InputError(
            f"{shown.name} has {w}x{h} pixels, too many for one page (up to {MOST_LATENTS}, {LARGEST_SIDE} a side): "
            "crop it, or look at it with lmf-sr view"
        )
    image = model.model.encode(shown.rgb.to(next(model.model.parameters()).device).float() / 255)
    window = Window.whole(shown.size)
    state = prepared((image, window), window, TRAINING_SCALE)
    setup = {
        "kind": "file",
        "about": studio.about(),
        "picture": studio.about_picture(name),
        "lr": _base64(_png(as_array(shown.rgb))),
        "state": {
            **{"top": 0, "left": 0, "height": h, "width": w, "scale": TRAINING_SCALE},
            **{"layers": layers(decoder), "cell": state.cell[0].tolist()},
            **packed(decoder, state, model.measure, image.encoded.lr),
        },
    }
    return page(f"{shown.name} – lmf-sr", setup)


def packed(decoder: Conversion, state: LMFState, measure: Measure, lr: Float[Tensor, "1 3 h w"]) -> dict[str, Any]:
    """The values of a state in the order of its textures, and its intensity, as JSON for `assets/sources.js` to unpack."""
    state = LMFState(*(x.clone() for x in state))  # a tensor made in inference mode has no gradient, its clone has
    rows = state.modulations[0]
    intensity = measure.intensity(state, lr, Window.whole((lr.shape[-2], lr.shape[-1])))[0]
    sensitivity = sensitivities(decoder, state)
    exact = _pixels(decoder, state)
    least = rows.amin((0, 1))
    extent = (rows.amax((0, 1)) - least).clamp(min=1e-9)
    for quality in QUALITIES:
        step = (quality / sensitivity).minimum(extent).maximum(extent / (SYMBOLS - 1))
        symbols = ((rows - least) / step).round()
        error = (_pixels(decoder, state._replace(modulations=(least + symbols * step)[None])) - exact).abs().max()
        if error <= ERROR * 2 / 255:
            break
    others = [intensity[..., None]]
    if decoder.lr_skip:
        others.insert(0, texels(decoder, state, lr)[-1])
    rest = torch.cat(others, dim=-1)
    rest_least = rest.amin((0, 1))
    rest_step = ((rest.amax((0, 1)) - rest_least) / 255).clamp(min=1e-9)
    symbols = torch.cat([symbols, ((rest - rest_least) / rest_step).round()], dim=-1)
    planes = np.ascontiguousarray(symbols.permute(2, 0, 1).flatten(1).cpu().numpy().astype("<u2"))
    low_high = planes.view(np.uint8).reshape(*planes.shape, 2).transpose(0, 2, 1)
    return {
        "least": torch.cat([least, rest_least]).tolist(),
        "step": torch.cat([step, rest_step]).tolist(),
        "data": _base64(zlib.compress(low_high.tobytes(), 9)),
    }


def sensitivities(decoder: Conversion, state: LMFState) -> Float[Tensor, " C"]:
    """The sensitivity of pixels, with values in [-1, 1], to each channel of a state."""
    rows = state.modulations.requires_grad_()
    gradients = torch.zeros_like(rows)
    random = torch.Generator().manual_seed(0)
    for coords in _probes(rows):
        rgb = decoder.query(state, coords)
        signs = torch.randn(rgb.shape, generator=random).to(rgb)
        gradients += torch.autograd.grad((rgb * signs).sum(), rows)[0]
    rows.requires_grad_(False)
    of_channels = gradients.double().pow(4).mean((0, 1, 2)).pow(1 / 4)
    return of_channels.clamp(min=1e-3 * float(of_channels.max())).to(rows)


@torch.no_grad()
def _pixels(decoder: Conversion, state: LMFState) -> Float[Tensor, "N 3"]:
    """The probed pixels, in [-1, 1]."""
    return torch.cat([decoder.query(state, coords)[0] for coords in _probes(state.modulations)])


def _probes(rows: Float[Tensor, "1 h w C"]) -> tuple[Float[Tensor, "1 q 2"], ...]:
    h, w = rows.shape[1:3]
    return Grid.over(PROBES * h, PROBES * w).coords(rows.device).float()[None].split(QUERIES_AT_ONCE, dim=1)


def _png(rgb: UInt8[np.ndarray, "h w 3"]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG", optimize=True)
    return file.getvalue()


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
