"""`make bench-gpu`: decoding on a GPU, the Triton renderer against the direct path; results in `benchmarks/results/`.

For each conversion, scale and precision, on one 180 x 320 picture with random weights and features:

    prepare     the latent MLP: features -> state
    render      the fused kernel: state -> pixels, from a cold cache
    decode      both, one after the other
    direct      the direct path: state -> pixels

Times are medians between CUDA events, in milliseconds, with the queue kept full so that they are the GPU's own; `wall` is a
decode as a caller sees it, Python included. Before anything is timed the pixels are checked against the direct path in
float64 on the same state; a wrong one makes the run fail. (`prepare` in TF32 or bfloat16 changes the state itself, within
what networks tolerate; what that does to the pixels is stated apart.)

*Roofline.* The floor of a render is the largest of three times: the bytes that must move (each latent and LR pixel read
once, each output value written once) at the rate of a large copy, its products at the rate of a large float16 matrix
product, and its other operations on hidden values at the float32 rate. `triton_kernel.py` explains the counts. The floor of
`prepare` is that of its multiply-adds. All rates are measured here, on the same GPU.

`--sweep` also times the kernel's own choices (tile, strip, registers) and says which is best.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.record import RESULTS, begun, write
from lmf_sr import build
from lmf_sr.geometry import Grid, clip_cell
from lmf_sr.lmf.conversion import Conversion, LMFState
from lmf_sr.lmf.lm_lte import LMLTE
from lmf_sr.profiling import decoder_macs
from lmf_sr.rendering import triton
from lmf_sr.rendering.direct import Direct
from lmf_sr.rendering.renderer import Renderer
from lmf_sr.rendering.triton import Triton
from lmf_sr.rendering.value_range import NORMALISED
from lmf_sr.results.table import Table

LR_SIZE = (180, 320)
SCALES = (2.0, 2.7, 4.0, 8.0)
DECODERS = ("lm-liif", "lm-lte", "lm-ciaosr")
HEADER = (
    "decoder", "precision", "output", "prepare", "render", "decode", "wall", "direct render", "ratio",
    "render's roofline (bound by)", "prepare's", "render's error", "decode's",
)  # fmt: skip
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 1e-2}  # absolute; of the largest value
REPEATS, BUDGET_S = 30, 3.0


class Precision(NamedTuple):
    """`rate` is the ceiling that its matrix products are held against."""

    name: str
    dtype: torch.dtype
    tf32: bool
    rate: str


PRECISIONS = (
    Precision("float32", torch.float32, False, "float32"),
    Precision("float32, latent MLP in TF32", torch.float32, True, "tf32"),
    Precision("bfloat16", torch.bfloat16, False, "bfloat16"),
)


class Work(NamedTuple):
    """What rendering a state takes at least."""

    bytes: float
    products: float  # FLOPs of the products, as often as the kernel takes them
    others: float  # operations on hidden values

    def floor_ms(self, ceilings: dict[str, float]) -> dict[str, float]:
        return {
            "memory": 1e3 * self.bytes / ceilings["copy"],
            "products": 1e3 * self.products / ceilings["float16"],
            "others": 1e3 * self.others / (ceilings["float32"] / 2),  # a multiply-add is one operation there
        }


def work(decoder: Conversion, state: LMFState, lr: Tensor, grid: Grid) -> Work:
    pixels = grid.size[0] * grid.size[1] * lr.shape[0]
    D, L, split = decoder.width, decoder.depth, state.modulations.dtype == torch.float32
    waves = isinstance(decoder, LMLTE)
    moved = state.modulations.nbytes + lr.nbytes * decoder.lr_skip + 3 * pixels * lr.element_size()
    products = 2 * 4 * pixels * (L if waves else L - 1) * D * D * (3 if split else 1)
    others = 4 * pixels * D * (L * (5 if split else 2.5) + (16 if waves else 2))
    return Work(moved, products, others)


def gpu_ms(run: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The median time between CUDA events around a run. What is cleared before it empties the cache and keeps the GPU busy
    while Python queues the run."""
    cleared = torch.empty(2**30, dtype=torch.uint8, device="cuda")
    times: list[float] = []
    deadline = time.perf_counter() + BUDGET_S
    for i in range(3 + repeats):
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        cleared.zero_()
        start.record()
        run()
        stop.record()
        torch.cuda.synchronize()
        if i >= 3:
            times.append(start.elapsed_time(stop))
        if times and time.perf_counter() > deadline:
            break
    return statistics.median(times)


