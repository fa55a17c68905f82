"""A clip's frames are what the model makes of them, one in memory at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clips import EVENLY, contents, make_clip

import lmf_sr
from lmf_sr import InputError, InputWarning, Model
from lmf_sr.upscaling import files
from lmf_sr.video.reading import Clip, opened
from lmf_sr.video.writing import ClipWriter


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return lmf_sr.build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, "lm-liif").eval()


def test_frames_are_what_the_model_renders(model: Model, tmp_path: Path) -> None:
    source, output = make_clip(tmp_path / "a.mp4", height=30, width=40), tmp_path / "b.mp4"
    assert lmf_sr.upscale(source, scale=2, output=output, model=model) == output
    with opened(source) as clip:
        small = [frame.rgb for packet in clip.packets() if packet.stream.index == 0 for frame in clip.frames(packet)]
    written = contents(output)
    assert len(written.rgb) == len(small)
    for frame, large in zip(small, written.rgb, strict=True):
        expected = lmf_sr.upscale(frame, scale=2, model=model)
        assert np.abs(large.astype(int) - expected).mean() < 4  # H.264, and half as much chroma
    assert written.times == pytest.approx(contents(source).times)
    assert written.samples == contents(source).samples


def test_one_frame_is_in_memory_at_a_time(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    convert, write = Clip._rgb, ClipWriter.write
    monkeypatch.setattr(Clip, "_rgb", lambda clip, frame: (decoded.append(frame.pts), convert(clip, frame))[1])

    def write_one(writer: ClipWriter, frame: Any) -> None:
        assert decoded == [frame.pts]
        decoded.clear()
        write(writer, frame)

    monkeypatch.setattr(ClipWriter, "write", write_one)
    lmf_sr.upscale(make_clip(tmp_path / "a.mp4"), scale=2, output=tmp_path / "b.mp4", model=model)
    assert len(contents(tmp_path / "b.mp4").rgb) == len(EVENLY)


def test_a_frame_like_the_one_before_is_not_rendered_again(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clips.scene", lambda number, height, width: np.full((height, width, 3), 90, np.uint8))
    rendered: list[int] = []
    enlarge = files.enlarged
    monkeypatch.setattr(
        files, "enlarged", lambda *given, **by_name: (rendered.append(1), enlarge(*given, **by_name))[1]
    )
    lmf_sr.upscale(make_clip(tmp_path / "a.mp4"), scale=2, output=tmp_path / "b.mp4", model=model)
    assert len(rendered) == 1
    assert len(contents(tmp_path / "b.mp4").rgb) == len(EVENLY)


def test_shares_add_up(model: Model, tmp_path: Path) -> None:
    from lmf_sr.upscaling.files import upscale_file
    from lmf_sr.upscaling.size import TargetSize

    shares: list[float] = []
    upscale_file(model, make_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4", TargetSize(1), advance=shares.append)
    assert len(shares) == len(EVENLY)
    assert sum(shares) == pytest.approx(1, abs=0.01)


def test_odd_sides_become_even_and_it_is_said(model: Model, tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", height=30, width=40)
    with pytest.warns(InputWarning, match=r"a\.mp4: 61x45 pixels became 62x46, because a clip has even sides"):
        lmf_sr.upscale(source, size=(61, 45), output=tmp_path / "b.mp4", model=model)
    assert contents(tmp_path / "b.mp4").rgb[0].shape == (46, 62, 3)


def test_a_clip_s_name_without_an_output(model: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.mp4 is a clip, which is no single image: name the file to write"):
        lmf_sr.upscale(tmp_path / "a.mp4", scale=2, model=model)
