"""`lmf_sr.calibrate` finds what the verb finds."""

from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Run

import lmf_sr
import lmf_sr.data
from lmf_sr.cmsr.calibration import Calibration
from lmf_sr.errors import InputError
from lmf_sr.images import Picture, write_picture


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate("abc"):
        rgb = torch.rand(3, 48, 56, generator=torch.Generator().manual_seed(seed))
        write_picture(tmp_path / "photos" / f"{name}.png", Picture(rgb))
    return tmp_path / "photos"


def test_the_verb_s_calibration(run: Run, tmp_path: Path, photos: Path, checkpoint: Path) -> None:
    found = lmf_sr.calibrate(
        checkpoint, lmf_sr.data.Folder(photos, held_out=1), [6], decode_scales=[1, 4], device="cpu"
    )
    given = ("targets=[6]", "decode_scales=[1,4]", "data=folder", "data.root=photos", "data.held_out=1", "device=cpu")
    outcome = run("calibrate", f"ckpt={checkpoint}", *given, "output=verb.json")
    assert outcome.status == 0, outcome.err
    found.save(tmp_path / "python.json")
    assert (tmp_path / "python.json").read_text() == (tmp_path / "verb.json").read_text()
    assert found.images == Calibration.load(tmp_path / "verb.json").images == ["a.png", "c.png"]


def test_a_folder_and_a_table_for_its_model(photos: Path, checkpoint: Path) -> None:
    model = lmf_sr.load(checkpoint)
    calibration = lmf_sr.calibrate(model, photos, [6], decode_scales=[1], count=2)
    assert calibration.images == ["a.png", "c.png"]
    table = calibration.table(1.0)  # anything may be rendered at scale 1
    assert [level.scale for level in table.levels(6.0)] == [1.0, 6.0]
    image = model.encode(torch.rand(3, 8, 8))
    assert image.render(48, 48, cmsr=table.bound_to(model)).shape == (1, 3, 48, 48)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"model": lmf_sr.build("edsr-tiny", "liif")}, "decoder 'liif' has no modulations"),
        ({"images": "nowhere"}, "no image folder nowhere"),
        ({"targets": [3]}, "target scale 3 needs no calibration"),
        ({"decode_scales": [7]}, "target scale 6 has no decode scale below it"),
        ({"count": 0}, "count=0 calibrates on nothing"),
        ({"measure": "size"}, "there is no measure 'size'; choose one of paper"),
    ],
)
def test_bad_input_is_one_sentence(checkpoint: Path, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        lmf_sr.calibrate(**{"model": checkpoint, "targets": [6]} | arguments)
