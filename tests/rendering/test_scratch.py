"""Memory that is used again."""

import torch

from lmf_sr.rendering.scratch import Scratch


def test_it_is_used_again() -> None:
    scratch = Scratch(torch.empty(1, dtype=torch.float64))
    first = scratch.tensor(8, 10, 100)
    assert (first.shape, first.dtype) == ((8, 10, 100), torch.float64)
    assert scratch.tensor(80, 100).data_ptr() == first.data_ptr()
    assert scratch.tensor(3, 5).data_ptr() == first.data_ptr()
    assert scratch.tensor(90, 100).data_ptr() == first.data_ptr()  # a little larger


def test_it_grows() -> None:
    scratch = Scratch(torch.empty(1))
    scratch.tensor(3)
    large = scratch.tensor(1000, 1000)
    large.fill_(1.0)
    assert large.sum() == 10**6