def wall_ms(run: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The median time from a call to its pixels."""
    times: list[float] = []
    for i in range(3 + repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        if i >= 3:
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def measured_ceilings() -> dict[str, float]:
    """Bytes per second of a large copy, and FLOPs per second of a large matrix product by precision."""
    source = torch.empty(2**30, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    rates = {"copy": 2 * source.nbytes / (gpu_ms(lambda: target.copy_(source)) / 1e3)}
    n = 8192
    for name, dtype in {
        "float32": torch.float32,
        "tf32": torch.float32,
        "bfloat16": torch.bfloat16,
        "float16": torch.float16,
    }.items():
        a, b = (torch.randn(n, n, device="cuda").to(dtype) for _ in range(2))
        with tf32(name == "tf32"):
            rates[name] = 2 * n**3 / (gpu_ms(partial(torch.matmul, a, b), repeats=10) / 1e3)
    return rates


class Setting(NamedTuple):
    """One decoder, precision and output size, with all that is needed to run it."""

    decoder: Conversion
    precision: Precision
    features: Tensor
    cell: Tensor
    lr: Tensor
    grid: Grid

    def prepare(self) -> LMFState:
        with tf32(self.precision.tf32):
            return self.decoder.prepare(self.features, self.cell)

    def render(self, state: LMFState) -> Tensor:
        return self._rendered(Triton(self.decoder, self.lr), state)

    def direct(self, state: LMFState) -> Tensor:
        return self._rendered(Direct(self.decoder, self.lr), state)

    def _rendered(self, renderer: Renderer, state: LMFState) -> Tensor:
        out = self.lr.new_empty(len(self.lr), 3, *self.grid.size)
        renderer.render(state, self.lr, self.grid, out, NORMALISED)
        return out

    def decode(self) -> Tensor:
        return self.render(self.prepare())


def setting(decoder: Conversion, in_dim: int, precision: Precision, scale: float, lr_size: tuple[int, int]) -> Setting:
    h, w = lr_size
    generator = torch.Generator("cuda").manual_seed(0)
    features = torch.randn(1, in_dim, h, w, device="cuda", generator=generator)
    lr = torch.rand(1, 3, h, w, device="cuda", generator=generator) * 2 - 1
    grid = Grid.over(round(h * scale), round(w * scale))
    cell = clip_cell(torch.tensor(grid.cell, device="cuda").expand(1, 1, 2), lr_size)
    features, cell, lr = (x.to(precision.dtype) for x in (features, cell, lr))
    return Setting(deepcopy(decoder).to(precision.dtype), precision, features, cell, lr, grid)


def check(s: Setting, state: LMFState) -> dict[str, float]:
    """How far the pixels are from the direct path's in float64, on the same state and weights.

    Raises:
        ArithmeticError: further than `Triton` promises.
    """
    exact = s._replace(decoder=deepcopy(s.decoder).double(), lr=s.lr.double())
    expected = exact.direct(LMFState(*(x.double() for x in state)))
    pixels = s._replace(lr=s.lr.float()).render(state)
    error = (pixels - expected).abs().max().item()
    scale = 1.0 if s.precision.dtype == torch.float32 else expected.abs().max().item()
    bound = TOLERANCE[s.precision.dtype] * scale
    if not error <= bound:
        raise ArithmeticError(f"the Triton renderer is off by {error:.1e}, more than {bound:.1e}")
    return {"error": error, "largest": expected.abs().max().item()}


def measure(s: Setting, reference: Tensor, macs_once: int, ceilings: dict[str, float]) -> dict[str, Any]:
    """Checks and times one setting; `reference` is the direct path's picture, all in float32."""
    state = s.prepare()
    checked = check(s, state)
    checked["decode_error"] = (s.decode().float() - reference).abs().max().item()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    s.render(state)
    peak = torch.cuda.max_memory_allocated() - before
    times = {
        "prepare_ms": gpu_ms(s.prepare),
        "render_ms": gpu_ms(lambda: s.render(state)),
        "decode_ms": gpu_ms(s.decode),
        "wall_ms": wall_ms(s.decode),
        "direct_ms": gpu_ms(lambda: s.direct(state), repeats=5),
    }
    needed = work(s.decoder, state, s.lr, s.grid)
    floors = needed.floor_ms(ceilings)
    prepare_floor = 1e3 * 2 * macs_once / ceilings[s.precision.rate]
    return {
        **checked,
        **times,
        "direct_over_render": times["direct_ms"] / times["render_ms"],
        "bytes": needed.bytes,
        "product_flops": needed.products,
        "other_operations": needed.others,
        "floors_ms": floors,
        "render_roofline": max(floors.values()) / times["render_ms"],
        "prepare_macs": macs_once,
        "prepare_roofline": prepare_floor / times["prepare_ms"],
        "render_memory_bytes": peak,
    }


@contextmanager
def chosen(tiles: tuple[int, ...], strip: int, registers: int | None) -> Iterator[None]:
    """The kernel's own choices, for a while."""
    before = triton.TILES, triton.STRIP, triton.LAUNCH
    triton.TILES, triton.STRIP = tiles, strip
    triton.LAUNCH = {**triton.LAUNCH, "maxnreg": registers} if registers else triton.LAUNCH
    triton.blocks_of.cache_clear()
    try:
        yield
    finally:
        triton.TILES, triton.STRIP, triton.LAUNCH = before
        triton.blocks_of.cache_clear()


def sweep(s: Setting) -> list[dict[str, Any]]:
    """The render's time for each of the kernel's choices, fastest first."""
    state = s.prepare()
    found = []
    for tile, strip, registers in product((16, 32), (2, 4, 8, 16), (None, 128, 168)):
        with chosen((tile,), strip, registers):
            ms = gpu_ms(lambda: s.render(state), repeats=10)
        found.append({"tile": tile, "strip": strip, "registers": registers, "render_ms": ms})
    return sorted(found, key=lambda entry: entry["render_ms"])


def report(record: dict[str, Any]) -> str:
    """The results as Markdown."""
    env, ceilings = record["environment"], record["ceilings"]
    rates = ", ".join(f"{name} {ceilings[name] / 1e12:.0f} TFLOP/s" for name in ceilings if name != "copy")
    lines = [
        f"# Decoding {record['lr_size'][0]} x {record['lr_size'][1]} pictures on {record['device']}",
        "",
        f"{record['date']}, `{record['command']}`, revision {env['revision']}, torch {env['versions']['torch']}, "
        f"Triton {record['triton']}, CUDA {record['cuda']}.",
        f"Measured ceilings: copy {ceilings['copy'] / 1e12:.2f} TB/s, {rates}.",
        "",
        "Milliseconds, medians between CUDA events; `wall` with Python. Roofline: the floor over the time. Error: the fused",
        "pixels against the direct path in float64, on the same state; and of a whole decode against one in float32.",
        "",
    ]
    cells: list[list[str]] = []
    for row in record["results"]:
        output = f"{row['size'][1]} x {row['size'][0]} (x{row['scale']:g})"
        head = [row["decoder"], row["precision"], output]
        if "failure" in row:
            cells.append([*head, f"FAILED: {row['failure']}", *[""] * 9])
            continue
        bound = max(row["floors_ms"], key=row["floors_ms"].get)
        times = [f"{row[name]:.3f}" for name in ("prepare_ms", "render_ms", "decode_ms", "wall_ms", "direct_ms")]
        rooflines = [f"{row['render_roofline']:.0%} ({bound})", f"{row['prepare_roofline']:.0%}"]
        errors = [f"{row['error']:.1e}", f"{row['decode_error']:.1e}"]
        cells.append([*head, *times, f"{row['direct_over_render']:.0f}", *rooflines, *errors])
    lines.append(Table.of_text(HEADER, cells, labels=3).markdown())
    for name, entries in record["sweeps"].items():
        choices = [
            [f"{e['tile']}", f"{e['strip']}", f"{e['registers'] or 'free'}", f"{e['render_ms']:.4f}"] for e in entries
        ]
        table = Table.of_text(["tile", "strip", "registers", "render"], choices, labels=0)
        lines += [f"## Choices: {name}", "", table.markdown()]
    return "\n".join(lines)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description="Decoding on a GPU, timed and checked."
    )
    parser.add_argument("--scales", type=float, nargs="+", default=SCALES)
    parser.add_argument("--decoders", nargs="+", default=DECODERS, choices=DECODERS)
    parser.add_argument("--lr-size", type=int, nargs=2, default=LR_SIZE, metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--sweep", action="store_true", help="also time the kernel's own choices, at the last scale")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the folder of the results")
    return parser.parse_args(arguments)


@torch.inference_mode()
def main(arguments: Sequence[str]) -> int:
    options = parsed(arguments)
    if not torch.cuda.is_available():
        print("no CUDA GPU here: nothing was measured", file=sys.stderr)
        return 2
    torch.manual_seed(0)
    lr_size = (options.lr_size[0], options.lr_size[1])
    device = torch.cuda.get_device_name()
    record: dict[str, Any] = {
        "device": device,
        **begun(command=" ".join(["python -m benchmarks.gpu", *arguments])),
        "triton": ".".join(map(str, triton.triton_version())),
        "cuda": torch.version.cuda,
        "lr_size": list(options.lr_size),
        "ceilings": measured_ceilings(),
        "results": [],
        "sweeps": {},
    }
    stem = options.output / f"gpu-{device.lower().replace(' ', '-')}"

    for name in options.decoders:
        model = build(decoder=name).to("cuda").eval()
        assert isinstance(model.decoder, Conversion)
        once = decoder_macs(model, lr_size, plain=False).once
        for scale in options.scales:
            settings = [setting(model.decoder, model.encoder.out_dim, p, scale, lr_size) for p in PRECISIONS]
            reference = settings[0].direct(settings[0].prepare())
            for s in settings:
                row = {"decoder": name, "precision": s.precision.name, "scale": scale, "size": list(s.grid.size)}
                try:
                    row |= measure(s, reference, once, record["ceilings"])
                except Exception as error:  # one that fails leaves the others standing
                    row["failure"] = f"{type(error).__name__}: {error}".splitlines()[0]
                record["results"].append(row)
                print(json.dumps(row), flush=True)
                write(record, report(record), stem)
        if options.sweep:
            record["sweeps"][f"{name}, float32, x{options.scales[-1]:g}"] = sweep(settings[0])
            write(record, report(record), stem)
    print(report(record))
    return 1 if any("failure" in row for row in record["results"]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
