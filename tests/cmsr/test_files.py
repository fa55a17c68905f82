"""The two kinds of file of CMSR: each is named rightly, and files of earlier versions stay readable."""

import math
from pathlib import Path

import pytest

from lmf_sr.cmsr.calibration import Calibration
from lmf_sr.cmsr.files import CALIBRATION, TABLE, authors_file, read
from lmf_sr.cmsr.plan import Level
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.errors import InputError

AN_EARLIER_TABLE = """\
model: edsr-baseline-lm-liif
fingerprint: 0123456789abcdef
intensity: shift
mse_threshold: 2.0e-05
aggregation: pooled
images: 100
chained: false
targets:
  6:
    1: 0.3
    2.5: 0.41
    6: 1.0
"""


def test_the_authors_files() -> None:
    """Such files say nothing of how levels meet, so the levels are chained as in the paper."""
    assert Scale2Mod.load(authors_file("lm-liif")).chained
    assert Scale2Mod.load(authors_file("lm-liif")).levels(8.0) == (
        Level(1, 0.33),
        Level(2, 0.38),
        Level(4, 0.56),
        Level(6, 0.6),
        Level(8, math.inf),
    )
    assert Scale2Mod.load(authors_file("lm-lte")).levels(12.0)[1] == Level(2, 0.155)
    assert Scale2Mod.load(authors_file("lm-ciaosr")).levels(18.0)[-2] == Level(16, 0.48)
    assert Scale2Mod.load(authors_file("lm-liif")).mse_threshold == 2e-5
    with pytest.raises(InputError, match="'liif', only for lm-ciaosr, lm-liif, lm-lte"):
        authors_file("liif")


def test_a_table_of_an_earlier_version(tmp_path: Path) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(AN_EARLIER_TABLE)
    assert read(path)[0] == TABLE
    table = Scale2Mod.load(path)
    assert table.levels(6.0) == (Level(1, 0.3), Level(2.5, 0.41), Level(6, math.inf))
    assert (table.mse_threshold, table.aggregation, table.chained) == (2e-5, "pooled", False)


def test_numbers_as_people_write_them(tmp_path: Path) -> None:
    """YAML takes 2e-5, without a point, for a string."""
    path = tmp_path / "table.yaml"
    path.write_text("mse_threshold: 2e-5\ntargets: {8: {1: 3e-1, 8: 1}}")
    table = Scale2Mod.load(path)
    assert table.mse_threshold == 2e-5
    assert table.levels(8.0)[0] == Level(1, 0.3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1, 2]", "neither a calibration nor a Scale2Mod table"),
        ("a: [", "is no YAML"),
        ("a: 1", "neither a calibration nor a Scale2Mod table"),
        ("", "neither a calibration nor a Scale2Mod table"),
        ("targets: 3", "holds no Scale2Mod table"),
        ("targets: {6: {x: 1}}", "holds no Scale2Mod table"),
        ("targets: {6: {8: 1}}", "decode scale 8"),
        ("mse_threshold: much\ntargets: {6: {1: 1}}", "holds no Scale2Mod table"),
        ("format: lmf-sr calibration 2\ntargets: {}", "holds a calibration, not a Scale2Mod table"),
        ("intensity: contrast\ntargets: {6: {1: 1}}", "made for the intensity 'contrast' by an earlier version"),
    ],
)
def test_a_file_without_a_table_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "table.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=reason) as error:
        Scale2Mod.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1, 2]", "neither a calibration nor a Scale2Mod table"),
        ("{", "is no JSON"),
        ('{"targets": {"6": {"1": 1}}}', "holds a Scale2Mod table, not a calibration"),
        ('{"format": "other"}', "has format 'other'"),
        ('{"format": "lmf-sr calibration 2", "targets": []}', "holds no calibration"),
        ('{"format": "lmf-sr calibration 2", "intensity": "contrast"}', "made for the intensity 'contrast'"),
    ],
)
def test_a_file_without_a_calibration_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text)
    with pytest.raises(InputError, match=reason) as error:
        Calibration.load(path)
    assert str(path) in str(error.value)


def test_a_calibration_of_an_earlier_version(tmp_path: Path) -> None:
    errors = "[" + ", ".join(["0.0"] * 465) + "]"
    path = tmp_path / "calibration.json"
    path.write_text(
        '{"format": "lmf-sr calibration 2", "model": "m", "fingerprint": "f", "intensity": "shift", "images": ["a"], '
        f'"targets": {{"6": {{"decode_scales": [1.0], "values": {errors}, "squared": [{errors}], "worst": [{errors}]}}}}}}'
    )
    assert read(path)[0] == CALIBRATION
    assert Calibration.load(path).scales == {6.0: [1.0]}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*nowhere\.yaml"):
        Scale2Mod.load(tmp_path / "nowhere.yaml")
