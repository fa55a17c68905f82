"""CiaoSR's attention over the four corners."""

import pytest
import torch

from lmf_sr.decoders.ciaosr import CiaoSR, attend, corner_reach, gather3x3
from lmf_sr.decoders.layers import unfold3x3
from lmf_sr.geometry import gather


def test_corners_are_looked_for_at_the_distance_of_the_authors() -> None:
    reach = corner_reach(torch.tensor([[0.1, 0.2]]), (5, 3))
    torch.testing.assert_close(reach, torch.tensor([[0.9 / 4, 0.8 / 2]]))


def test_one_latent_along_an_axis_is_all_four_corners() -> None:
    reach = corner_reach(torch.tensor([[1.0, 2.0]]), (1, 1))
    assert reach.isfinite().all()


def test_neighbourhoods_are_read_from_the_padded_features() -> None:
    features = torch.randn(2, 3, 4, 5)
    padded = torch.nn.functional.pad(features, (1, 1, 1, 1)).permute(0, 2, 3, 1)
    at = torch.arange(20).expand(2, -1)
    torch.testing.assert_close(gather3x3(padded, at), gather(unfold3x3(features), at))


def test_attention_sums_to_one_and_prefers_the_likelier_corner() -> None:
    keys = torch.eye(4)
    query = torch.tensor([[0.0, 0.0, 30.0, 0.0]])
    z = attend(query, lambda t: keys[t : t + 1], lambda t: torch.tensor([[float(t), 1.0]]))
    torch.testing.assert_close(z, torch.tensor([[2.0, 1.0]]))


def test_all_queries_look_as_far_as_the_first() -> None:
    """That holds within each image. Their cells still differ as inputs of the MLPs."""
    torch.manual_seed(0)
    ciaosr = CiaoSR(in_dim=4, width=8, depth=2).double()
    features = torch.randn(2, 4, 6, 5, dtype=torch.float64)
    cell = torch.rand(2, 3, 2, dtype=torch.float64)
    state = ciaosr.prepare(features, cell)
    torch.testing.assert_close(state.reach, (1 - cell[:, 0]) / torch.tensor([5.0, 4.0]))
    assert state.cell.shape == (2, 3, 2)


@pytest.mark.parametrize("lr_size", [(1, 1), (1, 6), (5, 1)])
def test_one_pixel_wide_images(lr_size: tuple[int, int]) -> None:
    ciaosr = CiaoSR(in_dim=4, width=8, depth=2)
    state = ciaosr.prepare(torch.randn(1, 4, *lr_size), torch.tensor([[[1.0, 0.3]]]))
    assert ciaosr.query(state, torch.rand(1, 20, 2) * 2 - 1).isfinite().all()
