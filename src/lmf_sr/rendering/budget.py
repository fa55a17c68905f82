"""The memory that rendering takes at once: every size in bytes, in one place.

A picture is encoded in tiles, prepared in strips and rendered in bands (`tiling.py`, `pipeline.py`), which changes no pixel.
A `Budget` bounds what is held at once. Its sizes are of two kinds:

    bounded by memory    tile, features, states, reused, band        `Budget.from_memory` fits them to a memory
    fitted to caches     band_latents, band_pixels, queries, block   larger would be slower, whatever the memory

The whole LR picture and, where a rendering is returned as one tensor, its pixels come on top.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from lmf_sr.encoders.base import Encoder
from lmf_sr.errors import InputError

STATE = 2048  # bytes of state per LR position, at most
QUERY = 4 * 256 * 4  # bytes of a layer 256 wide at the four corners of a query
PIXEL = 3 * 4  # bytes of a pixel in float32
LARGEST_TILE = 2**19  # LR positions; a larger tile encodes hardly less twice
PYTHON = 400 * 2**20  # bytes that Python and PyTorch take for themselves
LEAST = 600 * 2**20  # bytes in all, below which halos would be most of what is encoded


@dataclass(frozen=True)
class Budget:
    """Bytes that each step may hold at once.

    tile: an encoder's activations in one tile. A tile has at most `LARGEST_TILE` positions, for which EDSR-baseline takes
        0.4 to 0.7 GB, RDN 6 GB and SwinIR 8 GB.
    features: the features that a stream holds (`Model.stream`), 2^20 positions of 64 channels.
    states: the states of a strip, 2^18 positions.
    reused: the states of a strip where they are made in memory that is used again, 2^16 positions: small enough that the
        cache keeps a part of it.
    band: the pixels of a band, 2^22 of them.
    band_latents: the latents of a band of the compiled path from features, which stay in cache until they are rendered.
    band_pixels: the pixels of such a band.
    queries_on_cpu: a hidden layer of a chunk of queries. malloc keeps up to 32 MB for the next layer; more is given back to
        the system, which clears it, page by page, when it is written again: LIIF takes 1.7 times as long with 64 MB.
    queries_on_gpu: the same on a GPU.
    block: a hidden layer of the blocks that PyTorch renders together, at their four corners.
    """

    tile: int = 8 * 2**30
    features: int = 2**28
    states: int = 2**29
    reused: int = 2**27
    band: int = 2**22 * PIXEL
    band_latents: int = 10_000 * 832
    band_pixels: int = 2**19 * PIXEL
    queries_on_cpu: int = 8 * 2**20
    queries_on_gpu: int = 64 * 2**20
    block: int = 2**20

    @classmethod
    def from_memory(cls, memory: int) -> Budget:
        """The budget with which a process that streams a picture stays within `memory` bytes, the picture itself aside.

        More memory than the default budget needs goes to the features of a stream, whose strips then overlap less.

        Raises:
            InputError: less than `LEAST`.
        """
        if memory < LEAST:
            raise InputError(
                f"{memory / 2**20:.0f} MB of memory are too little: Python and PyTorch take {PYTHON / 2**20:.0f} MB, "
                f"so give at least {LEAST / 2**20:.0f} MB"
            )
        rest = memory - PYTHON
        return cls(
            tile=rest // 2,
            features=rest // 8,
            states=min(rest // 8, cls.states),
            reused=min(rest // 16, cls.reused),
            band=min(rest // 32, cls.band),
        )

    @classmethod
    def parse(cls, text: str) -> Budget:
        """`from_memory` of a size such as `800MB` or `4GB`. Raises InputError for anything else."""
        size = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG])i?B?", text, re.IGNORECASE)
        if size is None:
            raise InputError(f"{text!r} is no size of memory: it must be like 800MB or 4GB")
        return cls.from_memory(int(float(size[1]) * 2 ** {"M": 20, "G": 30}[size[2].upper()]))

    def tile_positions(self, encoder: Encoder, images: int) -> int:
        """The LR positions of a tile, halo included, where as many `images` are encoded together."""
        return max(min(self.tile // encoder.activation_bytes, LARGEST_TILE) // images, 1)

    def stream_positions(self, encoder: Encoder, lr: Float[Tensor, "B 3 h w"]) -> int:
        """The LR positions whose features a stream holds."""
        return max(self.features // (len(lr) * encoder.out_dim * lr.element_size()), 1)

    def queries(self, lr: Float[Tensor, "B 3 h w"]) -> int:
        """The queries of each image that make a chunk."""
        return max((self.queries_on_cpu if lr.device.type == "cpu" else self.queries_on_gpu) // QUERY // len(lr), 1)


DEFAULT = Budget()
