"""Winograd's transform of a kernel."""

import pytest
import torch

from lmf_sr.kernels.winograd import transform_matrix, transformed


@pytest.mark.parametrize("m", [2, 4])
def test_each_kernel_is_transformed(m: int) -> None:
    kernel = torch.rand(5, 4, 3, 3)
    G = transform_matrix(m)
    expected = (G @ kernel.double() @ G.T).permute(2, 3, 1, 0).flatten(0, 1).float()
    torch.testing.assert_close(transformed(kernel, m), expected)
