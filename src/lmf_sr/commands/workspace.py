"""A W&B workspace, made from code. Its panels show what `tracking.py` logs: rows against scale, and a summary of each run.

It needs the package wandb-workspaces, an optional extra.
"""

from collections.abc import Sequence
from typing import Any

import yaml
from wandb_workspaces.reports.v2 import interface as panels
from wandb_workspaces.workspaces import Section, Workspace

from lmf_sr.tracking import X

BY_SCALE = {  # panels against scale: title, the end of the metric's name, whether logarithmic
    "PSNR (dB)": ("psnr", False),
    "decoder MACs, plain form": ("decoder_macs", True),
    "decoder MACs, as run": ("decoder_macs_as_run", True),
    "latency of encoder and decoder (ms)": ("total_ms", True),
    "decoder latency (ms)": ("decoder_ms", True),
}
SET = "(.*/)?"  # metrics of one of several sets have its name before theirs


def workspace(project: str, entity: str, scales: Sequence[float]) -> Workspace:
    """The workspace, with scatter plots and parallel coordinates for these scales."""
    lines: list[Any] = [
        panels.LinePlot(title=title, x=X, title_x="scale", log_y=log, metric_regex=f"by_scale/{SET}{metric}$")
        for title, (metric, log) in BY_SCALE.items()
    ]
    pareto: list[Any] = [
        panels.ScatterPlot(
            title=f"PSNR against latency at ×{scale:g}",
            x=panels.SummaryMetric(f"total_ms/x{scale:g}"),
            y=panels.SummaryMetric(f"psnr/x{scale:g}"),
            log_x=True,
            running_ymax=True,  # the Pareto front
        )
        for scale in scales
    ]
    sections: list[Section] = [
        Section(name="Against scale", panels=lines, is_open=True),
        Section(name="Pareto", panels=pareto, is_open=True),
        Section(name="What varies", panels=[_parallel_coordinates(scale) for scale in scales], is_open=True),
        Section(
            name="Training",
            panels=[panels.LinePlot(title=m, x="trainer/global_step", y=[m]) for m in ("loss", "lr", "psnr/mean")],
        ),
        Section(name="Crops", panels=[panels.WeavePanelSummaryTable(table_name="crops")]),
    ]
    return Workspace(entity=entity, project=project, name="lmf-sr", sections=sections)


def _parallel_coordinates(scale: float) -> Any:
    def column(metric: Any, title: str, log: bool = False) -> Any:
        return panels.ParallelCoordinatesPlotColumn(metric=metric, display_name=title, log=log)

    return panels.ParallelCoordinatesPlot(
        title=f"Encoder, decoder and threshold at ×{scale:g}",
        columns=[
            column(panels.Config("encoder.name"), "encoder"),
            column(panels.Config("decoder.name"), "decoder"),
            column(panels.Config("cmsr.mse_threshold"), "CMSR threshold", log=True),
            column(panels.SummaryMetric(f"psnr/x{scale:g}"), "PSNR"),
            column(panels.SummaryMetric(f"total_macs/x{scale:g}"), "MACs", log=True),
            column(panels.SummaryMetric(f"total_ms/x{scale:g}"), "latency (ms)", log=True),
        ],
    )


def described(workspace: Workspace) -> str:
    """The workspace as YAML, a list of panels for each section, without the fields that W&B fills in itself.

    W&B's package prints no workspace, so this calls the private `_to_model`; `tests/commands/test_dashboard.py` pins it.
    """
    content = workspace._to_model().model_dump(by_alias=True, exclude_none=True)
    sections = {
        section["name"]: [_panel(panel["viewType"], panel["config"]) for panel in section["panels"]]
        for section in content["spec"]["section"]["panelBankConfig"]["sections"]
    }
    shown = {"project": content["project"], "workspace": content["displayName"], "sections": sections}
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)


def _panel(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    table = config.get("panel2Config", {}).get("exp", {}).get("fromOp")  # a query of hundreds of lines for one table
    return {"Table of the run": table["inputs"]["key"]["val"]} if table else {kind: config}
