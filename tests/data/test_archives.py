"""Downloads as they are: which files are taken from where, and what is said to be wrong with them."""

from pathlib import PurePosixPath

import pytest

from lmf_sr.data.archives import key_of, shortcomings


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("DIV2K/DIV2K_train_HR/0001.png", "train/HR/0001"),
        ("DIV2K_train_HR/DIV2K_train_HR/0800.png", "train/HR/0800"),
        ("DIV2K/DIV2K_train_HR/0801.png", "valid/HR/0801"),
        ("DIV2K_valid_HR/0801.png", "valid/HR/0801"),
        ("DIV2K_valid_LR_bicubic_X2/DIV2K_valid_LR_bicubic/X2/0801x2.png", "valid/LR_bicubic/X2/0801x2"),
        ("DIV2K/DIV2K_train_LR_bicubic/X3/0900x3.png", "valid/LR_bicubic/X3/0900x3"),
        ("DIV2K/DIV2K_train_LR_bicubic/X3/0001x3.png", None),
        ("DIV2K/DIV2K_valid_LR_mild/0801x4m.png", None),
        ("benchmark/Set5/HR/baby.png", "Set5/HR/baby"),
        ("Set5/LR_bicubic/X2/babyx2.png", "Set5/LR_bicubic/X2/babyx2"),
        ("photos/LR_bicubic/baby.png", "train/HR/photos/LR_bicubic/baby.png"),
        ("HR/a.png", "train/HR/HR/a.png"),
        ("photos/of/2020/a.jpg", "train/HR/photos/of/2020/a.jpg"),
        ("photos/../../etc/a.jpg", "train/HR/photos/etc/a.jpg"),
        ("photos/\udcff.jpg", "train/HR/photos/\ufffd.jpg"),
    ],
)
def test_folders_tell_what_an_image_is_for(path: str, key: str | None) -> None:
    assert key_of(PurePosixPath(path)) == key


def test_photographs_may_be_for_validation() -> None:
    assert key_of(PurePosixPath("photos/a.jpg"), "valid") == "valid/HR/photos/a.jpg"


def div2k() -> dict[str, tuple[int, int]]:
    train = {f"train/HR/{number:04}": (1356, 2040) for number in range(1, 801)}
    valid = {f"valid/HR/{number:04}": (2040, 1356) for number in range(801, 901)}
    lr = {f"valid/LR_bicubic/X3/{number:04}x3": (680, 452) for number in range(801, 901)}
    return train | valid | lr


def test_the_whole_of_div2k_has_no_shortcomings() -> None:
    assert list(shortcomings(div2k() | {"train/HR/photos/a.jpg": (300, 200)})) == []


def test_what_div2k_lacks_is_named() -> None:
    sizes = div2k()
    del sizes["train/HR/0003"], sizes["train/HR/0650"]
    for number in range(801, 850):
        del sizes[f"valid/HR/{number:04}"]
    sizes["train/HR/0004"] = (339, 510)
    sizes["train/HR/holiday"] = (1356, 2040)
    sizes["valid/LR_bicubic/X3/0900x3"] = (680, 451)
    assert list(shortcomings(sizes)) == [
        "DIV2K_train_HR lacks 2 of its 800 images: 0003, 0650",
        "DIV2K_train_HR has 1 images that are none of its 800: holiday",
        "DIV2K_train_HR has 1 images whose longer side is not 2040 pixels: 0004 (510x339)",
        f"DIV2K_valid_HR lacks 49 of its 100 images: {', '.join(f'{n:04}' for n in range(801, 821))} and 29 more",
        "valid/LR_bicubic/X3 has 49 LR images of no HR image: "
        f"{', '.join(f'{n:04}x3' for n in range(801, 821))} and 29 more",
        "valid/LR_bicubic/X3 has 1 LR images whose size is not the HR image's by 3: 0900x3",
    ]


def test_benchmark_sets_must_be_complete() -> None:
    four = {f"Set5/HR/{name}": (21, 30) for name in "abcd"}
    lr = {f"Set5/LR_bicubic/X2/{name}x2": (10, 15) for name in "abc"}
    assert list(shortcomings(four | lr | {"Mine/HR/a": (9, 9)})) == [
        "Set5 has 4 images, not its 5: the download is incomplete",
        "Set5/LR_bicubic/X2 lacks 1 LR images: dx2",
    ]
