"""Model and ContinuousImage: the contract of the library."""

import pytest
import torch

import lmf_sr
from lmf_sr.errors import InputError
from lmf_sr.geometry import Grid
from lmf_sr.model import Model
from lmf_sr.rendering.budget import QUERY, Budget

TINY = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}


@pytest.fixture(scope="module", params=["liif", "lm-liif"])
def model(request: pytest.FixtureRequest) -> Model:
    torch.manual_seed(0)
    return lmf_sr.build(TINY, request.param).eval()


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return torch.rand(2, 3, 7, 11, generator=torch.Generator().manual_seed(1))


def test_render_is_the_model_on_a_grid(model: Model, picture: torch.Tensor) -> None:
    grid = Grid.over(16, 25)
    coords = grid.coords().float().expand(2, -1, -1)
    rgb = model(picture * 2 - 1, coords, torch.tensor(grid.cell)).detach() * 0.5 + 0.5
    rendered = model.encode(picture).render(16, 25, clamp=False)
    torch.testing.assert_close(rendered.flatten(2).transpose(1, 2), rgb, atol=1e-5, rtol=0)


def test_chunks_do_not_show(model: Model, picture: torch.Tensor) -> None:
    whole = model.encode(picture).render(20, 31, renderer="direct")
    in_chunks = model.encode(picture, Budget(queries_on_cpu=7 * QUERY)).render(20, 31, renderer="direct")
    torch.testing.assert_close(in_chunks, whole, atol=1e-6, rtol=0)


def test_a_region_is_a_window_of_the_whole(model: Model, picture: torch.Tensor) -> None:
    image = model.encode(picture)
    whole = image.render(28, 44)
    window = image.render(14, 11, region=(0.25, 0.5, 0.5, 0.25))
    torch.testing.assert_close(window, whole[..., 7:21, 22:33], atol=1e-5, rtol=0)


def test_sample_reads_what_render_draws(model: Model, picture: torch.Tensor) -> None:
    """That holds at any scale, because both clip the cell beyond x4."""
    image = model.encode(picture)
    grid = Grid.over(70, 66)
    sampled = image.sample(grid.coords().float().expand(2, -1, -1), torch.tensor(grid.cell))
    torch.testing.assert_close(sampled.transpose(1, 2).view(2, 3, 70, 66), image.render(70, 66), atol=1e-5, rtol=0)


def test_a_picture_without_batch_axis(model: Model, picture: torch.Tensor) -> None:
    single = model.encode(picture[0]).render(10, 10)
    assert single.shape == (1, 3, 10, 10)
    torch.testing.assert_close(single[0], model.encode(picture).render(10, 10)[0], atol=1e-6, rtol=0)


def test_images_of_a_batch_do_not_mix(model: Model, picture: torch.Tensor) -> None:
    changed = torch.stack([picture[0], 1 - picture[1]])
    before, after = model.encode(picture).render(9, 9), model.encode(changed).render(9, 9)
    torch.testing.assert_close(before[0], after[0], atol=1e-6, rtol=0)
    assert not torch.allclose(before[1], after[1])


def test_a_zoom_encodes_once(model: Model, picture: torch.Tensor) -> None:
    calls = []
    hook = model.encoder.register_forward_hook(lambda *_: calls.append(1))
    image = model.encode(picture)
    for top in (0.0, 0.25, 0.5):
        image.render(8, 8, region=(top, 0.0, 0.5, 0.5))
    hook.remove()
    assert len(calls) == 1


