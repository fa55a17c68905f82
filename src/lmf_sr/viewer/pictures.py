"""The pictures and models on show, and what is computed from them.

A picture is encoded once, and a view then costs in proportion to its pixels. Where a picture has more than `WHOLE` pixels,
only the window in view is encoded, with a margin to move in. This changes no pixel, because an encoder states its
`receptive_halo` (`rendering/tiling.py`). Places are in LR pixels, rows first: the pixel (i, j) covers
[i, i+1] x [j, j+1].
"""

import io
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from lmf_sr.cmsr.measures import PAPER, Measure
from lmf_sr.cmsr.table import BoundTable
from lmf_sr.errors import InputError
from lmf_sr.geometry import clip_cell, relative_cell
from lmf_sr.images import Picture, read_rgb8, write_bands
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.model import ContinuousImage, Model
from lmf_sr.profiling import decoder_macs
from lmf_sr.rendering.tiling import Window
from lmf_sr.viewer.textures import drawable, layers, render_mlp, texels

LARGEST_FILE = 2**26  # bytes of a picture that a page sends to the server
LARGEST_PICTURE = 2**26  # pixels of any picture; 0.8 GB as floats
DECODED = 2**27  # pixels of all decoded pictures in memory; other pictures are read again when they are shown
LARGEST_VIEW = 2**24  # pixels of a view
LARGEST_SIDE = 2**14  # pixels of a side of a view
LARGEST_SAVED = 2**28  # pixels of a saved picture
LARGEST_STATE = 2**18  # latents of a state that is sent to a page; LM-LIIF needs 100 MB for them
MOST_SENT = 2**28  # bytes of all pictures that pages have sent
WHOLE = 2**20  # LR pixels of the largest picture that is encoded as a whole
ENCODED = 2**21  # LR pixels of all features in memory; 0.5 GB for 64 channels
COUNTED_ON = (24, 24)  # LR pixels of the picture on which multiply-accumulates are counted

Filter = Image.Resampling
LAYERS = {"bicubic": Filter.BICUBIC, "nearest": Filter.NEAREST}


class ShownModel(NamedTuple):
    """A model, the name it is shown under, and its Scale2Mod tables by MSE threshold (none without a calibration)."""

    name: str
    model: Model
    tables: Mapping[float, BoundTable]

    @property
    def measure(self) -> Measure:
        """The measure of the tables, or the paper's measure where there are no tables."""
        return next((table.table.measure for table in self.tables.values()), PAPER)


class Place(NamedTuple):
    """A rectangle of output pixels: the place of its corner in the LR picture, output pixels per LR pixel, and its size."""

    top: float
    left: float
    scale: float
    height: int
    width: int

    def window(self, size: tuple[int, int]) -> Window:
        """The latents that these pixels read in a picture of `size`."""
        (h, w), s = size, self.scale
        top, left = min(max(int(self.top) - 1, 0), h - 1), min(max(int(self.left) - 1, 0), w - 1)
        bottom, right = int(self.top + self.height / s) + 2, int(self.left + self.width / s) + 2
        return Window(top, min(max(bottom, top + 1), h), left, min(max(right, left + 1), w))


@dataclass(frozen=True)
class ShownPicture:
    name: str
    rgb: UInt8[Tensor, "3 h w"]
    reference: UInt8[Tensor, "3 H W"] | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.rgb.shape[1], self.rgb.shape[2]


class _File(NamedTuple):
    path: Path
    content: bytes | None  # the bytes that a page sent; None for a file on disk
    reference: Path | None

    def read(self) -> ShownPicture:
        return read(self.path, self.content, self.reference)


class _Encoded(NamedTuple):
    image: ContinuousImage
    window: Window  # the part of the picture that is encoded


