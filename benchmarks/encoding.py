"""How fast EDSR-baseline encodes on the CPU: compiled (`encoders/compiled.py`) against PyTorch, side by side.

rate    the products that the definition has, a second, over those of large matrix products. Winograd saves 5 in 9 of
        them, so that 225 % is the most
"""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.record import RESULTS, begun, write
from benchmarks.rendering import gemm_rate
from lmf_sr import build
from lmf_sr.encoders import compiled
from lmf_sr.profiling import count_encoder_macs
from lmf_sr.results.table import Table

SIZES = ((48, 48), (180, 320), (512, 512))
ROUNDS = 4


def encodings() -> Iterator[dict[str, Any]]:
    torch.manual_seed(0)
    model = build("edsr-baseline", "lm-liif").eval()
    for size in SIZES:
        lr = torch.rand(1, 3, *size) * 2 - 1
        if not compiled.supports(model.encoder, lr):
            raise SystemExit("EDSR cannot be compiled here: there is nothing to compare")
        ways: dict[str, Callable[..., torch.Tensor]] = {"pytorch": model.encoder, "compiled": model.features}
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        found = {}
        for _ in range(ROUNDS):
            for way, encode in ways.items():
                begin = time.perf_counter()
                found[way] = encode(lr)
                seconds[way].append(time.perf_counter() - begin)
        difference = (found["compiled"] - found["pytorch"]).abs().max().item()
        fastest = {f"{way}_s": min(times) for way, times in seconds.items()}
        yield {"size": size, "macs": count_encoder_macs(model, size), **fastest, "difference": difference}


def report(record: dict[str, Any]) -> str:
    hardware, gemm = record["environment"]["hardware"], record["gemm_macs_per_s"]
    lines = [
        "# Encoding on the CPU",
        "",
        f"EDSR-baseline, the fastest of {ROUNDS} runs in turn. {hardware['processor']}, {hardware['threads']} threads, "
        f"{record['date']}, `{record['command']}`. Large matrix products reach {gemm / 1e9:.0f} GMAC/s.",
        "",
    ]
    cells = []
    for row in record["encodings"]:
        times = row["pytorch_s"], row["compiled_s"]
        seconds, rates = [f"{s:.3f}" for s in times], [f"{100 * row['macs'] / s / gemm:.0f}%" for s in times]
        size, ratio = f"{row['size'][0]} x {row['size'][1]}", f"{times[0] / times[1]:.2f}"
        cells.append([size, *seconds, ratio, *rates, f"{row['difference']:.0e}"])
    header = [
        "LR picture", "PyTorch, s", "compiled, s", "ratio", "rate, PyTorch", "rate, compiled", "largest difference",
    ]  # fmt: skip
    return "\n".join([*lines, Table.of_text(header, cells).markdown()])


def main() -> None:
    with torch.inference_mode():
        record = {
            **begun(command="python -m benchmarks.encoding"),
            "gemm_macs_per_s": gemm_rate(),
            "encodings": list(encodings()),
        }
    write(record, report(record), RESULTS / "encoding")
    sys.stdout.write(report(record))


if __name__ == "__main__":
    main()
