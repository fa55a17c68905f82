"""The choices of `conf/data`: which files they train, validate and evaluate on."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image

from lmf_sr.data import Benchmark, Embedded, Folder, Pictures, Store
from lmf_sr.data.store import write_store
from lmf_sr.errors import InputError
from lmf_sr.images import HELD_OUT, TRAIN, read_rgb8
from lmf_sr.paths import CONF


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (12, 8), name and (len(name), 0, 0)).save(folder / name)


def test_embedded_photographs_are_split_into_training_and_held_out() -> None:
    assert list(Embedded().training()) == list(TRAIN)
    assert Embedded().validation().names() == list(HELD_OUT)
    assert not {*TRAIN} & {*HELD_OUT}


def test_of_the_embedded_photographs_a_window_can_be_evaluated() -> None:
    whole, window = Embedded().validation(), Embedded(window=64).validation()
    assert window.name == "embedded-64"
    for name in whole.names():
        H, W = whole.images[name].shape[1:]
        middle = whole.images[name][:, (H - 64) // 2 :, (W - 64) // 2 :][:, :64, :64]
        assert torch.equal(window.images[name], middle)


def test_a_folder_holds_out_images_spread_over_it_and_evaluates_these_alone(tmp_path: Path) -> None:
    fill(tmp_path / "photos", *(f"{i:02}.png" for i in range(20)))
    source = Folder(tmp_path / "photos", held_out=4)
    (evaluated,) = source.evaluation()
    assert source.validation().names() == evaluated.names() == ["02", "07", "12", "17"]
    trained_on = {Path(name).stem for name in source.training()}
    assert trained_on == {f"{i:02}" for i in range(20)} - {"02", "07", "12", "17"}


def test_all_pictures_of_a_folder_are_evaluated_and_none_is_trained_on(tmp_path: Path) -> None:
    fill(tmp_path / "photos", "2.png", "10.png")
    source = Pictures(tmp_path / "photos")
    (evaluated,) = source.evaluation()
    assert evaluated.name == "photos"
    assert source.validation().names() == evaluated.names() == ["2", "10"]
    with pytest.raises(InputError, match="data=pictures is for evaluation only: data=folder trains on a folder"):
        source.training()


def test_div2k_brings_its_own_validation_part_and_lr_images(tmp_path: Path) -> None:
    fill(tmp_path / "DIV2K_train_HR", "0001.png", "0002.png")
    fill(tmp_path / "DIV2K_valid_HR", "0801.png")
    fill(tmp_path / "DIV2K_valid_LR_bicubic" / "X1", "0801x1.png")
    source = Folder(tmp_path)
    assert [Path(name).name for name in source.training()] == ["0001.png", "0002.png"]
    assert source.validation().names() == source.evaluation()[0].names() == ["0801"]
    own = read_rgb8(tmp_path / "DIV2K_valid_LR_bicubic" / "X1" / "0801x1.png")
    assert torch.equal(source.validation().pair("0801", 1.0).lr, own)


def test_benchmark_sets_are_named_and_evaluated_in_order(tmp_path: Path) -> None:
    fill(tmp_path / "Set5" / "HR", "baby.png")
    fill(tmp_path / "Set14" / "HR", "zebra.png", "comic.png")
    sets = Benchmark(tmp_path, ["Set14", "Set5"]).evaluation()
    assert [(images.name, images.names()) for images in sets] == [("Set14", ["comic", "zebra"]), ("Set5", ["baby"])]
    assert [images.name for images in Benchmark(tmp_path).evaluation()] == ["Set14", "Set5"]


def test_the_shipped_lr_images_of_set5_are_used(shared: Path) -> None:
    root = shared / "data" / "benchmark"
    (set5,) = Benchmark(root, ["Set5"]).evaluation()
    for scale in (2.0, 3.0, 4.0, 8.0):
        for pair in set5.pairs(scale):
            assert torch.equal(pair.lr, read_rgb8(root / f"Set5/LR_bicubic/X{scale:g}/{pair.name}x{scale:g}.png"))
            assert pair.hr.shape[1:] == tuple(round(side * scale) for side in pair.lr.shape[1:])


def stored(path: Path, *keys: str) -> Path:
    write_store(path, keys, ((key, torch.full((3, 8, 12), i, dtype=torch.uint8)) for i, key in enumerate(keys)))
    return path


def levels(images: Mapping[str, torch.Tensor]) -> dict[str, int]:
    return {name: int(image[0, 0, 0]) for name, image in images.items()}


def test_a_store_of_photographs_holds_out_some_and_evaluates_on_these(tmp_path: Path) -> None:
    source = Store(stored(tmp_path / "mine.store", *(f"train/HR/a/{i}.png" for i in range(10))), held_out=2)
    assert levels(source.training()) == {f"a/{i}.png": i for i in range(10) if i not in (2, 7)}
    (images,) = source.evaluation()
    assert images.name == source.validation().name == "mine"
    assert levels(images.images) == levels(source.validation().images) == {"a/2.png": 2, "a/7.png": 7}
    assert source.protocol == "div2k"


def test_a_store_s_validation_part_is_used_with_its_lr_images(tmp_path: Path) -> None:
    keys = ("train/HR/0001", "valid/HR/0801", "valid/LR_bicubic/X1/0801x1", "Set5/HR/baby")
    source = Store(stored(tmp_path / "div2k.store", *keys))
    assert levels(source.training()) == {"0001": 0}
    (images,) = source.evaluation()
    assert images.names() == source.validation().names() == ["0801"]
    pair = images.pair("0801", 1.0)
    assert (int(pair.hr[0, 0, 0]), int(pair.lr[0, 0, 0])) == (1, 2)


def test_a_store_s_benchmark_sets_are_evaluated_when_named_or_alone(tmp_path: Path) -> None:
    alone = Store(stored(tmp_path / "b.store", "Set5/HR/baby", "Set5/LR_bicubic/X1/babyx1", "Set14/HR/zebra"))
    assert alone.protocol == "benchmark"
    assert [images.name for images in alone.evaluation()] == ["Set14", "Set5"]
    assert alone.evaluation()[1].lr_source(1.0) == "file"
    mixed = stored(tmp_path / "mixed.store", "train/HR/a.png", "Set5/HR/baby", "Set14/HR/zebra")
    source = Store(mixed, sets=["Set5"])
    assert source.protocol == "benchmark"
    assert [images.names() for images in source.evaluation()] == [["baby"]]
    assert levels(source.training()) == {"a.png": 0}
    with pytest.raises(InputError, match="holds no benchmark set Set6; it holds: Set14, Set5"):
        Store(mixed, sets=["Set6"])
    with pytest.raises(InputError, match="holds nothing to train on, only: Set14, Set5"):
        alone.training()
    with pytest.raises(InputError, match="holds 1 images, of which 5 cannot be held out"):
        Store(mixed).training()


def test_bad_roots_are_named(tmp_path: Path) -> None:
    fill(tmp_path / "empty")
    fill(tmp_path / "two", "a.png", "b.png")
    for source, message in [
        (Folder(tmp_path / "nowhere"), "nowhere"),
        (Folder(tmp_path / "empty"), "empty"),
        (Folder(tmp_path / "two", held_out=2), "holds 2 images, of which 2 cannot be held out"),
        (Benchmark(tmp_path, ["Set6"]), "Set6"),
        (Benchmark(tmp_path), "no benchmark set in"),
    ]:
        with pytest.raises(InputError, match=message):
            source.validation().pairs(2.0)
    with pytest.raises(InputError, match="for evaluation only"):
        Benchmark(tmp_path).training()


@pytest.mark.parametrize(
    ("choice", "made"), [("embedded", Embedded), ("folder", Folder), ("benchmark", Benchmark), ("store", Store)]
)
def test_each_choice_of_the_configuration_is_one_of_them(choice: str, made: type, tmp_path: Path) -> None:
    config = OmegaConf.load(CONF / "data" / f"{choice}.yaml")
    if OmegaConf.is_missing(config, "root"):
        config.root = str(stored(tmp_path / "some.store", "train/HR/a.png"))
    assert isinstance(instantiate(config), made)
