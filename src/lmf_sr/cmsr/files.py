"""The two kinds of file of CMSR, told apart by what they hold.

calibration       .json with the key `format`: the errors found on pictures, from which a table for any threshold follows
Scale2Mod table   .yaml or .json with the key `targets` alone: the limits for one threshold
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lmf_sr.atomic import write_text
from lmf_sr.errors import InputError

AUTHORS = Path(__file__).parent / "scale2mod"  # the LMF authors' tables, one for each conversion
CALIBRATION, TABLE = "calibration", "Scale2Mod table"

Content = dict[str, Any]


def read(path: str | Path) -> tuple[str, Content]:
    """The kind of a file, CALIBRATION or TABLE, and its content.

    Raises InputError for a file that is missing or neither.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        kind = "JSON" if path.suffix == ".json" else "YAML"
        raise InputError(f"{path} is no {kind}: {str(error).splitlines()[0]}") from error
    if not isinstance(content, dict) or not {"format", "targets"} & content.keys():
        raise InputError(
            f"{path} holds neither a calibration nor a Scale2Mod table: name a file that lmf-sr calibrate has written"
        )
    if content.get("intensity", "shift") != "shift":
        raise InputError(
            f"{path} was made for the intensity {content['intensity']!r} by an earlier version: calibrate anew with "
            "lmf-sr calibrate, which takes cmsr.measure=contrast"
        )
    return (CALIBRATION if "format" in content else TABLE), content


def read_kind(path: str | Path, kind: str) -> Content:
    """The content of a file that must be of one kind. Raises InputError for the other, and as `read` does."""
    found, content = read(path)
    if found != kind:
        raise InputError(f"{path} holds a {found}, not a {kind}")
    return content


def write(path: str | Path, content: Mapping[str, Any], indent: int | None = None) -> None:
    """Writes a .json or, by any other suffix, a YAML file, atomically."""
    if Path(path).suffix == ".json":
        text = json.dumps(content, indent=indent)
    else:
        text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
    write_text(path, text)


def authors_file(decoder: str) -> Path:
    """The file of the authors' table for a conversion's name, made for their weights with EDSR-baseline and an MSE of 2e-5.

    It carries no fingerprint, so the user has to judge whether it suits other weights.
    """
    path = AUTHORS / f"{decoder}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in AUTHORS.glob("*.yaml")))
        raise InputError(f"the authors published no Scale2Mod table for {decoder!r}, only for {known}")
    return path
