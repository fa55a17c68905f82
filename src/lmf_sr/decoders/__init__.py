"""Base methods: decoders that evaluate a large MLP four times for every output pixel. `prepare` is nearly nothing."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn


class Decoder(nn.Module):
    """The contract of every decoder, base method or conversion. Constructed with the encoder's `out_dim` as `in_dim`."""

    lr_skip: bool
    """Whether the method adds the bilinear LR image to its output; the model and the renderers do it."""

    def prepare(self, features: Float[Tensor, "B C h w"], cell: Float[Tensor, "B #Q 2"]) -> Any:
        """Once per image and cell, at LR resolution: all that queries share, a NamedTuple of tensors."""
        raise NotImplementedError

    def query(self, state: Any, coords: Float[Tensor, "B Q 2"]) -> Float[Tensor, "B Q 3"]:
        """Once per output pixel: normalised RGB, without the LR skip."""
        raise NotImplementedError
