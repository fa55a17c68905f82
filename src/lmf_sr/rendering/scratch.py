"""Memory for tensors that are soon forgotten, to be used again and again: the system clears fresh memory when it is first
written, page by page, which may take longer than to render what is written."""

from math import prod

from torch import Tensor


class Memory:
    """Of one type and device, a little larger than the largest tensor asked for: the next may be a little larger."""

    def __init__(self, like: Tensor) -> None:
        self.held = like.new_empty(0)

    def tensor(self, *shape: int) -> Tensor:
        """With any values; overwrites the tensor last asked for."""
        count = prod(shape)
        if self.held.numel() < count:
            self.held = self.held.new_empty(0)  # gone before the next is made
            self.held = self.held.new_empty(count + count // 8)
        return self.held[:count].view(shape)
