"""Scratch memory for tensors that are soon forgotten.

The system clears fresh memory page by page when it is first written, which may take longer than to render what is written.
So one buffer is used again and again.
"""

from math import prod

from torch import Tensor


class Scratch:
    """A reusable buffer of one dtype and device, grown with some slack so that slightly larger requests reuse it."""

    def __init__(self, like: Tensor) -> None:
        """A buffer of the dtype and device of `like`."""
        self.buffer = like.new_empty(0)

    def tensor(self, *shape: int) -> Tensor:
        """A tensor with any values, which overwrites the one that was asked for before."""
        count = prod(shape)
        if self.buffer.numel() < count:
            self.buffer = self.buffer.new_empty(0)  # gone before the next is made
            self.buffer = self.buffer.new_empty(count + count // 8)
        return self.buffer[:count].view(shape)
