"""`Model`, an encoder and a decoder; `ContinuousImage`, a picture encoded once and rendered at any size.

features = encoder(lr)                        once per image
state    = decoder.prepare(features, cell)    once per image and cell
rgb      = decoder.query(state, coords)       once per output pixel        (+ the bilinear LR image, for some methods)

Grids of pixels are rendered by `rendering/`, which divides large pictures and so changes no pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lmf_sr.decoders.base import Decoder
from lmf_sr.encoders import running
from lmf_sr.encoders.base import Encoder
from lmf_sr.errors import InputError
from lmf_sr.geometry import Grid, Region, Size, sample_bilinear
from lmf_sr.lmf.conversion import Conversion
from lmf_sr.normalisation import normalised_batch
from lmf_sr.rendering import pipeline
from lmf_sr.rendering.budget import DEFAULT, Budget
from lmf_sr.rendering.choice import AUTO, choose
from lmf_sr.rendering.renderer import Encoded, MultiScale, Prepared, Renderer
from lmf_sr.rendering.tiling import Window
from lmf_sr.rendering.value_range import picture_range


class Model(nn.Module):
    """An encoder and a decoder, which computes on normalised tensors and is differentiable.

    `lmf_sr.build(**model.config)` makes the same architecture again.
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
            cell: size of the output pixel at each point, or one for all. It is taken as it is, because
                `geometry.clip_cell` is for test time. LMF decoders use the first query's cell of each image.

        Returns:
            Normalised, unclamped RGB.
        """
        if cell.ndim == 1:
            cell = cell.expand(lr.shape[0], 1, 2)
        state = self.decoder.prepare(self.features(lr), cell)
        rgb = self.decoder.query(state, coords)
        return rgb + sample_bilinear(lr, coords) if self.decoder.lr_skip else rgb

    @torch.inference_mode()
    def encode(self, image: Tensor, budget: Budget = DEFAULT) -> ContinuousImage:
        """Encodes a picture, RGB in [0, 1], on the model's device.

        Args:
            image: floats, (3, h, w) or (B, 3, h, w).
            budget: bounds the memory of encoding and rendering, beyond the features of the picture.

        Raises:
            InputError: an image of another shape or type.
        """
        lr = normalised_batch(image, next(self.parameters()))
        window = Window.whole((lr.shape[-2], lr.shape[-1]))
        features = pipeline.encode(self.encoder, lr, window, budget)
        return ContinuousImage(self, Encoded(self.decoder, lr, features, window), budget)

    @torch.inference_mode()
    def stream(
        self,
        image: Tensor,
        height: int,
        width: int,
        clamp: bool = True,
        cmsr: MultiScale | None = None,
        budget: Budget = DEFAULT,
    ) -> Iterator[Float[Tensor, "B 3 n W"]]:
        """The pixels of `encode(image).render(height, width)`, as bands of rows from top to bottom.

        It holds the LR picture, and the features, the state and the pixels of some of its rows, so memory grows with neither
        the height of the picture nor the size of the rendering. That is so for encoders that state a `receptive_halo`.
        The arguments are those of `encode` and `ContinuousImage.render`.
        """
        lr, grid = normalised_batch(image, next(self.parameters())), Grid.over(height, width)
        yield from pipeline.stream(self.encoder, self.decoder, lr, grid, picture_range(clamp), budget, cmsr)

    def features(self, lr: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C h w"]:
        """The encoder's output for normalised pictures, the fastest way (`encoders/running.py`)."""
        return running.encode(self.encoder, lr)

    def conversion(self) -> Conversion:
        """The decoder, for CMSR and all else that only the LMF conversions offer. Raises InputError for a base method."""
        if not self.decoder.is_conversion:
            name = self.config["decoder"]["name"]
            raise InputError(
                f"decoder {name!r} has no modulations, by which CMSR goes: choose an LMF conversion (lm-...)"
            )
        return cast(Conversion, self.decoder)


