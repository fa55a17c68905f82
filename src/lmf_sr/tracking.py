"""The numbers of one model that a W&B run shows beside those of its steps.

    by_scale/psnr, by_scale/decoder_macs, ...    a row for each scale, drawn against by_scale/scale
    psnr/x4, decoder_macs/x4, ...                the same as numbers of the summary, to sort and to plot runs by

The names are those of the records (`results/columns.py`), which training logs as well (`training/callbacks/`), so trained,
evaluated and profiled models share their panels. Where there are several sets, each has its own: by_scale/Set5/psnr,
Set5/psnr/x4.
"""

from collections.abc import Mapping, Sequence

from wandb import Run

from lmf_sr.results.records import Result

X = "by_scale/scale"


def log_by_scale(run: Run, found: Mapping[float, Mapping[str, float]]) -> None:
    """Adds the rows; the summary does not keep them."""
    names = dict.fromkeys(name for metrics in found.values() for name in metrics)
    run.define_metric(X, hidden=True, summary="none")
    for name in names:
        run.define_metric(f"by_scale/{name}", step_metric=X, step_sync=False, summary="none")
    for scale, metrics in sorted(found.items()):
        run.log({X: scale, **{f"by_scale/{name}": value for name, value in metrics.items()}})


def log_results(run: Run, results: Sequence[Result]) -> None:
    """Adds the rows, and the summary, of a job's results about one model."""
    sets = {result.set for result in results if result.set is not None}
    found: dict[float, dict[str, float]] = {}
    for result in results:
        prefix = f"{result.set}/" if result.set is not None and len(sets) > 1 else ""
        metrics = {f"{prefix}{name}": float(value) for name, value in result.metrics.items()}
        found.setdefault(result.scale, {}).update(metrics)
    log_by_scale(run, found)
    run.summary.update({f"{name}/x{scale:g}": v for scale, metrics in found.items() for name, v in metrics.items()})


def split_by_scale(metrics: Mapping[str, float]) -> dict[float, dict[str, float]]:
    """Turns `{"psnr/x4": 30.1}` into `{4.0: {"psnr": 30.1}}`, and leaves out metrics without a scale."""
    found: dict[float, dict[str, float]] = {}
    for key, value in metrics.items():
        name, _, scale = key.rpartition("/x")
        if name:
            found.setdefault(float(scale), {})[name] = value
    return found
