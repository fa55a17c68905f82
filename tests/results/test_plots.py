"""Figures show every model and every picture, and are written whole or not at all."""

import os
from pathlib import Path

import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmf_sr.errors import InputError
from lmf_sr.images import read_picture
from lmf_sr.results import plots
from lmf_sr.results.plots import against_scale, bubble, crop, efficiency, legible, save, side_by_side
from lmf_sr.results.rows import Row

ROWS = [
    Row("bicubic", "Set5", 2.0, {"psnr": 33.7}),
    Row("bicubic", "Set5", 4.0, {"psnr": 28.4}),
    Row("lm-liif", "Set5", 4.0, {"psnr": 31.0, "decoder_macs": 2e9}),
    Row("lm-liif", "Set5", 2.0, {"psnr": 36.0, "decoder_macs": 1e9}),
]


def test_a_panel_for_each_metric_there_is_a_line_for_each_model_that_has_it(tmp_path: Path) -> None:
    against_scale(ROWS, tmp_path / "scales.svg", title="Set5")
    drawing = (tmp_path / "scales.svg").read_text()
    for part in ("axes_1", "axes_2", "Set5", "bicubic", "lm-liif"):
        assert part in drawing
    assert "axes_3" not in drawing  # no row has a latency


def test_lines_follow_the_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    plot = Axes.plot
    monkeypatch.setattr(Axes, "plot", lambda self, x, y, **style: lines.append((x, y)) or plot(self, x, y, **style))
    against_scale(ROWS, tmp_path / "scales.png")
    assert lines == [((2.0, 4.0), (33.7, 28.4)), ((2.0, 4.0), (36.0, 31.0)), ((), ()), ((2.0, 4.0), (1.0, 2.0))]


def test_bubbles_are_as_large_as_latencies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    scatter = Axes.scatter
    monkeypatch.setattr(
        Axes, "scatter", lambda self, x, y, s, **style: drawn.append((x, y, s)) or scatter(self, x, y, s, **style)
    )
    costs = [
        Row(model, None, scale, {"decoder_macs": scale * 1e9, "decoder_ms": ms, "decoder_parameters": parameters})
        for model, parameters in (("liif", 3e5), ("lm-liif", 1e5))
        for scale, ms in ((4.0, 9000), (2.0, 400))
    ]
    save(efficiency(costs), tmp_path / "efficiency.svg")
    assert drawn[0] == drawn[1] == ([2.0, 4.0], [2.0, 4.0], [bubble(0.4, longest=9), bubble(9, longest=9)])
    assert all(name in (tmp_path / "efficiency.svg").read_text() for name in ("lm-liif", "latency", "parameters"))


def test_pictures_stand_beside_each_other(tmp_path: Path) -> None:
    red, green, blue = (torch.zeros(3, 8, 8).index_fill_(0, torch.tensor(i), 1.0) for i in range(3))
    side_by_side([{"red": red, "green": green}, {"blue": blue}], tmp_path / "crops.png", ["first", "second"])
    rgb = read_picture(tmp_path / "crops.png").rgb
    _, H, W = rgb.shape
    for picture, rows, cols in (
        (red, slice(0, H // 2), slice(0, W // 2)),
        (green, slice(0, H // 2), slice(W // 2, W)),
        (blue, slice(H // 2, H), slice(0, W // 2)),
    ):
        assert (rgb[:, rows, cols] == picture[:, :1, :1]).all(0).float().mean() > 0.4


def test_a_crop_is_the_window_in_whole_pixels() -> None:
    picture = torch.arange(3 * 10 * 20).view(3, 10, 20).float()
    torch.testing.assert_close(crop(picture, (0.2, 0.5, 0.3, 0.25)), picture[:, 2:5, 10:15])
    with pytest.raises(InputError, match="no pixel"):
        crop(picture, (0.2, 0.5, 0.01, 0.25))


def test_a_figure_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plots.Figure, "savefig", fail)
    with pytest.raises(InputError, match="No space left"):
        against_scale(ROWS, tmp_path / "scales.png")
    assert not list(tmp_path.iterdir())


NAMES = {
    "mathematics": "price_$5_to_$9",
    "bytes": os.fsdecode(b"caf\xe9"),
    "characters no font has": "漢字\U0010fffd",
    "markup": r"a_b^c\frac{1}<&>",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_any_name_can_be_drawn(tmp_path: Path, name: str, suffix: str, recwarn: pytest.WarningsRecorder) -> None:
    picture = torch.rand(3, 6, 6)
    side_by_side([{name: picture}], tmp_path / f"crops.{suffix}", [name])
    against_scale([Row(name, "Set5", 2.0, {"psnr": 30.0, "decoder_macs": 1e9})], tmp_path / f"a.{suffix}", title=name)
    assert not [str(warning.message) for warning in recwarn if "lyph" in str(warning.message)]


def test_names_are_drawn_as_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Figure()
    ax = figure.subplots()
    ax.set(title=NAMES["mathematics"], xlabel=NAMES["bytes"], ylabel="\U0010fffd x", xscale="log", xlim=(1, 1e4))
    legible(figure)
    assert ax.get_title() == NAMES["mathematics"]
    assert not ax.title.get_parse_math()
    assert ax.get_xlabel() == r"caf\xe9"
    assert ax.get_ylabel() == "U+10FFFD  x"
    assert all(label.get_parse_math() for label in ax.get_xticklabels())  # powers of ten


def test_another_font_is_taken_where_one_has_the_character(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = Figure()
    ax = figure.subplots()
    ax.set_title("漢")
    monkeypatch.setattr("lmf_sr.results.plots._fonts_with", lambda characters: (["Some CJK"], set()))
    legible(figure)
    assert ax.get_title() == "漢"
    assert ax.title.get_fontfamily()[-1] == "Some CJK"
