"""One table of many runs: a row for each run, model, set and scale; the settings that vary; mean and spread over seeds."""

import csv
import math
import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lmf_sr.errors import InputError
from lmf_sr.results.collect import collect, find_records, for_people, over_seeds, save, varying
from lmf_sr.results.records import Record, Result, write_record
from lmf_sr.results.table import Table


def record(psnr: float, seed: int = 0, **configuration: Any) -> Record:
    given = {"decoder": {"name": "lm-liif", "width": 16}, "lr": 1e-4, "scale": [2], **configuration, "seed": seed}
    images = {"a": {"psnr": psnr + 1}, "b": {"psnr": psnr - 1}}
    results = [
        Result(2.0, {"psnr": psnr}, "Set5", "benchmark", images=images),
        Result(2.0, {"decoder_parameters": 5}),
        Result(4.0, {"decoder_parameters": 5}),
    ]
    return Record.begun("train", "widths", "a job", given, {}).ended("done", {"lm-liif": results})


def wide(psnr: float, seed: int = 0) -> Record:
    return record(psnr, seed, decoder={"name": "lm-liif", "width": 32})


def rows(table: Table) -> list[dict[str, Any]]:
    """The rows of the file."""
    data = table.data()
    return [dict(zip(data, values, strict=True)) for values in zip(*data.values(), strict=True)]


def test_a_row_for_each_run_set_and_scale_with_the_costs_beside() -> None:
    table = collect({Path("narrow"): record(30.0), Path("wide"): wide(31.0)})
    shown = ("run", "sweep", "seed", "decoder.width", "model", "set", "scale", "psnr", "decoder_parameters")
    assert [tuple(row[name] for name in shown) for row in rows(table)] == [
        ("narrow", "widths", 0, 16, "lm-liif", "Set5", 2.0, 30.0, 5),
        ("narrow", "widths", 0, 16, "lm-liif", None, 4.0, None, 5),
        ("wide", "widths", 0, 32, "lm-liif", "Set5", 2.0, 31.0, 5),
        ("wide", "widths", 0, 32, "lm-liif", None, 4.0, None, 5),
    ]
    assert [column.name for column in table.columns if "." in column.name] == ["decoder.width"]


def test_a_row_for_each_image_where_asked() -> None:
    table = collect({Path("narrow"): record(30.0)}, images=True)
    assert [(row["image"], row["psnr"]) for row in rows(table)] == [("a", 31.0), ("b", 29.0), (None, None)]


def test_a_key_varies_if_runs_that_have_it_differ() -> None:
    other = record(1.0, decoder={"name": "lte", "fourier_dim": 256}, lr=1e-4)
    assert varying([record(1.0), other]) == ["decoder.name"]


def test_mean_and_spread_over_seeds() -> None:
    runs = {
        Path(str(i)): made for i, made in enumerate([record(30.0), record(31.0, 1), wide(35.0, 1), record(32.0, 2)])
    }
    narrow, _, single, _ = rows(over_seeds(collect(runs)))
    assert (narrow["decoder.width"], narrow["seeds"], narrow["psnr"], narrow["psnr_std"]) == (16, "0 1 2", 31.0, 1.0)
    assert (single["decoder.width"], single["seeds"], single["psnr"], single["psnr_std"]) == (32, "1", 35.0, None)
    assert narrow["decoder_parameters_std"] == 0.0


def test_a_seed_with_infinite_psnr_is_left_out_and_counted() -> None:
    runs = {Path(str(i)): record(psnr, i) for i, psnr in enumerate((30.0, math.inf, 31.0))}
    joined, _ = rows(over_seeds(collect(runs)))
    assert (joined["psnr"], joined["psnr_infinite"], joined["seeds"]) == (30.5, 1, "0 1 2")
    alone, _ = rows(over_seeds(collect({Path("a"): record(math.inf)})))
    assert (alone["psnr"], alone["psnr_std"], alone["psnr_infinite"]) == (math.inf, None, 1)


def test_people_see_what_tells_the_rows_apart() -> None:
    table = for_people(collect({Path("narrow"): record(30.0), Path("wide"): wide(31.0)}))
    names = [column.name for column in table.columns]
    assert names == ["sweep", "seed", "decoder.width", "model", "set", "scale", "psnr", "decoder_parameters"]


def test_names_that_are_no_text_are_spelt_out(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    odd = record(30.0, data={"root": name})
    odd.results["lm-liif"][0].images[name] = {"psnr": 1.0}
    table = collect({Path(name): odd, Path("b"): record(30.0, data={"root": "b"})}, images=True)
    for suffix in ("csv", *(["parquet"] if find_spec("polars") else [])):
        save(table, tmp_path / f"x.{suffix}")
    assert r"caf\xe9" in (tmp_path / "x.csv").read_text()


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"table.{suffix}"
    runs = {Path("a"): record(30.0, lr="auto"), Path("b"): record(31.5)}
    if suffix == "parquet":
        polars = pytest.importorskip("polars", reason="Parquet is written by polars: pip install lmf-sr[parquet]")
        save(collect(runs), path)
        lines = polars.read_parquet(path).to_dicts()
        assert [line["psnr"] for line in lines] == [30.0, None, 31.5, None]
    else:
        save(collect(runs), path)
        with path.open() as file:
            lines = list(csv.DictReader(file))
        assert [line["psnr"] for line in lines] == ["30.0", "", "31.5", ""]
    assert [line["lr"] for line in lines] == ["auto", "auto", "0.0001", "0.0001"]


def test_parquet_without_polars_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmf_sr.results.collect.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'lmf-sr\[parquet\]'"):
        save(collect({Path("a"): record(30.0)}), tmp_path / "table.parquet")


def test_records_are_found_at_any_depth_and_what_is_none_is_named(tmp_path: Path) -> None:
    write_record(record(30.0), tmp_path / "x" / "y" / "result.json")
    write_record(replace(record(30.0), schema=1), tmp_path / "old" / "result.json")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "result.json").write_text('{"accuracy": 1}')
    found, refused = find_records([tmp_path])
    assert list(found) == [tmp_path / "x" / "y"]
    assert len(refused) == 2
    assert "foreign/result.json is not a result record" in refused[0]
    assert "schema 1" in refused[1]


@pytest.mark.parametrize("place", ["nowhere", "."])
def test_nothing_to_collect_is_an_error(tmp_path: Path, place: str) -> None:
    with pytest.raises(InputError, match=r"there is no"):
        find_records([tmp_path / place])
