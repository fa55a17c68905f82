"""How fast pictures are encoded on the CPU, and how fast they become pixels: each way side by side in one run.

Encoding is compiled (`encoders/cpu.py`) or by PyTorch.

    rate    the products that the definition has, a second, over those of large matrix products. Winograd saves 5 in 9 of
            them with tiles of 2 x 2 (EDSR), so that 225 % is the most, and 3 in 4 with tiles of 4 x 4 (RLFN), 400 %

From picture to pixels, a whole model, features included, runs against the plain way: the encoder in PyTorch and the decoder
as the authors compute it (`plain.py`; `benchmarks/rendering.py` says how).
"""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.record import RESULTS, begun, write
from benchmarks.rendering import AUTHORS_QUERIES, LR_SIZE, gemm_rate
from lmf_sr import build
from lmf_sr.encoders import cpu
from lmf_sr.model import Model
from lmf_sr.plain import plain_form
from lmf_sr.profiling import count_encoder_macs
from lmf_sr.rendering.budget import QUERY, Budget
from lmf_sr.results.table import Table

ENCODERS = ("edsr-baseline", "rlfn")
SIZES = ((48, 48), (180, 320), (512, 512))
SCALES = (2, 4, 8)
ROUNDS = 4
PLAIN_ROUNDS = 2  # of the plain way to pixels, which takes seconds


class PlainModel(Model):
    """A model whose encoder is left to PyTorch."""

    def features(self, lr: Tensor) -> Tensor:
        return self.encoder(lr)


def fastest(
    ways: dict[str, Callable[[], Tensor]], rounds: dict[str, int]
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """The least seconds of each way, which alternate, and what each makes."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    made = {}
    for i in range(max(rounds.values())):
        for name, way in ways.items():
            if i < rounds[name]:
                begin = time.perf_counter()
                made[name] = way()
                seconds[name].append(time.perf_counter() - begin)
    return {name: min(times) for name, times in seconds.items()}, made


def encodings() -> Iterator[dict[str, Any]]:
    """Each encoder on each size, compiled and not; the encoders alternate too."""
    models = {}
    for name in ENCODERS:
        torch.manual_seed(0)
        models[name] = build(name, "lm-liif").eval()
    for size in SIZES:
        lr = torch.rand(1, 3, *size) * 2 - 1
        ways: dict[str, Callable[[], Tensor]] = {}
        for name, model in models.items():
            if not cpu.supports(model.encoder, lr):
                raise SystemExit(f"{name} cannot be compiled here: there is nothing to compare")
            ways[f"{name} pytorch"] = lambda model=model, lr=lr: model.encoder(lr)
            ways[f"{name} compiled"] = lambda model=model, lr=lr: model.features(lr)
        seconds, features = fastest(ways, dict.fromkeys(ways, ROUNDS))
        for name, model in models.items():
            by = {way: seconds[f"{name} {way}"] for way in ("pytorch", "compiled")}
            difference = (features[f"{name} compiled"] - features[f"{name} pytorch"]).abs().max().item()
            macs = count_encoder_macs(model, size)
            yield {"encoder": name, "size": size, "macs": macs, "seconds": by, "difference": difference}


def pictures() -> Iterator[dict[str, Any]]:
    """Each model with LM-LIIF from picture to pixels, at each scale, and the plain way."""
    picture = torch.rand(3, *LR_SIZE)
    budget = Budget(queries_on_cpu=AUTHORS_QUERIES * QUERY)
    for scale in SCALES:
        size = LR_SIZE[0] * scale, LR_SIZE[1] * scale
        ways: dict[str, Callable[[], Tensor]] = {}
        for name in ENCODERS:
            torch.manual_seed(0)
            model = build(name, "lm-liif").eval()
            plain = PlainModel(model.encoder, plain_form(model.decoder), model.config)
            ways[f"{name} plain"] = lambda plain=plain, size=size: plain.encode(picture, budget=budget).render(
                *size, renderer="direct"
            )
            ways[f"{name} here"] = lambda model=model, size=size: model.encode(picture).render(*size)
        seconds, pixels = fastest(ways, {name: PLAIN_ROUNDS if name.endswith("plain") else ROUNDS for name in ways})
        for name in ENCODERS:
            by = {way: seconds[f"{name} {way}"] for way in ("plain", "here")}
            difference = (pixels[f"{name} here"] - pixels[f"{name} plain"]).abs().max().item()
            yield {"model": f"{name}-lm-liif", "scale": scale, "seconds": by, "difference": difference}


def report(record: dict[str, Any]) -> str:
    """The results as Markdown."""
    hardware, gemm = record["environment"]["hardware"], record["gemm_macs_per_s"]
    encoding = [
        [
            row["encoder"],
            f"{row['size'][0]} x {row['size'][1]}",
            *(f"{s:.3f}" for s in row["seconds"].values()),
            f"{row['seconds']['pytorch'] / row['seconds']['compiled']:.2f}",
            *(f"{100 * row['macs'] / s / gemm:.0f}%" for s in row["seconds"].values()),
            f"{row['difference']:.0e}",
        ]
        for row in record["encodings"]
    ]
    header = [
        "encoder", "LR picture", "PyTorch, s", "compiled, s", "ratio", "rate, PyTorch", "rate, compiled",
        "largest difference",
    ]  # fmt: skip
    whole = [
        [
            row["model"],
            f"x{row['scale']}",
            *(f"{s:.3f}" for s in row["seconds"].values()),
            f"{row['seconds']['plain'] / row['seconds']['here']:.1f}",
            f"{row['difference']:.0e}",
        ]
        for row in record["pictures"]
    ]
    return "\n".join(
        [
            "# Encoding on the CPU",
            "",
            f"The fastest of {ROUNDS} runs in turn. {hardware['processor']}, {hardware['threads']} threads, "
            f"{record['date']}, `{record['command']}`. Large matrix products reach {gemm / 1e9:.0f} GMAC/s.",
            "",
            Table.of_text(header, encoding).markdown(),
            f"From a picture of {LR_SIZE[0]} x {LR_SIZE[1]} to pixels, features included; the plain way the faster of "
            f"{PLAIN_ROUNDS} runs.",
            "",
            Table.of_text(["model", "scale", "plain, s", "lmf-sr, s", "ratio", "largest difference"], whole).markdown(),
        ]
    )


def main() -> None:
    with torch.inference_mode():
        record = {
            **begun(command="python -m benchmarks.encoding"),
            "gemm_macs_per_s": gemm_rate(),
            "encodings": list(encodings()),
            "pictures": list(pictures()),
        }
    text = report(record)
    write(record, text, RESULTS / "encoding")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
