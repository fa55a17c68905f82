"""Base methods: decoders that evaluate a large MLP four times for every output pixel. `prepare` is nearly nothing."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn


class Decoder(nn.Module):
    """The contract of every decoder, base method or conversion. Constructed with the encoder's `out_dim` as `in_dim`."""

    lr_skip: bool
    """Whether the method adds the bilinear LR image to its output; the model and the renderers do it."""
    receptive_halo: int = 1
    """Positions around a window of the features beyond which nothing influences its state: here those of U(F)."""
    tile_multiple: int = 1
    """The grid of positions on which windows have to start and end for their states to be those of the whole picture."""

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> Any:
        """Once per image and cell, at LR resolution: all that queries share, a NamedTuple of tensors."""
        raise NotImplementedError

    def prepare_window(
        self, features: Float[Tensor, "B C n m"], cell: Float[Tensor, "B #Q 2"], lr_size: tuple[int, int]
    ) -> Any:
        """`prepare`, from a window of the features of a picture of `lr_size`; coordinates are then those of the window."""
        return self.prepare(features, in_window(cell, lr_size, features))

    def query(self, state: Any, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        """Once per output pixel: normalised RGB, without the LR skip."""
        raise NotImplementedError

    def of_queries(self, state: Any, queries: slice) -> Any:
        """The state for some of the queries: a part of what it holds for each query, if anything."""
        return state


def for_queries(x: Float[Tensor, "B #Q k"], queries: slice) -> Float[Tensor, "B #q k"]:
    """The part of `x` for some of the queries; `x` itself where it is one for all."""
    return x if x.shape[1] == 1 else x[:, queries]


def in_window(
    extent: Float[Tensor, "*N 2"], lr_size: tuple[int, int], features: Float[Tensor, "B C n m"]
) -> Float[Tensor, "*N 2"]:
    """Extents, (row, column), in a picture of `lr_size`, where a window of its features is all there is."""
    n, m = features.shape[-2:]
    return extent * extent.new_tensor((lr_size[0] / n, lr_size[1] / m))