class Studio:
    """The pictures and models on show. Methods that compute are called by one thread at a time."""

    def __init__(self, models: Sequence[ShownModel]) -> None:
        self.models = list(models)
        self._files: dict[str, _File] = {}
        self._decoded: OrderedDict[str, ShownPicture] = OrderedDict()
        self._names = count()
        self._saved = tempfile.TemporaryDirectory(prefix="lmf-sr-")
        self._encoded: OrderedDict[tuple[str, int], _Encoded] = OrderedDict()

    # Pictures and models

    def add(self, path: Path, content: bytes | None = None, reference: Path | None = None) -> str:
        """Opens a picture from its file, or from the bytes of its file, and gives its name.

        Beyond `MOST_SENT` bytes, the picture that was sent first is closed. Raises InputError for a file that is no picture,
        and for one that is too large.
        """
        file = _File(path, content, reference)
        picture = file.read()
        name = self._named(file)
        self._hold(name, picture)
        sent = {name: len(file.content) for name, file in self._files.items() if file.content is not None}
        while sum(sent.values()) > MOST_SENT:
            first = next(iter(sent))
            del sent[first], self._files[first]
            self._decoded.pop(first, None)
        return name

    def add_later(self, path: Path) -> str:
        """Names a file, which is read when it is first shown. Raises InputError where the file does not exist."""
        if not path.is_file():
            raise InputError(f"no image {path}: the file does not exist")
        return self._named(_File(path, None, None))

    def show(self, picture: ShownPicture) -> str:
        """Adds a picture that has been read already."""
        name = self._named(_File(Path(picture.name), None, None))
        self._hold(name, picture)
        return name

    def _named(self, file: _File) -> str:
        name = str(next(self._names))
        self._files[name] = file
        return name

    def _hold(self, name: str, picture: ShownPicture) -> None:
        self._decoded[name] = picture
        while len(self._decoded) > 1 and sum(p.rgb[0].numel() for p in self._decoded.values()) > DECODED:
            self._decoded.popitem(last=False)

    def about(self) -> dict[str, Any]:
        """The names of pictures and models, which a page asks for first."""
        return {
            "pictures": [{"id": name, "name": file.path.name} for name, file in self._files.items()],
            "models": [self._about_model(model) for model in self.models],
        }

    def about_picture(self, name: str) -> dict[str, Any]:
        """The facts about a picture that a page needs to show it."""
        picture = self.picture(name)
        return {
            "id": name,
            "name": picture.name,
            "height": picture.size[0],
            "width": picture.size[1],
            "reference": picture.reference is not None,
        }

    def _about_model(self, shown: ShownModel) -> dict[str, Any]:
        decoder = shown.model.decoder
        about: dict[str, Any] = {"name": shown.name, "mlp": None, "tables": [], "macs": None}
        if drawable(decoder):
            about["mlp"] = render_mlp(decoder)
        if decoder.is_conversion:
            about["tables"] = tables_as_json(shown.tables)
            macs = decoder_macs(shown.model, COUNTED_ON, plain=False)
            about["macs"] = {"latent": macs.once / (COUNTED_ON[0] * COUNTED_ON[1]), "pixel": macs.per_pixel}
        return about

    def picture(self, name: str) -> ShownPicture:
        """The picture of a name. Raises InputError for an unknown name, and for a file that is no picture."""
        if name not in self._files:
            raise InputError(f"there is no picture {name!r}: it has been closed, or was never opened")
        if name not in self._decoded:
            self._hold(name, self._files[name].read())
        self._decoded.move_to_end(name)
        return self._decoded[name]

    def model(self, number: int) -> ShownModel:
        """The model of a number. Raises InputError for an unknown number."""
        if not 0 <= number < len(self.models):
            raise InputError(f"there is no model {number}: {len(self.models)} are on show, counted from 0")
        return self.models[number]

    # Pixels and states

    def lr(self, name: str, largest_side: int) -> UInt8[np.ndarray, "h w 3"]:
        """The picture itself, reduced until no side is longer than `largest_side`."""
        rgb = as_array(self.picture(name).rgb)
        longest = max(rgb.shape[:2])
        if longest <= largest_side:
            return rgb
        h, w = (max(round(side * largest_side / longest), 1) for side in rgb.shape[:2])
        return np.array(Image.fromarray(rgb).resize((w, h), Filter.BICUBIC))

    def view(self, name: str, layer: str, place: Place, threshold: float | None = None) -> UInt8[np.ndarray, "H W 3"]:
        """The pixels of a place.

        Args:
            layer: the number of a model, "bicubic", "nearest" or "reference".
            threshold: the MSE that CMSR may make; None renders in full.
        """
        picture = self.picture(name)
        check_view(place, picture.size)
        if layer in LAYERS:
            return _resampled(picture.rgb, place, 1.0, 1.0, LAYERS[layer])
        if layer == "reference":
            if picture.reference is None:
                raise InputError(f"there is no reference of {picture.name}: name it by --reference")
            H, W = picture.reference.shape[1:]
            return _resampled(picture.reference, place, H / picture.size[0], W / picture.size[1], Filter.BICUBIC)
        if not layer.isdecimal():
            raise InputError(f"there is no layer {layer!r}: it is the number of a model, bicubic, nearest or reference")
        table = None if threshold is None else self._table(int(layer), threshold)
        image, region = self._image_at(name, int(layer), place)
        return as_array(_to_bytes(image.render(place.height, place.width, region, cmsr=table)[0]))

    def timed(self, name: str, number: int, place: Place, threshold: float) -> dict[str, float]:
        """Milliseconds that a place takes in full and by CMSR."""
        check_view(place, self.picture(name).size)
        table, (image, region) = self._table(number, threshold), self._image_at(name, number, place)
        milliseconds = {}
        for key, cmsr in (("warm", table), ("full", None), ("cmsr", table)):
            start = time.perf_counter()
            image.render(place.height, place.width, region, cmsr=cmsr)
            milliseconds[key] = 1000 * (time.perf_counter() - start)
        return {"full_ms": milliseconds["full"], "cmsr_ms": milliseconds["cmsr"]}

    def state(self, name: str, number: int, window: Window, scale: float) -> tuple[dict[str, Any], bytes]:
        """The state of a window at a scale, for the shader: a description, and texels and then intensities as halves."""
        shown, size = self.model(number), self.picture(name).size
        decoder = shown.model.decoder
        if not drawable(decoder):
            raise InputError(f"{shown.name} is rendered by the server alone: it has no state for a page")
        if window.size[0] * window.size[1] > LARGEST_STATE:
            raise InputError(f"the state of {window.size[0]} x {window.size[1]} latents is too large: ask for a part")
        encoded = self._image(name, number, window, size)
        state = prepared(encoded, window, scale)
        inner, lr = window.within(encoded.window), encoded.image.encoded.lr
        intensity = shown.measure.intensity(state, lr, inner)
        halves = (
            torch.cat([texels(decoder, state, _within(inner, lr)).flatten(), intensity.flatten()]).half().cpu().numpy()
        )
        about = {"top": window.top, "left": window.left, "height": window.size[0], "width": window.size[1]}
        return {**about, "layers": layers(decoder), "cell": state.cell[0].tolist()}, halves.tobytes()

    def save(
        self, name: str, layer: str, place: Place | None, height: int, width: int, threshold: float | None
    ) -> Path:
        """Writes a place, or the whole picture, at a size as PNG, and gives the file, which the caller removes.

        The whole picture is rendered band by band, in bounded memory.
        """
        picture = self.picture(name)
        if not (height >= 1 and width >= 1 and height * width <= LARGEST_SAVED):
            raise InputError(
                f"{width}x{height} pixels cannot be saved from here, only 1 to {LARGEST_SAVED}: use lmf-sr upscale"
            )
        path = Path(self._saved.name, f"{next(self._names)}.png")
        if place is not None:
            at_size = place._replace(scale=place.scale * width / place.width, height=height, width=width)
            Image.fromarray(self.view(name, layer, at_size, threshold)).save(path)
        elif layer.isdecimal():
            model = self.model(int(layer)).model
            table = None if threshold is None else self._table(int(layer), threshold)
            write_bands(path, height, width, _bands(model, picture, height, width, table))
        else:
            source = picture.reference if layer == "reference" else picture.rgb
            if source is None:
                raise InputError(f"there is no reference of {picture.name}: name it by --reference")
            resampling = LAYERS.get(layer, Filter.BICUBIC)
            Image.fromarray(as_array(source)).resize((width, height), resampling).save(path)
        return path

    # Encoding

    def _table(self, number: int, threshold: float) -> BoundTable:
        tables = self.model(number).tables
        if threshold not in tables:
            raise InputError(f"{self.models[number].name} has no Scale2Mod table for an MSE of {threshold:g}")
        return tables[threshold]

    def _image_at(
        self, name: str, number: int, place: Place
    ) -> tuple[ContinuousImage, tuple[float, float, float, float]]:
        """An encoded picture that contains the place, and the region of it that the place is."""
        size = self.picture(name).size
        image, window = self._image(name, number, place.window(size), size)
        (h, w), s = window.size, place.scale
        top, left = (place.top - window.top) / h, (place.left - window.left) / w
        return image, (top, left, place.height / s / h, place.width / s / w)

    def _image(self, name: str, number: int, window: Window, size: tuple[int, int]) -> _Encoded:
        """An encoded picture that contains the window and all that the latents of the window depend on."""
        model = self.model(number).model
        halo = model.encoder.receptive_halo
        in_parts = size[0] * size[1] > WHOLE and halo is not None and _is_local(model)
        around = model.decoder.receptive_halo + (halo or 0)
        needed = window.grown(around, 1, size) if in_parts else Window.whole(size)
        if not in_parts and _area(needed) > ENCODED:
            raise InputError(
                f"{self.models[number].name} encodes pictures whole, and {size[1]}x{size[0]} pixels are more than the "
                f"{ENCODED} for which there is room: crop the picture, or use lmf-sr upscale"
            )
        key = name, number
        if key in self._encoded and self._encoded[key].window.joined(needed) == self._encoded[key].window:
            self._encoded.move_to_end(key)
            return self._encoded[key]
        self._encoded.pop(key, None)
        if in_parts:
            margin = min(max(window.size) // 2, max(int((WHOLE**0.5 - max(window.size)) / 2), 0))
            needed = window.grown(around + margin, 1, size)
        while self._encoded and sum(_area(e.window) for e in self._encoded.values()) + _area(needed) > ENCODED:
            self._encoded.popitem(last=False)
        device = next(model.parameters()).device
        lr = _within(needed, self.picture(name).rgb).to(device).float() / 255
        self._encoded[key] = _Encoded(model.encode(lr), needed)
        return self._encoded[key]


@torch.inference_mode()
def prepared(encoded: tuple[ContinuousImage, Window], window: Window, scale: float) -> LMFState:
    """The state of a window at a scale.

    Args:
        encoded: an encoded picture, and the window of the whole picture that it is.
        window: the window of the whole picture whose state is prepared.
        scale: output pixels per LR pixel.
    """
    image, frame = encoded
    size, decoder = image.size, image.model.decoder
    assert isinstance(decoder, Conversion)
    inner = window.within(frame)
    read = inner.grown(decoder.receptive_halo, decoder.tile_multiple, size)
    cell = clip_cell(image.encoded.lr.new_tensor([[[2 / (scale * side) for side in size]]]), size)
    state = decoder.prepare_window(read.crop(image.encoded.features), cell, size)
    cut = inner.within(read)
    rows, strengths = (x[:, cut.top : cut.bottom, cut.left : cut.right] for x in (state.modulations, state.strengths))
    return LMFState(rows, strengths, relative_cell(cell[:, 0], size))


def tables_as_json(tables: Mapping[float, BoundTable]) -> list[dict[str, Any]]:
    """The thresholds, each with the levels of each target scale; null stands for a level without a limit."""
    return [
        {
            "threshold": threshold,
            "targets": [
                {
                    "scale": target,
                    "levels": [[level.scale, None if level.up_to == float("inf") else level.up_to] for level in levels],
                }
                for target, levels in sorted(table.table.targets.items())
            ],
        }
        for threshold, table in sorted(tables.items())
    ]


def check_view(place: Place, size: tuple[int, int]) -> None:
    """Raises InputError for a view of too many pixels, and for one far outside a picture of `size`."""
    sides = place.height, place.width
    if min(sides) < 1 or max(sides) > LARGEST_SIDE or sides[0] * sides[1] > LARGEST_VIEW:
        raise InputError(
            f"a view of {place.width}x{place.height} pixels is not rendered, only up to {LARGEST_VIEW} pixels"
        )
    for begin, pixels, side in zip((place.top, place.left), sides, size, strict=True):
        end = begin + pixels / place.scale
        if begin < -side or end > 2 * side:
            raise InputError(f"a view from {begin:g} to {end:g} is not rendered: the picture has {side} pixels there")


def _bands(model: Model, picture: ShownPicture, height: int, width: int, table: BoundTable | None) -> Iterator[Picture]:
    whole = Picture(picture.rgb.float() / 255)
    for rgb in model.stream(whole.rgb, height, width, cmsr=table):
        yield replace(whole, rgb=rgb[0].cpu())


def _is_local(model: Model) -> bool:
    """Whether a window has the same latents when it is encoded alone as in the whole picture."""
    return model.encoder.tile_multiple == model.decoder.tile_multiple == 1


def _within(window: Window, x: Tensor) -> Tensor:
    """The window of a tensor whose last axes are rows and columns."""
    return x[..., window.top : window.bottom, window.left : window.right]


def _area(window: Window) -> int:
    return window.size[0] * window.size[1]


def read(path: Path, content: bytes | None = None, reference: Path | None = None) -> ShownPicture:
    """A picture from its file, or from the bytes of its file. Raises InputError for no picture, or too large a one."""
    _check_pixels(path, content)
    return ShownPicture(path.name, read_rgb8(path, content), None if reference is None else read_rgb8(reference))


def _check_pixels(path: Path, content: bytes | None) -> None:
    """Raises InputError for a picture of more than `LARGEST_PICTURE` pixels, without decoding it."""
    try:
        with Image.open(path if content is None else io.BytesIO(content)) as image:
            pixels = image.width * image.height
    except Image.DecompressionBombError:  # Pillow's own limit is higher
        pixels = LARGEST_PICTURE + 1
    except Exception:  # `read_rgb8` reads more formats than Pillow, and says what is wrong
        return
    if pixels > LARGEST_PICTURE:
        raise InputError(f"{path.name} has more than the {LARGEST_PICTURE} pixels that are shown: reduce or crop it")


def _resampled(
    rgb: UInt8[Tensor, "3 h w"], place: Place, down: float, across: float, resampling: Filter
) -> UInt8[np.ndarray, "H W 3"]:
    """A place of a picture that has `down` x `across` pixels per LR pixel, resampled by Pillow.

    The picture is mirrored at its border, as in MATLAB's bicubic.
    """
    h, w = rgb.shape[1:]
    top, left = place.top * down, place.left * across
    bottom, right = top + place.height / place.scale * down, left + place.width / place.scale * across
    reach = 4 + int(4 * max(down, across) / place.scale)  # of the kernel, and of a view that ends inside a pixel
    first, last = max(int(top) - reach, -h), min(int(bottom) + reach, 2 * h)
    begin, end = max(int(left) - reach, -w), min(int(right) + reach, 2 * w)
    rows, cols = (_mirrored(np.arange(*span), side) for span, side in (((first, last), h), ((begin, end), w)))
    part = Image.fromarray(as_array(rgb)[rows][:, cols])
    box = left - begin, top - first, right - begin, bottom - first
    return np.array(part.resize((place.width, place.height), resampling, box=box))


def _mirrored(at: np.ndarray, n: int) -> np.ndarray:
    at = at % (2 * n)
    return np.where(at < n, at, 2 * n - 1 - at)


def as_array(rgb: UInt8[Tensor, "3 h w"]) -> UInt8[np.ndarray, "h w 3"]:
    return np.ascontiguousarray(rgb.permute(1, 2, 0).cpu().numpy())


def _to_bytes(rgb: Float[Tensor, "3 h w"]) -> UInt8[Tensor, "3 h w"]:
    return (rgb * 255).round().byte()
