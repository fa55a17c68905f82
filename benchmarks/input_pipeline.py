"""Times preparing training samples on the CPU, beside the time that training takes to consume them.

    fed         samples a second that 2 worker processes hand over, batches of 16, patches of 48, 2304 queries, with
                nothing else running; from a store (`lmf-sr prepare`) of the embedded photographs
    consumed    samples a second of the training step of `training_step.py`, alone on all threads

Workers and step share the machine's cores, so the figure that matters is how little of them the samples take: fed over
consumed. The first batches, which start the workers, are not counted.
"""

import statistics
import sys
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch.utils.data import DataLoader

from benchmarks.record import RESULTS, begun, write
from benchmarks.training_step import BATCH, PATCH, QUERIES, ways
from lmf_sr.data import Embedded, Sampling
from lmf_sr.data.patches import Batches, Patches
from lmf_sr.data.store import Stored, write_store
from lmf_sr.results.table import Table

WORKERS, WARMUP, BATCHES, STEPS = 2, 8, 60, 5
TARGET = 3


def fed(folder: Path) -> float:
    """Samples a second of the workers."""
    photographs = {f"train/HR/{name}": image for name, image in Embedded().training().items()}
    write_store(folder / "embedded.store", photographs, photographs.items())
    patches = Patches(Stored(folder / "embedded.store", "train/HR"), Sampling(PATCH, QUERIES), seed=0)
    batches = iter(DataLoader(patches, batch_sampler=Batches(BATCH), num_workers=WORKERS))
    for _ in islice(batches, WARMUP):
        pass
    begin = time.perf_counter()
    for _ in islice(batches, BATCHES):
        pass
    return BATCHES * BATCH / (time.perf_counter() - begin)


def consumed() -> float:
    """Samples a second of the training step: the median of a few, after one that is not counted."""
    step, times = ways()["ours"], []
    for _ in range(1 + STEPS):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return BATCH / statistics.median(times[1:])


def report(record: dict[str, Any]) -> str:
    env, ratio = record["environment"]["hardware"], record["fed_per_s"] / record["consumed_per_s"]
    verdict = "met" if ratio >= TARGET else "missed"
    return "\n".join(
        [
            "# The input pipeline on the CPU",
            "",
            f"LM-LIIF, EDSR-baseline, batch {BATCH}, {PATCH} x {PATCH}, {QUERIES} queries, {WORKERS} workers. "
            f"{env['processor']}, {env['threads']} threads, {record['date']}, `{record['command']}`.",
            "",
            Table.of_text(
                ["", "samples a second"],
                [
                    ["the workers feed", f"{record['fed_per_s']:.1f}"],
                    ["a training step consumes", f"{record['consumed_per_s']:.1f}"],
                ],
            ).markdown(),
            f"The pipeline feeds {ratio:.1f} times what training consumes (target {TARGET}: {verdict}).",
            "",
        ]
    )


def main() -> None:
    with TemporaryDirectory() as folder:
        fed_per_s = fed(Path(folder))
    record = {
        **begun(command="python -m benchmarks.input_pipeline"),
        "fed_per_s": fed_per_s,
        "consumed_per_s": consumed(),
    }
    write(record, report(record), RESULTS / "input-pipeline")
    sys.stdout.write(report(record))


if __name__ == "__main__":
    main()
