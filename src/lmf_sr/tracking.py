"""What a W&B run is told of one model, beside what happens over its steps.

    by_scale/psnr, by_scale/macs_decoder, ...    a row for each scale, drawn against by_scale/scale
    psnr/x4, macs_decoder/x4, ...                the same as numbers of the summary, to sort and to plot runs by

Names are those that training logs (`training/callbacks/`), so that trained, evaluated and profiled models share their
panels. Of several sets, each has its own: by_scale/Set5/psnr, Set5/psnr/x4.
"""

from collections.abc import Mapping, Sequence

from wandb import Run

from lmf_sr.results.records import Metrics, Result

X = "by_scale/scale"

NAMES = {
    "encoder_macs": "macs_encoder",
    "decoder_macs": "macs_decoder",
    "decoder_macs_as_run": "macs_decoder_as_run",
    "encoder_ms": "latency_encoder_ms",
    "decoder_ms": "latency_decoder_ms",
    "encoder_parameters": "parameters_encoder",
    "decoder_parameters": "parameters_decoder",
}
"""A record's metrics, as training names them; others keep their names."""


def log_by_scale(run: Run, found: Mapping[float, Mapping[str, float]]) -> None:
    """Adds the rows; the summary keeps nothing of them."""
    names = dict.fromkeys(name for metrics in found.values() for name in metrics)
    run.define_metric(X, hidden=True, summary="none")
    for name in names:
        run.define_metric(f"by_scale/{name}", step_metric=X, step_sync=False, summary="none")
    for scale, metrics in sorted(found.items()):
        run.log({X: scale, **{f"by_scale/{name}": value for name, value in metrics.items()}})


def log_results(run: Run, results: Sequence[Result]) -> None:
    """Rows and summary of what a job found about one model."""
    sets = {result.set for result in results if result.set is not None}
    found: dict[float, dict[str, float]] = {}
    for result in results:
        prefix = f"{result.set}/" if result.set is not None and len(sets) > 1 else ""
        metrics = {f"{prefix}{name}": float(value) for name, value in as_in_training(result.metrics).items()}
        found.setdefault(result.scale, {}).update(metrics)
    log_by_scale(run, found)
    run.summary.update({f"{name}/x{scale:g}": v for scale, metrics in found.items() for name, v in metrics.items()})


def as_in_training(metrics: Metrics) -> Metrics:
    """The metrics by the names that training gives them, with the costs of encoder and decoder together."""
    sums = {
        whole: metrics[first] + metrics[second]
        for whole, first, second in (
            ("macs", "encoder_macs", "decoder_macs"),
            ("latency_ms", "encoder_ms", "decoder_ms"),
        )
        if first in metrics and second in metrics
    }
    return {NAMES.get(name, name): value for name, value in metrics.items()} | sums


def split_by_scale(metrics: Mapping[str, float]) -> dict[float, dict[str, float]]:
    """`{"psnr/x4": 30.1}` as `{4.0: {"psnr": 30.1}}`; what has no scale is left out."""
    found: dict[float, dict[str, float]] = {}
    for key, value in metrics.items():
        name, _, scale = key.rpartition("/x")
        if name:
            found.setdefault(float(scale), {})[name] = value
    return found
