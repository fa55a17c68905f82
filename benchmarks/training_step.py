"""The cost of a training step on the CPU: LM-LIIF, EDSR-baseline, batch 16, 48 x 48 LR pixels, 2304 queries, Adam.

One step, forward, backward and update, computed in two ways that give the same gradients:

    plain     U(F) materialised, the whole render MLP at each corner (`plain.py`), PyTorch's default memory layout
    ours      `Model`: convolutions in place of U(F), what is known at LR made there, channels-last convolutions

Most of a step is the encoder, whose work is the same in both; its layout is all that differs. So that the parts can be told
apart, the plain decoder is also timed behind our encoder, and the decoders alone. Steps of all ways alternate; each figure
is a median of seconds.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.record import RESULTS, begun, write
from lmf_sr import build
from lmf_sr.decoders.base import Decoder
from lmf_sr.glibc import keep_freed
from lmf_sr.plain import plain_form
from lmf_sr.results.table import Table

BATCH, PATCH, QUERIES = 16, 48, 2304
REPEATS = 5
TARGET = 1.3


def ways() -> dict[str, Callable[[], None]]:
    """The ways to take a step that are timed, by name."""
    torch.manual_seed(0)
    model = build("edsr-baseline", "lm-liif")
    plain, ours = plain_form(model.decoder), model.decoder
    adam = torch.optim.Adam(model.parameters(), lr=1e-4)
    lr = torch.rand(BATCH, 3, PATCH, PATCH) * 2 - 1
    coords = torch.rand(BATCH, QUERIES, 2) * 2 - 1
    cell = torch.full((BATCH, 1, 2), 2 / (2.5 * PATCH))
    rgb = torch.rand(BATCH, QUERIES, 3) * 2 - 1

    def step(encode: Callable[[Tensor], Tensor], decoder: Decoder) -> None:
        adam.zero_grad()
        F.l1_loss(decoder.query(decoder.prepare(encode(lr), cell), coords), rgb).backward()
        adam.step()

    def decode(features: Tensor, decoder: Decoder) -> None:
        F.l1_loss(decoder.query(decoder.prepare(features, cell), coords), rgb).backward()

    default = model.encoder(lr).detach().requires_grad_()
    channels_last = model.features(lr).detach().requires_grad_()
    return {
        "plain": lambda: step(model.encoder, plain),
        "plain decoder, our encoder": lambda: step(model.features, plain),
        "ours": lambda: step(model.features, ours),
        "decoder alone, plain": lambda: decode(default, plain),
        "decoder alone, ours": lambda: decode(channels_last, ours),
    }


def measure() -> dict[str, float]:
    """Median seconds of each way."""
    timed = ways()
    times: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(1 + REPEATS):
        for name, run in timed.items():
            begin = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def report(record: dict[str, Any]) -> str:
    seconds, env = record["seconds"], record["environment"]["hardware"]
    lines = [
        "# A training step on the CPU",
        "",
        f"LM-LIIF, EDSR-baseline, batch {BATCH}, {PATCH} x {PATCH}, {QUERIES} queries. {env['processor']}, "
        f"{env['threads']} threads, {record['date']}, `{record['command']}`.",
        "",
    ]
    cells = []
    for name, found in seconds.items():
        ours = seconds["decoder alone, ours" if name.startswith("decoder") else "ours"]
        cells.append([name, f"{found:.3f}", f"{found / ours:.2f}"])
    lines.append(Table.of_text(["", "seconds", "times ours"], cells).markdown())
    ratio = seconds["plain"] / seconds["ours"]
    verdict = "met" if ratio >= TARGET else "missed"
    return "\n".join([*lines, f"The plain step takes {ratio:.2f} times ours (target {TARGET}: {verdict}).", ""])


def main() -> None:
    keep_freed()  # as `lmf-sr train` does
    record = {
        **begun(command="python -m benchmarks.training_step"),
        "seconds": measure(),
    }
    write(record, report(record), RESULTS / "training-step")
    sys.stdout.write(report(record))


if __name__ == "__main__":
    main()
