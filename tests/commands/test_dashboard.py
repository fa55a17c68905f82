"""`lmf-sr dashboard --dry-run`: what W&B would be sent, without login or network."""

import pytest
import yaml
from command_line import Run


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", "/dev/null")


def test_the_private_method_that_prints_a_workspace_is_there() -> None:
    workspaces = pytest.importorskip("wandb_workspaces.workspaces")
    assert callable(workspaces.Workspace._to_model)


def test_panels_show_what_jobs_log(run: Run) -> None:
    outcome = run("dashboard", "my-project", "--scales", "2", "8", "--dry-run")
    assert outcome.status == 0, outcome.err
    made = yaml.safe_load(outcome.out)
    assert made["project"] == "my-project"
    sections = made["sections"]
    lines = [panel["Run History Line Plot"] for panel in sections["Against scale"]]
    assert {line["xAxis"] for line in lines} == {"by_scale/scale"}
    for metric in ("psnr", "decoder_macs", "total_ms"):
        assert f"by_scale/(.*/)?{metric}$" in {line["metricRegex"] for line in lines}
    assert [(p["xAxis"], p["yAxis"]) for p in (panel["Scatter Plot"] for panel in sections["Pareto"])] == [
        ("summary:total_ms/x2", "summary:psnr/x2"),
        ("summary:total_ms/x8", "summary:psnr/x8"),
    ]
    axes = [column["accessor"] for column in sections["What varies"][1]["Parallel Coordinates Plot"]["columns"]]
    assert axes[:4] == [
        "config:encoder.value.name",
        "config:decoder.value.name",
        "config:cmsr.value.mse_threshold",
        "summary:psnr/x8",
    ]
    assert sections["Crops"] == [{"Table of the run": "crops"}]


def test_a_scale_that_is_none(run: Run) -> None:
    outcome = run("dashboard", "my-project", "--scales", "0.5", "--dry-run")
    assert outcome.status == 2
    assert "--scales 0.5 makes no picture larger" in outcome.error


def test_without_login(run: Run) -> None:
    outcome = run("dashboard", "my-project")
    assert outcome.status == 2
    assert "wandb login" in outcome.error
