"""Published figures stand only beside what was measured under their conditions."""

import pytest

from lmf_sr.reporting.published import published_figure, sources

LIIF = {"encoder": "edsr-baseline", "decoder": "liif"}


def test_a_figure_and_where_it_comes_from() -> None:
    found = published_figure("psnr", 4.0, "benchmark-rgb", set="Set5", **LIIF)
    assert found is not None
    assert found.value == 30.2748
    assert "MMagic" in sources()[found.source]


def test_macs_are_in_base_units() -> None:
    found = published_figure("decoder_macs", 30.0, lr_size=[180, 320], **LIIF)
    assert found is not None
    assert found.value == pytest.approx(71716.70e9)


def test_what_depends_on_no_scale_stands_at_every_one() -> None:
    assert published_figure("decoder_parameters", None, **LIIF) == published_figure("decoder_parameters", 8.0, **LIIF)


@pytest.mark.parametrize(
    ("metric", "scale", "protocol", "about"),
    [
        ("psnr", 4.0, "benchmark", {"set": "Set5", **LIIF}),  # luma, where RGB was published
        ("psnr", 5.0, "benchmark-rgb", {"set": "Set5", **LIIF}),
        ("psnr", 4.0, "benchmark-rgb", {"set": "Set5", "encoder": "swinir", "decoder": "liif"}),
        ("psnr", 4.0, "benchmark-rgb", {"set": "mine", **LIIF}),
        ("decoder_macs", 4.0, None, {"lr_size": [48, 48], **LIIF}),
        ("ssim", 4.0, "benchmark", {"set": "Set5", **LIIF}),
    ],
)
def test_other_conditions_have_no_figure(
    metric: str, scale: float, protocol: str | None, about: dict[str, str]
) -> None:
    assert published_figure(metric, scale, protocol, **about) is None
