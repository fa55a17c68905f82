"""`Model`, an encoder and a decoder; `ContinuousImage`, a picture encoded once and rendered at any size.

features = encoder(lr)                        once per image
state    = decoder.prepare(features, cell)    once per image and cell
rgb      = decoder.query(state, coords)       once per output pixel        (+ the bilinear LR image, for some methods)

Large pictures are encoded in tiles and prepared in strips (`rendering/tiling.py`), which changes no pixel. Where neither the
features of the whole picture nor its rendering can be held, `Model.stream` has a few rows of each at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.cmsr.render import Plan, render_cmsr, within_picture
from lmf_sr.cmsr.table import AROUND, Scale2Mod, check_intensity, contrast
from lmf_sr.decoders import Decoder
from lmf_sr.encoders import Encoder, compiled
from lmf_sr.errors import InputError
from lmf_sr.geometry import Grid, Region, clip_cell, relative_cell, sample_bilinear
from lmf_sr.lmf.conversion import Conversion
from lmf_sr.rendering import direct
from lmf_sr.rendering.choice import AUTO, Renderer, choose
from lmf_sr.rendering.memory import Memory
from lmf_sr.rendering.tiling import PREPARED_AT_ONCE, Window, encode_window, strips
from lmf_sr.rendering.values import PIXELS, UNCLAMPED, Values

PIXELS_PER_BAND = 2**22  # 50 MB
PREPARED_IN_PLACE = 2**16  # latents whose states are made at once where their memory is used again; 42 MB
HELD_AT_ONCE = 2**20  # LR positions whose features a stream holds: 0.3 GB


class Model(nn.Module):
    """Computes on normalised tensors; differentiable.

    `config` is what `lmf_sr.build` needs to make the same architecture again.
    """

    def __init__(self, encoder: Encoder, decoder: Decoder, config: dict[str, Any]) -> None:
        super().__init__()
        self.encoder: Encoder = encoder
        self.decoder: Decoder = decoder
        self.config = config

    def forward(
        self,
        lr: Float[Tensor, "B 3 h w"],
        coords: Float[Tensor, "B Q 2"],
        cell: Float[Tensor, "B #Q 2"] | Float[Tensor, "2"],
    ) -> Float[Tensor, "B Q 3"]:
        """RGB at points.

        Args:
            lr: LR image, RGB in [-1, 1].
            coords: (row, column) in [-1, 1].
            cell: size of the output pixel at each point, or one for all; taken as it is (`geometry.clip_cell` is for
                test time). LMF decoders use the first query's cell of each image.

        Returns:
            Normalised, unclamped RGB.
        """
        if cell.ndim == 1:
            cell = cell.expand(lr.shape[0], 1, 2)
        state = self.decoder.prepare(self.features(lr), cell)
        rgb = self.decoder.query(state, coords)
        return rgb + sample_bilinear(lr, coords) if self.decoder.lr_skip else rgb

    @torch.inference_mode()
    def encode(self, image: Tensor) -> ContinuousImage:
        """Encodes a picture, RGB in [0, 1], on the model's device.

        Args:
            image: floats, (3, h, w) or (B, 3, h, w).

        Raises:
            InputError: anything else.
        """
        lr = self._normalised(image)
        return ContinuousImage(self, lr, self._encoded(lr, Window.whole(_size(lr))))

    @torch.inference_mode()
    def stream(
        self, image: Tensor, height: int, width: int, clamp: bool = True, cmsr: Scale2Mod | None = None
    ) -> Iterator[Float[Tensor, "B 3 n W"]]:
        """What `encode(image).render(height, width)` gives, as bands of rows from top to bottom.

        Memory grows with neither the height of the picture nor the size of the rendering: the LR picture is held, and the
        features, the state and the pixels of some of its rows. That holds for encoders that state a `receptive_halo`.
        `cmsr` as for `ContinuousImage.render`.
        """
        lr = self._normalised(image)
        grid, size = Grid.over(height, width), _size(lr)
        for rows, window in strips(grid, size, HELD_AT_ONCE // len(lr)):
            strip = grid.band(rows.start, rows.stop)
            if cmsr is not None:
                window = Plan.of(cmsr, strip, size).read(size).joined(window)
            held = window.grown(self.decoder.receptive_halo, self.decoder.tile_multiple, size)
            part = ContinuousImage(self, lr, self._encoded(lr, held), held)
            for _, rgb in part._bands(strip, part.renderer(), _values(clamp), cmsr=cmsr):
                yield rgb

    def _normalised(self, image: Tensor) -> Float[Tensor, "B 3 h w"]:
        if not image.is_floating_point():
            raise InputError(f"a picture is floats in [0, 1], not {image.dtype}: convert it, 8 bits as image / 255")
        if image.ndim not in (3, 4) or image.shape[-3] != 3 or image.numel() == 0:
            raise InputError(f"a picture is (3, h, w), or (B, 3, h, w) for several, not {tuple(image.shape)}")
        first = next(self.parameters())
        return (image.to(first.device, first.dtype).reshape(-1, *image.shape[-3:]) - 0.5) / 0.5

    def _encoded(self, lr: Float[Tensor, "B 3 h w"], window: Window) -> Float[Tensor, "B C n m"]:
        halo = self.encoder.receptive_halo
        if halo is None:
            return window.of(self.features(lr))
        return encode_window(self.features, lr, window, halo, self.encoder.tile_multiple)

    def features(self, lr: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C h w"]:
        """The encoder's output: compiled where that can be (`encoders/compiled.py`).

        In training on a CPU, convolutions run channels-last: up to 1.3x faster, rounded coarser.
        """
        if compiled.supports(self.encoder, lr):
            return compiled.encode(self.encoder, lr)
        if self.training and lr.device.type == "cpu":
            lr = lr.contiguous(memory_format=torch.channels_last)
        return self.encoder(lr)


class ContinuousImage:
    """An encoded picture: any size, any window, any points, any number of times. Made by `Model.encode`.

    >>> import lmf_sr, torch
    >>> model = lmf_sr.build(encoder="edsr-baseline", decoder="lm-liif")
    >>> image = model.encode(torch.rand(3, 24, 32))
    >>> image.render(60, 80).shape
    torch.Size([1, 3, 60, 80])
    >>> image.render(50, 50, region=(0.25, 0.25, 0.5, 0.5)).shape
    torch.Size([1, 3, 50, 50])
    """

    def __init__(
        self,
        model: Model,
        lr: Float[Tensor, "B 3 h w"],
        features: Float[Tensor, "B C n m"],
        held: Window | None = None,
    ) -> None:
        """`features` are those of the window `held`, where only that is going to be rendered."""
        self.model, self.lr, self.features = model, lr, features
        self.held = held or Window.whole(self.size)
        # The last state, with the cell and the window it is for; and the last table, found to be the model's own.
        self._prepared: tuple[Tensor, Window, Any] | None = None
        self._table: Scale2Mod | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the LR picture."""
        return _size(self.lr)

    @torch.inference_mode()
    def render(
        self,
        height: int,
        width: int,
        region: Region = (0.0, 0.0, 1.0, 1.0),
        clamp: bool = True,
        cmsr: Scale2Mod | None = None,
        renderer: str = AUTO,
    ) -> Float[Tensor, "B 3 H W"]:
        """Renders `height` x `width` pixels of the whole picture or of a window.

        Args:
            region: (top, left, height, width) as fractions of the picture. It may reach over the border, where the
                outermost latents are extrapolated.
            clamp: whether to clamp to [0, 1].
            cmsr: the Scale2Mod table by which, beyond scale 4, each place is rendered only as finely as it needs.
            renderer: "auto", "direct", "blocked" or "triton" (`rendering/choice.py`); all give the same pixels.

        Returns:
            RGB in [0, 1].

        Raises:
            InputError: a size below 1, an empty region, a renderer that does not cover the decoder on this device, a table
                of other weights or for a decoder that is no LMF conversion.
        """
        grid, chosen = Grid.over(height, width, region), self.renderer(renderer)
        out = self.lr.new_empty(len(self.lr), 3, height, width)
        for _ in self._bands(grid, chosen, _values(clamp), out, cmsr):
            pass
        return out

    def renderer(self, name: str = AUTO) -> Renderer:
        """What `render` uses for that name: its `name` and, in words, its `form`. Raises InputError as `render` does."""
        return choose(name, self.model.decoder, self.features)

    def _bands(
        self,
        grid: Grid,
        renderer: Renderer,
        values: Values,
        out: Float[Tensor, "B 3 H W"] | None = None,
        cmsr: Scale2Mod | None = None,
    ) -> Iterator[tuple[slice, Float[Tensor, "B 3 n W"]]]:
        """The pixels of a grid in bands of rows; in `out`, if given."""
        if cmsr is not None and self._conversion(cmsr) and within_picture(grid):
            yield from self._cmsr_bands(grid, renderer, values, out, cmsr)
            return
        decoder, cell = self.model.decoder, self._cell(grid)
        if renderer.render_features is not None:
            relative = relative_cell(clip_cell(cell[:, 0], self.size), self.size)
            yield from renderer.render_features(decoder, self.features, self.held, relative, self.lr, grid, out, values)
            return
        for strip, read in strips(grid, self.size, PREPARED_AT_ONCE // len(self.lr)):
            window = read.grown(decoder.receptive_halo, decoder.tile_multiple, self.size)
            for rows in self._rows_at_once(strip, grid):
                band = window.frame(grid.band(rows.start, rows.stop), self.size)
                rgb = values.of(renderer.render(decoder, self._state(cell, window), window.of(self.lr), band))
                yield rows, rgb if out is None else out[:, :, rows].copy_(rgb)

    def _cmsr_bands(
        self, grid: Grid, renderer: Renderer, values: Values, out: Float[Tensor, "B 3 H W"] | None, table: Scale2Mod
    ) -> Iterator[tuple[slice, Float[Tensor, "B 3 n W"]]]:
        """The same with CMSR. The coarser grids read a little more than the latents around a band's pixels."""
        decoder, cell = self._conversion(table), self._cell(grid)
        of_state, *of_levels = (Memory(self.lr) for _ in range(3))
        prepare, at_once = direct.prepare, PREPARED_AT_ONCE
        if renderer.prepare is not None:
            prepare, at_once = partial(renderer.prepare, memory=of_state), PREPARED_IN_PLACE
        for strip, read in strips(grid, self.size, at_once // len(self.lr)):
            if read != Window.whole(self.size):
                read = Plan.of(table, grid.band(strip.start, strip.stop), self.size).read(self.size).joined(read)
            window = read.grown(decoder.receptive_halo, decoder.tile_multiple, self.size)
            state, lr = self._state(cell, window, prepare), window.of(self.lr)
            if table.intensity == "contrast":
                seen = window.grown(AROUND, 1, self.size)
                state = state._replace(intensity=window.within(seen).of(contrast(seen.of(self.lr))[:, None])[:, 0])
            for rows in self._rows_at_once(strip, grid):
                plan = Plan.of(table, grid.band(rows.start, rows.stop), self.size).framed(window, self.size)
                rgb = self.lr.new_empty(len(self.lr), 3, *plan.target.size) if out is None else out[:, :, rows]
                render_cmsr(decoder, state, lr, plan, renderer, (of_levels[0], of_levels[1]), rgb, values)
                yield rows, rgb

    def _rows_at_once(self, strip: slice, grid: Grid) -> Iterator[slice]:
        count = max(PIXELS_PER_BAND // (len(self.lr) * len(grid.cols)), 1)
        for start in range(strip.start, strip.stop, count):
            yield slice(start, min(start + count, strip.stop))

    @torch.inference_mode()
    def sample(
        self,
        coords: Float[Tensor, "B Q 2"],
        cell: Float[Tensor, "B #Q 2"] | Float[Tensor, "2"],
        clamp: bool = True,
    ) -> Float[Tensor, "B Q 3"]:
        """RGB in [0, 1] at any number of points (row, column) in [-1, 1], for output pixels of size `cell`; in chunks."""
        if coords.shape[0] != self.lr.shape[0]:
            raise InputError(f"coords are for {coords.shape[0]} pictures, but {self.lr.shape[0]} were encoded")
        cell, coords = cell.to(self.lr), coords.to(self.lr.device)
        decoder, state = self.model.decoder, self._state(cell if cell.ndim == 3 else cell.expand(len(self.lr), 1, 2))
        out = self.lr.new_empty(*coords.shape[:2], 3)
        count = direct.queries_at_once(self.lr)
        for start in range(0, coords.shape[1], count):
            some = slice(start, start + count)
            out[:, some] = decoder.query(decoder.of_queries(state, some), coords[:, some])
            if decoder.lr_skip:
                out[:, some] += sample_bilinear(self.lr, coords[:, some])
        return _values(clamp).of(out)

    @torch.inference_mode()
    def intensity(self, height: int, width: int, name: str = "shift") -> Float[Tensor, "B h w"]:
        """One of `cmsr.table.INTENSITIES` at each LR position, where the picture is rendered at this size.

        Raises InputError for another name, or a decoder that is no LMF conversion.
        """
        self._conversion()
        check_intensity(name)
        if name == "contrast":
            return contrast(self.lr)
        return self._state(self._cell(Grid.over(height, width))).intensity

    def _cell(self, grid: Grid) -> Float[Tensor, "B 1 2"]:
        return self.lr.new_tensor(grid.cell).expand(len(self.lr), 1, 2)

    def _state(
        self, cell: Float[Tensor, "B #Q 2"], window: Window | None = None, prepare: Callable[..., Any] = direct.prepare
    ) -> Any:
        """The state of a window, or of the whole picture."""
        cell, window = clip_cell(cell, self.size), window or Window.whole(self.size)
        if self._prepared is None or self._prepared[1] != window or not torch.equal(self._prepared[0], cell):
            self._prepared = None  # before the next is made
            features = window.within(self.held).of(self.features)
            self._prepared = cell, window, prepare(self.model.decoder, features, cell, self.size)
        return self._prepared[2]

    def _conversion(self, table: Scale2Mod | None = None) -> Conversion:
        """The decoder, found to be one that CMSR, and the table if given, is for."""
        decoder = self.model.decoder
        if not isinstance(decoder, Conversion):
            name = self.model.config["decoder"]["name"]
            raise InputError(
                f"decoder {name!r} has no modulations to go by: CMSR needs one of the LMF conversions (lm-...)"
            )
        if table is not None and self._table is not table:
            table.check(self.model)
            self._table = table
        return decoder


def _values(clamp: bool) -> Values:
    return PIXELS if clamp else UNCLAMPED


def _size(lr: Float[Tensor, "B 3 h w"]) -> tuple[int, int]:
    h, w = lr.shape[-2:]
    return h, w
