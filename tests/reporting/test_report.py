"""The report on disk and in a browser: complete, the same for the same records, and in need of nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from study_of import record, records

from lmf_sr.checkpoints import load
from lmf_sr.reporting.report import write_report
from lmf_sr.results.records import read_record, write_record
from lmf_sr.viewer.pictures import ShownModel, ShownPicture
from lmf_sr.viewer.standalone import page_of

SECTIONS = ("T1", "T2", "T3", "T4", "T5", "quality", "efficiency", "pareto", "cmsr", "crops")
CROPS = '<?xml version="1.0"?><svg width="9pt" height="9pt" viewBox="0 0 9 9"><text>astronaut</text></svg>'


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    for number, found in enumerate(records()):
        write_record(found, tmp_path / "jobs" / str(number) / "result.json")
    failed = record("train", {}, status="failed", error="the loss became <nan>", sweep="methods", name="decoder-lte")
    write_record(failed, tmp_path / "jobs" / "failed" / "result.json")
    (tmp_path / "jobs" / "crops.svg").write_text(CROPS)
    return tmp_path / "jobs"


def test_every_table_in_every_format_and_the_page(jobs: Path, tmp_path: Path) -> None:
    write_report(jobs, tmp_path / "out", "A title")
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {
        "report.html",
        *(f"tables/T{n}.{suffix}" for n in range(1, 6) for suffix in ("md", "csv", "tex")),
    }


def test_the_same_records_give_the_same_files(jobs: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_report(jobs, tmp_path / name, "A title")
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_jobs_that_are_not_done_are_named(jobs: Path, tmp_path: Path) -> None:
    damaged = jobs / "damaged" / "result.json"
    damaged.parent.mkdir()
    damaged.write_text("{}")
    write_report(jobs, tmp_path, "A title")
    assert f"{damaged} is not a result record" in (tmp_path / "report.html").read_text()
    assert "train methods decoder-lte: the loss became &lt;nan&gt;" in (tmp_path / "report.html").read_text()


def test_the_page_opens_with_what_was_found(jobs: Path, tmp_path: Path) -> None:
    write_report(jobs, tmp_path, "A title")
    text = (tmp_path / "report.html").read_text()
    places = [text.index(f'<section id="{name}"') for name in (*SECTIONS[5:], *SECTIONS[:5], "provenance")]
    assert places == sorted(places)
    assert text.count('class="answer"') == 5


def test_what_has_no_data_takes_one_line(jobs: Path, tmp_path: Path) -> None:
    write_report(jobs, tmp_path, "A title")
    text = (tmp_path / "report.html").read_text()
    assert "Nothing has been measured" not in text
    assert text.count("Urban100") == 2  # in the line of T2, for PSNR and for SSIM
    for path in jobs.rglob("result.json"):
        if read_record(path).verb != "evaluate":
            path.unlink()
    (jobs / "crops.svg").unlink()
    write_report(jobs, tmp_path, "A title")
    text = (tmp_path / "report.html").read_text()
    assert "Nothing has been measured for T3 Parameters, multiply-accumulates and latency" in text
    assert re.search(r"Cost against scale needs a profile with latency; .*Crops needs the crops", text)
    assert '<section id="T3"' not in text
    assert "<svg></svg>" not in text


def test_the_page_in_a_browser(jobs: Path, tmp_path: Path, browser: Any) -> None:
    study = write_report(jobs, tmp_path, "A title")
    address = (tmp_path / "report.html").as_uri()
    paper = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme, viewport={"width": 400, "height": 800})  # type: ignore[arg-type]
        asked_for, complaints = [], []
        page.on("request", lambda request, to=asked_for: to.append(request.url))
        page.on("console", lambda message, to=complaints: to.append(message.text))
        page.goto(address)
        assert asked_for == [address]
        assert complaints == []
        for section in SECTIONS:
            assert page.locator(f"#{section} h2").is_visible()
        for section in SECTIONS[:5]:
            assert page.locator(f"#{section} table tbody tr").count() > 0
        for section in SECTIONS[5:]:
            box = page.locator(f"#{section} figure svg").bounding_box()
            assert box is not None
            assert 0 < box["width"] <= 400
        assert page.get_by_text("34.60 ± 0.14").count() == 2
        assert page.locator("h1").inner_text() == "A title"
        assert page.evaluate("document.documentElement.scrollWidth") <= 400  # tables scroll by themselves
        colours = "(e => { const s = getComputedStyle(e); return [s.backgroundColor, s.color, s.fill]; })"
        paper[scheme], ink, _ = page.evaluate(f"{colours}(document.body)")
        _, _, text = page.evaluate(f"{colours}(document.querySelector('#pareto svg text'))")
        assert text == ink
        assert brightness(paper[scheme]) > 230 if scheme == "light" else brightness(paper[scheme]) < 40
        page.close()
    assert len(study.main) == 3


def test_a_crop_of_the_report_can_be_zoomed(jobs: Path, tmp_path: Path, checkpoint: Path, browser: Any) -> None:
    """The page within the page renders by its shader, keeps to itself, and needs nothing from elsewhere."""
    rgb = torch.randint(256, (3, 12, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    shown = ShownModel("lm-liif", load(checkpoint), {})
    (jobs / "live.html").write_text(page_of(ShownPicture('</iframe>" x', rgb), shown))
    write_report(jobs, tmp_path, "A title")
    address = (tmp_path / "report.html").as_uri()
    page = browser.new_page(viewport={"width": 400, "height": 800})
    asked_for, complaints = [], []
    page.on("request", lambda request: asked_for.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    page.locator("iframe").scroll_into_view_if_needed()
    crop = page.frame_locator("iframe")
    crop.locator('#canvas[aria-busy="false"]').wait_for(timeout=180_000)
    before = crop.locator("#status").inner_text()
    crop.locator("#canvas").press("+")
    page.wait_for_timeout(300)
    crop.locator('#canvas[aria-busy="false"]').wait_for(timeout=180_000)
    after = crop.locator("#status").inner_text()
    assert "WebGL2" in after
    assert before != after
    page.close()
    assert [url for url in asked_for if not url.startswith(("blob:", "data:", "about:"))] == [address]
    assert complaints == []


def brightness(colour: str) -> float:
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3
