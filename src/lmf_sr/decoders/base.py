"""The contract of every decoder, base method or LMF conversion: features and a query to RGB, in two steps.

    state = decoder.prepare(features, cell)       once per image and cell, at LR resolution
    rgb   = decoder.query(state, coords)          once per output pixel, without the LR skip

The attributes say what the rest of the program may do with a decoder. Nothing else asks for its class or its name.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn


class Decoder(nn.Module):
    """A subclass is constructed with the encoder's `out_dim` as `in_dim`, and with its options by name."""

    lr_skip: bool
    """Whether the method adds the bilinear LR image to its output; the model and the renderers do it."""
    receptive_halo: int = 1
    """Positions around a window of the features beyond which nothing influences its state: here those of U(F)."""
    tile_multiple: int = 1
    """The grid of positions on which windows have to start and end for their states to be those of the whole picture."""
    ensemble: bool = True
    """Whether a query combines the four latents around it; else it sees the nearest."""
    is_conversion: bool = False
    """Whether it is an LMF conversion (`lmf/conversion.py`), whose state holds modulations, by which CMSR goes."""
    original: str | None = None
    """The name of the method that it converts; None for a base method."""

    @property
    def has_kernel(self) -> bool:
        """Whether the compiled and the GPU renderer know its render MLP."""
        return False

    @property
    def has_latent_kernel(self) -> bool:
        """Whether the compiled renderer knows its latent MLP too, and so can go without states."""
        return False

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> Any:
        """Makes the state, a NamedTuple of tensors that holds all that queries share.

        Args:
            features: the encoder's output.
            cell: the size of an output pixel, for each query or one for all of an image.
        """
        raise NotImplementedError

    def prepare_window(
        self, features: Float[Tensor, "B C n m"], cell: Float[Tensor, "B #Q 2"], lr_size: tuple[int, int]
    ) -> Any:
        """`prepare`, from a window of the features of a picture of `lr_size`; coordinates are then those of the window."""
        return self.prepare(features, in_window(cell, lr_size, features))

    def query(self, state: Any, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        """Normalised RGB at points (row, column) in [-1, 1], without the LR skip."""
        raise NotImplementedError

    def of_queries(self, state: Any, queries: slice) -> Any:
        """The state for some of the queries, for a state that holds something for each query."""
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
