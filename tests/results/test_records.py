"""Records come back as they were written, say where they were made, and are never half there."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmf_sr.errors import InputError
from lmf_sr.results import records
from lmf_sr.results.records import Record, Result, environment, flat, read_record, write_record

numbers = st.floats(allow_nan=False) | st.integers(0, 10**15)
metrics = st.dictionaries(st.text(max_size=8), numbers, max_size=3)
results = st.builds(
    Result,
    scale=st.floats(1, 30),
    metrics=metrics,
    set=st.none() | st.text(max_size=8),
    protocol=st.none() | st.just("div2k"),
    images=st.dictionaries(st.text(max_size=8), metrics, max_size=2),
    failures=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=2),
)

CONFIGURATION = {"scale": [2, 3], "decoder": {"name": "lm-liif", "hidden": None}, "budget_s": math.inf, "seed": 7}
BEGUN = Record.begun("evaluate", "scales", "scale-2", CONFIGURATION, {"last.ckpt": "0" * 64})


def record(found: list[Result] | None = None) -> Record:
    return BEGUN.ended("done", {"a model": found or []})


@given(found=st.lists(results, max_size=3))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_record_comes_back_as_it_was_written(tmp_path: Path, found: list[Result]) -> None:
    written = record(found)
    write_record(written, tmp_path / "result.json")
    assert read_record(tmp_path / "result.json") == written


def test_the_file_is_standard_json_even_where_the_psnr_is_infinite(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_record(record([Result(1.0, {"psnr": math.inf})]), path)

    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    content = json.loads(path.read_text(), parse_constant=refuse)
    assert content["schema"] == 2
    assert content["results"]["a model"][0]["metrics"]["psnr"] == "inf"


def test_a_record_says_where_when_and_how_long() -> None:
    assert (BEGUN.status, BEGUN.seed, BEGUN.results) == ("running", 7, {})
    assert BEGUN.environment["versions"]["torch"]
    assert BEGUN.environment["hardware"]["cpus"] >= 1
    failed = replace(BEGUN, started="2025-03-01T12:00:00.000+00:00").ended("failed", {}, "why")
    assert (failed.status, failed.error) == ("failed", "why")
    assert failed.duration_s > 0


def test_settings_are_the_keys_of_the_command_line() -> None:
    assert BEGUN.settings == {
        "scale": [2, 3],
        "decoder.name": "lm-liif",
        "decoder.hidden": None,
        "budget_s": "inf",
        "seed": 7,
    }


def test_settings_by_dotted_keys() -> None:
    assert flat({"a": {"b": 1, "c": {"d": [2]}}, "e": {}}) == {"a.b": 1, "a.c.d": [2], "e": {}}


def test_outside_of_a_checkout_there_is_no_revision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(records, "__file__", str(tmp_path / "site-packages" / "lmf_sr" / "evaluation" / "records.py"))
    assert environment()["revision"] is None


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"schema": 2}', '{"schema": 2, "results": []}', '{"schema": 2, "results": {"a": [{}]}}'],
)
def test_what_is_no_record_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"result\.json"):
        read_record(path)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    write_record(replace(record(), schema=99), tmp_path / "result.json")
    with pytest.raises(InputError, match="schema 99"):
        read_record(tmp_path / "result.json")


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    old = record()
    write_record(old, path)
    with pytest.raises(TypeError):
        write_record(replace(old, configuration={"key": object()}), path)
    assert read_record(path) == old
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]
