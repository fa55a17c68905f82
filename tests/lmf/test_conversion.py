"""The part that the three conversions share: the state of an image at one cell, and the render MLP that reads it."""

import pytest
import torch
from torch import Tensor

from lmf_sr.building import build
from lmf_sr.errors import InputError
from lmf_sr.geometry import relative_cell
from lmf_sr.kernels.bindings import why_not_compiled
from lmf_sr.lmf.conversion import Conversion, LinearFirst, RenderOptions
from lmf_sr.model import Model

CHANNELS = 4


@pytest.fixture(params=["lm-liif", "lm-lte", "lm-ciaosr"])
def conversion(request: pytest.FixtureRequest) -> Conversion:
    torch.manual_seed(0)
    encoder = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": CHANNELS}
    return build(encoder, {"name": request.param, "depth": 3, "width": 4}).decoder.double().eval()


@pytest.fixture
def features() -> Tensor:
    return torch.randn(2, CHANNELS, 5, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def cell() -> Tensor:
    return torch.tensor([[[0.1, 0.2]], [[0.3, 0.05]]], dtype=torch.float64)


def test_fresh_modulations_are_small_but_vary(conversion: Conversion, features: Tensor, cell: Tensor) -> None:
    """The render MLP thereby begins nearly as an MLP of its own."""
    alpha, beta, code = conversion.parts(conversion.latents(features, relative_cell(cell[:, 0], (5, 7))))
    for modulation in (alpha, beta):
        assert 0 < modulation.std() < 0.1
        assert modulation.abs().mean() < code.abs().mean() / 3


def at_lr(conversion: Conversion, code: Tensor, cell: Tensor) -> tuple[Tensor | None, Tensor]:
    """The part of the first layer that is known at LR, and the code that is left for HR."""
    if (part := conversion.first_layer_at_lr(cell)) is None:
        return None, code
    weight, bias = part
    known = code @ weight.T
    return known if bias is None else known + bias[:, None, None], code[..., :0]


@torch.no_grad()
def test_a_state_is_gain_offset_and_code(conversion: Conversion, features: Tensor, cell: Tensor) -> None:
    """gain = 1 + alpha, and the offset holds the biases and whatever of the input is known at LR."""
    d = conversion
    state = d.prepare(features, cell)
    gain, offset, kept = d.split_modulations(state.modulations)
    relative = relative_cell(cell[:, 0], (5, 7))
    alpha, beta, code = d.latents(features, relative).split([12, 12, d.code_dim], dim=-1)
    torch.testing.assert_close(gain, 1 + alpha.unflatten(-1, (3, 4)))
    strengths = torch.stack([x.abs().unflatten(-1, (3, 4)).mean(-1) for x in (alpha, beta)], dim=-2)
    torch.testing.assert_close(state.strengths, strengths)
    torch.testing.assert_close(state.intensity, beta.abs().mean(-1))
    torch.testing.assert_close(state.cell, relative)
    known, left = at_lr(d, code, relative)
    torch.testing.assert_close(kept, left)
    bias = torch.stack([layer.bias for layer in d.render_mlp.linears[:-1]]).expand_as(gain).clone()
    if known is not None:
        bias[..., 0, :] += known
    torch.testing.assert_close(offset, gain * bias + beta.unflatten(-1, (3, 4)))


@torch.no_grad()
def test_the_first_layer_is_split_between_lr_and_hr(conversion: Conversion, features: Tensor, cell: Tensor) -> None:
    d = conversion
    relative = relative_cell(cell[:, 0], (5, 7))
    code = d.latents(features, relative)[..., -d.code_dim :]
    rel = torch.rand(2, 5, 7, 2, dtype=torch.float64) * 2 - 1
    known, left = at_lr(d, code, relative)
    at_hr = d.input_at_hr(left, rel, relative[:, None, None]) @ d.render_weights[0].T
    whole = d.render_input(code, rel, relative[:, None, None]) @ d.render_mlp.linears[0].weight.T
    torch.testing.assert_close(at_hr if known is None else known + at_hr, whole)


@torch.no_grad()
def test_all_queries_of_an_image_take_the_cell_of_its_first(
    conversion: Conversion, features: Tensor, cell: Tensor
) -> None:
    state = conversion.prepare(features, torch.cat([cell, torch.rand(2, 5, 2, dtype=torch.float64)], dim=1))
    torch.testing.assert_close(state.modulations, conversion.prepare(features, cell).modulations)


@torch.no_grad()
def test_images_of_a_batch_do_not_mix(conversion: Conversion, features: Tensor, cell: Tensor) -> None:
    coords = torch.rand(2, 11, 2, dtype=torch.float64) * 2 - 1
    both = conversion.query(conversion.prepare(features, cell), coords)
    second = conversion.query(conversion.prepare(features[1:], cell[1:]), coords[1:])
    torch.testing.assert_close(both[1:], second)


def test_the_latent_mlp_is_as_wide_as_its_output_unless_told(conversion: Conversion) -> None:
    outputs = 2 * 3 * 4 + conversion.code_dim
    assert [layer.out_features for layer in conversion.latent_mlp.linears] == [outputs, outputs]


@pytest.mark.parametrize(
    ("option", "latent", "code"),
    [
        ({}, 208, 16),
        ({"modulation": "scale"}, 112, 16),
        ({"modulation": "shift"}, 112, 16),
        ({"code_dim": None}, 192, 576),
        ({"ensemble": False}, 208, 16),
    ],
)
def test_the_parameters_of_lm_liif_follow_from_what_is_left_of_it(option: dict, latent: int, code: int) -> None:
    d = build(decoder={"name": "lm-liif", **option}).decoder
    expected = (578 + 1) * latent + (latent + 1) * latent + (code + 5) * 16 + 5 * 17 * 16 + 17 * 3
    assert sum(parameter.numel() for parameter in d.parameters()) == expected


def test_without_the_ensemble_a_query_sees_the_nearest_latent_alone() -> None:
    d = build({"name": "edsr-baseline", "n_feats": CHANNELS}, {"name": "lm-liif", "ensemble": False}).decoder
    features, cell = torch.rand(1, CHANNELS, 4, 4), torch.full((1, 1, 2), 0.1)
    state = d.prepare(features, cell)
    rows = state.modulations.clone()
    rows[0, 1, 2] += 1
    coords = torch.tensor([[[-0.25, 0.25], [-0.45, 0.05], [0.05, 0.25], [-0.25, -0.05]]])
    changed = d.query(state, coords) != d.query(state._replace(modulations=rows), coords)
    assert changed.any(-1).tolist() == [[True, True, False, False]]


def test_an_unknown_modulation_is_refused() -> None:
    with pytest.raises(InputError, match="there is no modulation 'none'; choose one of both, scale, shift"):
        build(decoder={"name": "lm-liif", "modulation": "none"})


def test_lm_ciaosr_in_bands_is_lm_ciaosr_at_once(features: Tensor, cell: Tensor) -> None:
    torch.manual_seed(0)
    d = build({"name": "edsr-baseline", "n_feats": CHANNELS}, "lm-ciaosr").decoder.double()
    with torch.no_grad():
        at_once = d.prepare(features, cell).modulations
        d.positions_at_once = 30
        torch.testing.assert_close(d.prepare(features, cell).modulations, at_once)


class MadeUp(LinearFirst):
    """A conversion that nothing else knows of: its latent MLP reads the features where it is."""

    lr_skip = True
    sees_cell = False

    def __init__(self, in_dim: int, **options: int) -> None:
        shared = RenderOptions(**{"depth": 3, "code_dim": 8, **options})
        super().__init__(latent_dim=in_dim, own_code_dim=in_dim, options=shared)

    def latents(self, features: Tensor, cell: Tensor) -> Tensor:
        return self.latent_mlp(features.permute(0, 2, 3, 1))


@pytest.mark.parametrize(
    ("width", "form"),
    [
        (16, "compiled, from the state on"),
        (8, "PyTorch: the compiled kernel is for float32 and width 16"),
    ],
)
def test_a_made_up_conversion_gets_the_compiled_renderer_where_its_input_allows(width: int, form: str) -> None:
    if why_not_compiled() is not None:
        pytest.skip(f"SKIPPED FOR LACK OF A COMPILER: {why_not_compiled()}")
    torch.manual_seed(0)
    encoder = build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": CHANNELS}).encoder
    image = Model(encoder, MadeUp(CHANNELS, width=width), {}).eval().encode(torch.rand(3, 6, 7))
    assert image.renderer().form == form
    torch.testing.assert_close(image.render(17, 23), image.render(17, 23, renderer="direct"), atol=2e-5, rtol=0)


def test_options_are_given_by_name() -> None:
    with pytest.raises(TypeError, match="positional"):
        type(build(decoder="lm-liif").decoder)(CHANNELS, 8)