class ContinuousImage:
    """An encoded picture, which `Model.encode` makes: it is rendered at any size, window or points, any number of times.

    >>> import lmf_sr, torch
    >>> model = lmf_sr.build(encoder="edsr-baseline", decoder="lm-liif")
    >>> image = model.encode(torch.rand(3, 24, 32))
    >>> image.render(60, 80).shape
    torch.Size([1, 3, 60, 80])
    >>> image.render(50, 50, region=(0.25, 0.25, 0.5, 0.5)).shape
    torch.Size([1, 3, 50, 50])
    """

    def __init__(self, model: Model, encoded: Encoded, budget: Budget = DEFAULT) -> None:
        self.model, self.encoded, self.budget = model, encoded, budget

    @property
    def size(self) -> Size:
        """Height and width of the LR picture."""
        return self.encoded.size

    @torch.inference_mode()
    def prepared(self, height: int, width: int) -> ContinuousImage:
        """Prepares the state of a rendering at `height` x `width`, for many windows or points at one scale.

        The picture that is returned holds the state, which takes up to 2 KB per LR position. It serves windows and points at
        that scale or, if it is beyond 4, at any scale beyond 4 of the same aspect. At other scales it is not used.
        """
        cell = self.encoded.cell(Grid.over(height, width))
        prepared = Prepared(cell, self.encoded.state(cell))
        return ContinuousImage(self.model, self.encoded._replace(prepared=prepared), self.budget)

    @torch.inference_mode()
    def render(
        self,
        height: int,
        width: int,
        region: Region = (0.0, 0.0, 1.0, 1.0),
        clamp: bool = True,
        cmsr: MultiScale | None = None,
        renderer: str = AUTO,
    ) -> Float[Tensor, "B 3 H W"]:
        """Renders `height` x `width` pixels of the whole picture or of a window.

        Args:
            region: (top, left, height, width) as fractions of the picture. It may reach over the border, where the
                outermost latents are extrapolated.
            clamp: whether to clamp to [0, 1].
            cmsr: the Scale2Mod table, bound to the model, by which each place is rendered only as finely as it needs beyond
                scale 4 (`cmsr/`).
            renderer: "auto", "direct", "blocked" or "triton" (`rendering/choice.py`); all give the same pixels.

        Returns:
            RGB in [0, 1].

        Raises:
            InputError: a size below 1, an empty region, a renderer that does not cover the decoder on this device, a table
                that is bound to another model.
        """
        grid, chosen = Grid.over(height, width, region), self.renderer(renderer)
        out = self.encoded.lr.new_empty(len(self.encoded.lr), 3, height, width)
        for _ in pipeline.render(self.encoded, grid, chosen, picture_range(clamp), out, cmsr):
            pass
        return out

    def renderer(self, name: str = AUTO) -> Renderer:
        """Chooses the renderer that `render` uses for a name. Raises InputError as `render` does."""
        return choose(name, self.model.decoder, self.encoded.features, self.budget)

    @torch.inference_mode()
    def sample(
        self,
        coords: Float[Tensor, "B Q 2"],
        cell: Float[Tensor, "B #Q 2"] | Float[Tensor, "2"],
        clamp: bool = True,
    ) -> Float[Tensor, "B Q 3"]:
        """RGB in [0, 1] at any number of points (row, column) in [-1, 1], for output pixels of size `cell`."""
        images = len(self.encoded.lr)
        if len(coords) != images:
            raise InputError(f"coords are for {len(coords)} pictures, but {images} were encoded")
        cell = cell if cell.ndim == 3 else cell.expand(images, 1, 2)
        return pipeline.sample(self.encoded, coords, cell, picture_range(clamp), self.budget)

    @torch.inference_mode()
    def intensity(self, height: int, width: int) -> Float[Tensor, "B h w"]:
        """The modulation intensity at each LR position, where the picture is rendered at this size (`LMFState`).

        Raises InputError for a decoder that is no LMF conversion.
        """
        self.model.conversion()
        return self.encoded.state(self.encoded.cell(Grid.over(height, width))).intensity