@pytest.mark.parametrize("decoder", ["liif", "lte", "ciaosr", "lm-liif", "lm-lte", "lm-ciaosr"])
def test_a_prepared_picture(decoder: str, picture: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows and points at its scale, and all beyond scale 4, need no state of their own; pixels are the same."""
    torch.manual_seed(0)
    model = lmf_sr.build(TINY, decoder).eval()
    image, cell = model.encode(picture), torch.tensor([2 / 35, 2 / 55])
    coords = torch.rand(2, 9, 2) * 2 - 1
    expected = [image.render(70, 110), image.render(28, 44, (0.2, 0.3, 0.4, 0.4)), image.sample(coords, cell)]
    at_another_scale = image.render(14, 22)
    prepared = image.prepared(35, 55)
    torch.testing.assert_close(prepared.render(14, 22), at_another_scale, atol=0, rtol=0)
    monkeypatch.setattr(model.decoder, "prepare_window", lambda *_: pytest.fail("prepared again"))
    found = [prepared.render(70, 110), prepared.render(28, 44, (0.2, 0.3, 0.4, 0.4)), prepared.sample(coords, cell)]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_clamping(model: Model, picture: torch.Tensor) -> None:
    loud = Model(model.encoder, model.decoder, model.config)
    image = loud.encode(picture * 100)
    free = image.render(8, 8, clamp=False)
    assert free.abs().max() > 1
    assert torch.equal(image.render(8, 8), free.clamp(0, 1))


def test_one_pixel(model: Model) -> None:
    assert model.encode(torch.rand(3, 1, 1)).render(5, 3).isfinite().all()


def test_the_model_is_differentiable(model: Model) -> None:
    lr = torch.rand(1, 3, 6, 6)
    model(lr, torch.rand(1, 20, 2), torch.tensor([0.1, 0.1])).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    model.zero_grad(set_to_none=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("decoder", ["liif", "lte", "ciaosr", "lm-liif", "lm-lte", "lm-ciaosr"])
def test_a_model_of_16_bits(decoder: str, dtype: torch.dtype, picture: torch.Tensor) -> None:
    torch.manual_seed(0)
    model = lmf_sr.build(TINY, decoder).eval()
    expected = model.encode(picture).render(20, 31)
    found = model.to(dtype).encode(picture).render(20, 31)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, atol=2 * torch.finfo(dtype).eps, rtol=0)


def test_sample_names_a_batch_that_does_not_fit(model: Model, picture: torch.Tensor) -> None:
    with pytest.raises(InputError, match="coords are for 3 pictures, but 2"):
        model.encode(picture).sample(torch.zeros(3, 4, 2), torch.tensor([0.1, 0.1]))


@pytest.mark.parametrize("decoder", ["liif", "lte", "ciaosr", "lm-liif", "lm-lte"])
def test_sampling_in_chunks_does_not_show(decoder: str, picture: torch.Tensor) -> None:
    """The cell is one for all queries, one for each image, or one for each query."""
    torch.manual_seed(0)
    model = lmf_sr.build(TINY, decoder).eval()
    image, in_chunks = model.encode(picture), model.encode(picture, Budget(queries_on_cpu=14 * QUERY))
    coords = torch.rand(2, 30, 2) * 2 - 1
    for cell in (torch.tensor([0.1, 0.2]), torch.rand(2, 1, 2) * 0.2, torch.rand(2, 30, 2) * 0.2):
        torch.testing.assert_close(in_chunks.sample(coords, cell), image.sample(coords, cell), atol=1e-6, rtol=0)


def test_sample_in_float32_reads_what_render_draws_of_a_long_picture(model: Model) -> None:
    """The scale is 3, at which every third pixel is centred on a latent."""
    image, grid = model.encode(torch.rand(3, 1, 1500)), Grid.over(3, 4500)
    sampled = image.sample(grid.coords().float()[None], torch.tensor(grid.cell))
    torch.testing.assert_close(sampled.transpose(1, 2).view(1, 3, 3, 4500), image.render(3, 4500), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (
            torch.zeros(3, 8, 8, dtype=torch.uint8),
            r"not torch\.uint8: convert it, 8 bits as image / 255",
        ),
        (torch.zeros(8, 8), r"\(3, h, w\), or \(B, 3, h, w\) for several, not \(8, 8\)"),
        (torch.zeros(1, 8, 8), r"not \(1, 8, 8\)"),
        (torch.zeros(8, 8, 3), r"not \(8, 8, 3\)"),
        (torch.zeros(1, 2, 3, 8, 8), r"not \(1, 2, 3, 8, 8\)"),
        (torch.zeros(3, 0, 8), r"not \(3, 0, 8\)"),
    ],
)
def test_what_is_no_picture_is_refused(model: Model, picture: torch.Tensor, told: str) -> None:
    with pytest.raises(InputError, match=told):
        model.encode(picture)
    with pytest.raises(InputError, match=told):
        next(model.stream(picture, 9, 9))
