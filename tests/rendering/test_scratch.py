"""Memory that is used again."""

import torch


def test_it_is_used_again() -> None:
    memory = Scratch(torch.empty(1, dtype=torch.float64))
    first = memory.tensor(8, 10, 100)
    assert (first.shape, first.dtype) == ((8, 10, 100), torch.float64)
    assert memory.tensor(80, 100).data_ptr() == first.data_ptr()
    assert memory.tensor(3, 5).data_ptr() == first.data_ptr()
    assert memory.tensor(90, 100).data_ptr() == first.data_ptr()  # a little larger


def test_it_grows() -> None:
    memory = Scratch(torch.empty(1))
    memory.tensor(3)
    large = memory.tensor(1000, 1000)
    large.fill_(1.0)
    assert large.sum() == 10**6
