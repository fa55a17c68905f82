"""The authors' outputs on random weights (see golden/README.md): what decides whether a method is right."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import lmf_sr
from lmf_sr.geometry import Grid
from lmf_sr.model import Model
from lmf_sr.plain import plain_form

GOLDEN = Path(__file__).parent / "golden"
INDEX = json.loads((GOLDEN / "index.json").read_text())
METHODS = ["liif", "lte", "ciaosr", "lmliif", "lmlte", "lmciaosr"]
CONVERSIONS = ["lmliif", "lmlte", "lmciaosr"]
TOLERANCE = 1e-5  # absolute
CASES = [(m, c) for m in METHODS for c in INDEX[m]["cases"] if not c.startswith("cmsr")]


@pytest.fixture(scope="module", params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    return request.param


def golden(method: str, request: pytest.FixtureRequest) -> tuple[Model, dict[str, torch.Tensor]]:
    """The model and its vectors. CiaoSR's are too large to be kept here, and are read beside the checkout."""
    folder = GOLDEN if method != "ciaosr" else request.getfixturevalue("shared") / "golden"
    return lmf_sr.load(folder / f"{method}.pth"), load_file(folder / f"{method}.safetensors")


def inner(height: int, width: int, lr_size: tuple[int, int]) -> torch.Tensor:
    """A mask of the pixels further than one LR pixel from the border, where case x3 is compared."""
    grid = Grid.over(height, width)
    rows, cols = grid.rows.abs() < 1 - 2 / lr_size[0], grid.cols.abs() < 1 - 2 / lr_size[1]
    return torch.outer(rows, cols).flatten()


@pytest.mark.parametrize("form", ["factored", "plain"])
@pytest.mark.parametrize(("method", "case"), CASES)
def test_pixels(method: str, case: str, form: str, request: pytest.FixtureRequest) -> None:
    model, data = golden(method, request)
    if form == "plain":
        model.decoder = plain_form(model.decoder)
    about = INDEX[method]["cases"][case]
    lr, expected = data[f"{case}.lr"], data[f"{case}.rgb"]
    if about["query"] == "points":
        coords, cell = data[f"{case}.coord"], data[f"{case}.cell"]
        keep = torch.ones(coords.shape[1], dtype=torch.bool)
    else:
        grid = Grid.over(about["height"], about["width"])
        coords = grid.coords().expand(lr.shape[0], -1, -1)
        cell = torch.tensor(grid.cell) * about["cell_scale"]
        keep = inner(*grid.size, lr.shape[-2:]) if case == "x3" else torch.ones(len(grid.coords()), dtype=torch.bool)
    with torch.no_grad():
        rgb = model(lr, coords, cell)
    torch.testing.assert_close(rgb[:, keep], expected[:, keep], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("case", ["x2", "odd", "x8"])
def test_render_is_what_the_authors_test_with(method: str, case: str, request: pytest.FixtureRequest) -> None:
    """Grid, cell and its clipping come out of `render` as the authors' test script makes them."""
    model, data = golden(method, request)
    about = INDEX[method]["cases"][case]
    rendered = model.encode(data[f"{case}.lr"] * 0.5 + 0.5).render(about["height"], about["width"], clamp=False)
    expected = data[f"{case}.rgb"].transpose(1, 2).view_as(rendered) * 0.5 + 0.5
    torch.testing.assert_close(rendered, expected, atol=TOLERANCE, rtol=0)


def test_features(method: str, request: pytest.FixtureRequest) -> None:
    model, data = golden(method, request)
    with torch.no_grad():
        features = model.encoder(data["features.lr"])
    torch.testing.assert_close(features, data["features.out"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("method", CONVERSIONS)
def test_latents(method: str, request: pytest.FixtureRequest) -> None:
    model, data = golden(method, request)
    lr = data["x3.lr"]
    cell = torch.full((len(lr), 2), 2 / 3)
    with torch.no_grad():
        latents = model.decoder.latents(model.encoder(lr), cell)
    torch.testing.assert_close(latents.permute(0, 3, 1, 2), data["x3.latents"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("case", ["cmsr_x6", "cmsr_x8"])
@pytest.mark.parametrize("method", CONVERSIONS)
def test_intensity(method: str, case: str, request: pytest.FixtureRequest) -> None:
    model, data = golden(method, request)
    about, lr = INDEX[method]["cases"][case], data[f"{case}.lr"]
    cell = torch.tensor([[[2 / about["height"], 2 / about["width"]]]]) * about["cell_scale"]
    with torch.no_grad():
        state = model.decoder.prepare(model.encoder(lr), cell)
    torch.testing.assert_close(state.intensity, data[f"{case}.intensity"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("method", ["ciaosr", "lmciaosr"])
def test_cross_scale_attention(method: str, request: pytest.FixtureRequest) -> None:
    model, data = golden(method, request)
    with torch.no_grad():
        found = model.decoder.cross_scale(model.encoder(data["nonlocal.lr"]))
    torch.testing.assert_close(found, data["nonlocal.out"], atol=TOLERANCE, rtol=0)


def test_decoder_parameters(method: str, request: pytest.FixtureRequest) -> None:
    model, _ = golden(method, request)
    assert sum(p.numel() for p in model.decoder.parameters()) == INDEX[method]["decoder_params"]


@pytest.mark.parametrize(("encoder", "ours"), [("rdn", "rdn-small"), ("swinir", "swinir")])
def test_checkpoints_with_other_encoders(encoder: str, ours: str, shared: Path, tmp_path: Path) -> None:
    """The authors' encoders are kept without a decoder, so they get LM-LIIF's here."""
    content = torch.load(GOLDEN / "lmliif.pth", weights_only=True)
    theirs = torch.load(shared / "golden" / "encoders" / f"{encoder}.pth", weights_only=True)["model"]
    data = load_file(shared / "golden" / "encoders" / f"{encoder}.safetensors")
    decoder = {name: weight for name, weight in content["model"]["sd"].items() if not name.startswith("encoder.")}
    content["model"]["sd"] = theirs["sd"] | decoder
    content["model"]["args"]["encoder_spec"] = theirs["args"]["encoder_spec"]
    torch.save(content, tmp_path / "theirs.pth")
    model = lmf_sr.load(tmp_path / "theirs.pth")
    assert model.config["encoder"]["name"] == ours
    for name, lr in data.items():
        if name.startswith("lr_"):
            with torch.no_grad():
                features = model.features(lr)
            expected = data[name.replace("lr", "features")][..., : lr.shape[-2], : lr.shape[-1]]
            torch.testing.assert_close(features, expected, atol=TOLERANCE, rtol=0)
