"""`lmf_sr.upscale`: pictures come out as they went in, with the pixels that the model renders."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import lmf_sr
from lmf_sr import InputError, InputWarning, Model
from lmf_sr.images import Metadata, Picture, read_picture, write_picture


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return lmf_sr.build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "lm-liif").eval()


def noise(*shape: int, dtype: Any = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def rendered(model: Model, rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    """(h, w, 3) in [0, 1] as (H, W, 3)."""
    lr = torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1)
    return model.encode(lr).render(height, width)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64, ">u2"])
def test_arrays_keep_their_type(model: Model, dtype: Any) -> None:
    most = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    array = (np.random.default_rng(0).random((19, 17, 3)) * most).astype(dtype)
    large = lmf_sr.upscale(array, scale=2.5, model=model)
    assert large.dtype == np.dtype(dtype).newbyteorder("=")
    tolerance = 2e-3 if dtype == np.float16 else 0.51 / most if most > 1 else 1e-5
    assert np.abs(large / most - rendered(model, array / most, 48, 42)).max() <= tolerance


@pytest.mark.parametrize("shape", [(19, 17), (19, 17, 1), (19, 17, 2), (19, 17, 3), (19, 17, 4)])
def test_arrays_keep_their_planes(model: Model, shape: tuple[int, ...]) -> None:
    array = noise(*shape)
    large = lmf_sr.upscale(array, scale=2, model=model)
    assert isinstance(large, np.ndarray)
    assert large.shape == (38, 34, *shape[2:])
    if array.ndim == 2:
        grey = rendered(model, np.repeat(array[..., None] / 255, 3, 2), 38, 34).mean(2)
        assert np.abs(large / 255 - grey).max() <= 0.51 / 255


@pytest.mark.parametrize("shape", [(1, 19, 17), (3, 19, 17), (4, 19, 17), (2, 3, 19, 17)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_tensors_keep_type_and_axes(model: Model, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    tensor = torch.from_numpy(noise(*shape))
    tensor = tensor if dtype == torch.uint8 else (tensor / 255).to(dtype)
    large = lmf_sr.upscale(tensor, scale=2, model=model)
    assert isinstance(large, torch.Tensor)
    assert (large.shape, large.dtype) == ((*shape[:-2], 38, 34), dtype)
    if shape == (2, 3, 19, 17):
        for one, small in zip(large, tensor, strict=True):
            assert torch.equal(one, lmf_sr.upscale(small, scale=2, model=model))


@pytest.mark.parametrize(
    ("mode", "comes_out"),
    [
        ("RGB", "RGB"),
        ("RGBA", "RGBA"),
        ("L", "L"),
        ("LA", "LA"),
        ("I;16", "I;16"),
        ("1", "L"),
        ("P", "RGB"),
        ("CMYK", "RGB"),
    ],
)
def test_pil_images(model: Model, mode: str, comes_out: str) -> None:
    image = (
        Image.fromarray(noise(19, 17, dtype=np.uint16))
        if mode == "I;16"
        else Image.fromarray(noise(19, 17, 3)).convert(mode)
    )
    image.info["dpi"] = (300, 300)
    large = lmf_sr.upscale(image, size=(34, 40), model=model)
    assert isinstance(large, Image.Image)
    assert (large.mode, large.size, large.info["dpi"]) == (comes_out, (34, 40), (300, 300))
    if mode == "RGB":
        assert np.abs(np.asarray(large) / 255 - rendered(model, np.asarray(image) / 255, 40, 34)).max() <= 0.51 / 255


def test_a_file_gives_an_image(model: Model, tmp_path: Path) -> None:
    Image.fromarray(noise(19, 17, 3)).save(tmp_path / "a.png")
    large = lmf_sr.upscale(tmp_path / "a.png", scale=3.3, model=model)
    assert isinstance(large, Image.Image)
    assert np.array_equal(np.asarray(large), lmf_sr.upscale(noise(19, 17, 3), scale=3.3, model=model))


def test_a_file_with_an_output_is_written_as_by_the_command(model: Model, tmp_path: Path) -> None:
    picture = Picture(torch.rand(3, 19, 17), bit_depth=16, metadata=Metadata(dpi=(300, 300)))
    write_picture(tmp_path / "a.png", picture)
    assert lmf_sr.upscale(tmp_path / "a.png", size="x38", output=tmp_path / "b.tif", model=model) == tmp_path / "b.tif"
    written = read_picture(tmp_path / "b.tif")
    assert (written.bit_depth, written.rgb.shape) == (16, (3, 38, 34))
    assert written.metadata.dpi == pytest.approx((300, 300), abs=0.01)
    with pytest.raises(InputError, match=r"b\.tif is there already: overwrite=True replaces it"):
        lmf_sr.upscale(tmp_path / "a.png", size="x38", output=tmp_path / "b.tif", model=model)
    lmf_sr.upscale(tmp_path / "a.png", scale=1, output=str(tmp_path / "b.tif"), model=model, overwrite=True)
    assert read_picture(tmp_path / "b.tif").rgb.shape == (3, 19, 17)


def test_further_pages_are_not_passed_over_without_a_word(model: Model, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(3, 19, 17), photometric="minisblack")
    with pytest.warns(InputWarning, match=r"a\.tif has 3 pages; only the first is upscaled"):
        lmf_sr.upscale(tmp_path / "a.tif", scale=2, model=model)


def test_invisible_colour_does_not_bleed(model: Model) -> None:
    array = np.zeros((16, 16, 4), np.uint8)
    array[4:12, 4:12] = 255
    clean = array.copy()
    clean[..., :3] = 255
    assert np.array_equal(*(lmf_sr.upscale(a, scale=2, model=model)[8:24, 8:24] for a in (array, clean)))


@pytest.mark.parametrize(
    ("picture", "options", "told"),
    [
        (np.zeros((4, 4), np.int64), {"scale": 2}, r"pixels of type torch\.int64 are none of uint8, uint16 and floats"),
        (np.zeros((4, 4), np.complex64), {"scale": 2}, "pixels of type torch.complex64 are none of"),
        (np.full((4, 4), 255.0), {"scale": 2}, r"floats from 255 to 255 are no picture: scale them to \[0, 1\]"),
        (np.full((4, 4), np.nan), {"scale": 2}, r"floats from nan to nan are no picture"),
        (np.zeros((2, 4, 4, 3)), {"scale": 2}, r"an array of shape \(2, 4, 4, 3\) is no picture"),
        (np.zeros((4, 4, 5)), {"scale": 2}, r"\(5, 4, 4\) is no shape of a picture"),
        (torch.zeros(0, 3, 4, 4), {"scale": 2}, r"\(0, 3, 4, 4\) is no shape of a picture"),
        (np.zeros((4, 4)), {}, "scale=None and size=None: exactly one of them is needed"),
        (np.zeros((4, 4)), {"scale": 2, "size": "8x8"}, "scale=2 and size=8x8: exactly one"),
        (np.zeros((4, 4)), {"scale": 0.5}, r"scale 0\.5 makes no picture larger"),
        (np.zeros((4, 4)), {"size": (2, 2)}, "it is 4x4 pixels, larger than the 2x2 asked for"),
        (np.zeros((4, 4)), {"size": "large"}, "'large' is no size"),
        (np.zeros((4, 4)), {"scale": 2, "output": "a.png"}, r"output=a\.png is for files"),
        ("missing.png", {"scale": 2}, r"no image missing\.png: the file does not exist"),
    ],
)
def test_bad_input(model: Model, picture: Any, options: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        lmf_sr.upscale(picture, model=model, **options)


def test_the_model_that_ships_is_the_default(tmp_path: Path) -> None:
    assert np.array_equal(
        *(lmf_sr.upscale(noise(19, 17, 3), scale=2, **given) for given in ({}, {"model": lmf_sr.load()}))
    )
