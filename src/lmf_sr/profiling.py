"""Measures the costs of a model: parameters, multiply-accumulates and latency, separately for encoder and decoder.

MACs are those of the linear, convolution and matrix products, as the papers count them. Activations, corner look-ups and the
local ensemble are left out. With N = H W output pixels

    MACs(decoder) = MACs(prepare) + MACs(query of N points)

A query costs a fixed number of MACs per point and, in some decoders, a few per call. Both follow from tracing two small
batches of points, so that no large picture has to be rendered in order to be counted. A decoder has two counts:

    plain    the paper's: the whole MLP at each of the four corners of every pixel (`plain.py`)
    as run   the factored form that computes the same pixels here
"""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import jaxtyping
import torch
from fvcore.nn import FlopCountAnalysis
from torch import Tensor, nn

from lmf_sr.geometry import Grid, Size
from lmf_sr.model import Model
from lmf_sr.plain import plain_form

PRODUCTS = ("conv", "linear", "addmm", "matmul", "bmm", "einsum", "scaled_dot_product_attention")


class Parameters(NamedTuple):
    encoder: int
    decoder: int


class Macs(NamedTuple):
    """Multiply-accumulates for one picture."""

    encoder: int
    decoder: int  # plain form
    decoder_as_run: int


class DecoderMacs(NamedTuple):
    """Multiply-accumulates of a decoder for one LR picture, once to prepare it, and for each pixel."""

    once: int
    per_pixel: int

    def for_pixels(self, pixels: int) -> int:
        """The multiply-accumulates of rendering a number of pixels."""
        return self.once + self.per_pixel * pixels


class Latency(NamedTuple):
    """Median milliseconds for one picture."""

    encoder_ms: float
    decoder_ms: float


def count_parameters(model: Model) -> Parameters:
    """The trainable parameters."""
    return Parameters(*(sum(p.numel() for p in part.parameters()) for part in (model.encoder, model.decoder)))


def count_macs(model: Model, lr_size: Size, hr_size: Size) -> Macs:
    """Counts the MACs of one picture of `lr_size`, rendered at `hr_size`."""
    return Macs(
        count_encoder_macs(model, lr_size),
        count_decoder_macs(model, lr_size, hr_size, plain=True),
        count_decoder_macs(model, lr_size, hr_size, plain=False),
    )


def count_encoder_macs(model: Model, lr_size: Size) -> int:
    """Counts the MACs of the encoder, which are the same at every scale, by running it once."""
    with _evaluating(model):
        return _traced_macs(model.encoder, _blank(model, 3, lr_size))


def count_decoder_macs(model: Model, lr_size: Size, hr_size: Size, plain: bool) -> int:
    """Counts the MACs of the decoder for one picture of `lr_size`, prepared and rendered at `hr_size`."""
    return decoder_macs(model, lr_size, plain).for_pixels(hr_size[0] * hr_size[1])


def decoder_macs(model: Model, lr_size: Size, plain: bool) -> DecoderMacs:
    """Counts the MACs of the decoder, the same at every scale, by running `prepare` once and `query` on a few points."""
    with _evaluating(model):
        decoder = plain_form(model.decoder) if plain else model.decoder
        features = _blank(model, model.encoder.out_dim, lr_size)
        cell = features.new_tensor(Grid.over(*lr_size).cell).expand(1, 1, 2)
        state = decoder.prepare(features, cell)

        def query(points: int) -> int:
            return _traced_macs(_Step(decoder, partial(decoder.query, state)), features.new_zeros(1, points, 2))

        few = 64
        macs = query(few)
        per_point = (query(2 * few) - macs) // few
        per_call = macs - per_point * few
        prepare = _traced_macs(_Step(decoder, decoder.prepare), features, cell)
    return DecoderMacs(prepare + per_call, per_point)


def measure_latency(
    model: Model, lr_size: Size, hr_size: Size, warmup: int = 1, repeats: int = 5, budget_s: float = float("inf")
) -> Latency:
    """Times encoding a picture, and then rendering it (`prepare` included), on the model's device, by the path taken there.

    Args:
        warmup: untimed runs.
        repeats: timed runs, of which the median is taken.
        budget_s: seconds after which neither the encoder nor the decoder is run again; each runs at least once.
    """
    with _evaluating(model):
        picture = _blank(model, 3, lr_size)
        image = model.encode(picture)
        return Latency(
            median_ms(lambda: model.encode(picture), picture.device, warmup, repeats, budget_s),
            median_ms(lambda: image.render(*hr_size), picture.device, warmup, repeats, budget_s),
        )


def median_ms(run: Callable[[], Any], device: torch.device, warmup: int, repeats: int, budget_s: float) -> float:
    """The median time of a run in milliseconds; `measure_latency` explains the options."""
    times: list[float] = []
    begin = time.perf_counter()
    for _ in range(warmup + repeats):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
        if time.perf_counter() - begin > budget_s:
            break
    return 1000 * statistics.median(times[warmup:] or times[-1:])


class _Step(nn.Module):
    """A step of a decoder as a module, which fvcore needs."""

    def __init__(self, decoder: nn.Module, step: Callable[..., Any]) -> None:
        super().__init__()
        self.decoder = decoder  # its parameters must be the traced module's own
        self.step = step

    def forward(self, *inputs: Tensor) -> Any:
        return self.step(*inputs)


def _traced_macs(module: nn.Module, *inputs: Tensor) -> int:
    analysis = FlopCountAnalysis(module, inputs).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    analysis.tracer_warnings("none").set_op_handle("aten::scaled_dot_product_attention", _attention_macs)
    counts = analysis.by_operator()
    return sum(int(counts[name]) for name in PRODUCTS)


def _attention_macs(inputs: list[Any], outputs: list[Any]) -> int:
    """`softmax(q k) v`, which fvcore does not know: two products of (L, d) by (d, S) size."""
    (*batch, length, depth), keys = inputs[0].type().sizes(), inputs[1].type().sizes()[-2]
    return torch.Size(batch).numel() * 2 * length * keys * depth


def _blank(model: Model, channels: int, size: Size) -> Tensor:
    weight = next(model.parameters())
    return weight.new_zeros(1, channels, *size)


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    """Evaluation mode without gradients, and without shape checks, because tracing makes sizes tensors, which they
    refuse."""
    training, checking = model.training, jaxtyping.config.jaxtyping_disable
    model.eval()
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)
        jaxtyping.config.update("jaxtyping_disable", checking)
