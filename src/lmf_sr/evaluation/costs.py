"""The costs of a model at each of several scales, as results that stand beside those of an evaluation."""

from collections.abc import Iterator, Sequence

from lmf_sr.geometry import Size
from lmf_sr.model import Model
from lmf_sr.profiling import count_encoder_macs, count_parameters, decoder_macs, measure_latency
from lmf_sr.results.records import Metrics, Result


def profile(
    model: Model,
    lr_size: Size,
    scales: Sequence[float],
    latency: bool = True,
    warmup: int = 1,
    repeats: int = 5,
    budget_s: float = 20.0,
) -> Iterator[Result]:
    """Parameters, MACs and, if asked for, latency (`measure_latency` explains its options) of one LR picture per scale."""
    parameters, encoder_macs = count_parameters(model), count_encoder_macs(model, lr_size)
    plain, as_run = (decoder_macs(model, lr_size, plain) for plain in (True, False))
    for scale in scales:
        hr_size = round(lr_size[0] * scale), round(lr_size[1] * scale)
        metrics: Metrics = {
            "encoder_parameters": parameters.encoder,
            "decoder_parameters": parameters.decoder,
            "total_macs": encoder_macs + plain.for_pixels(hr_size[0] * hr_size[1]),
            "encoder_macs": encoder_macs,
            "decoder_macs": plain.for_pixels(hr_size[0] * hr_size[1]),
            "decoder_macs_as_run": as_run.for_pixels(hr_size[0] * hr_size[1]),
        }
        if latency:
            measured = measure_latency(model, lr_size, hr_size, warmup, repeats, budget_s)
            metrics |= {"total_ms": sum(measured), **measured._asdict()}
        yield Result(scale, metrics)
