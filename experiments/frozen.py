"""Decoders trained behind one frozen encoder, on one stream of samples: the bench of experiments 07 and 08.

The encoder's features of random LR patches are made once and kept in a folder, so that a step costs only the decoder's
part, and every decoder sees the same samples in the same order. The learning rate rises over WARMUP steps, is constant,
and falls linearly to nothing over the last DECAY of a run. So runs of several lengths share their constant part.
"""

import argparse
import copy
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from rich.progress import track
from torch import Tensor

from lmf_sr.atomic import write_text
from lmf_sr.building import build
from lmf_sr.data import Benchmark, Sample
from lmf_sr.data.patches import Patches
from lmf_sr.data.sampling import Sampling
from lmf_sr.data.sources import Store
from lmf_sr.decoders.base import Decoder
from lmf_sr.encoders.base import Encoder
from lmf_sr.evaluation.metrics import BENCHMARK_RGB, psnr
from lmf_sr.geometry import Grid, sample_bilinear
from lmf_sr.images import resize_pillow
from lmf_sr.model import ContinuousImage, Model
from lmf_sr.normalisation import from_levels
from lmf_sr.profiling import count_decoder_macs, count_parameters
from lmf_sr.rendering import pipeline
from lmf_sr.rendering.blocked import Blocked
from lmf_sr.rendering.budget import DEFAULT
from lmf_sr.rendering.renderer import Encoded
from lmf_sr.rendering.tiling import Window
from lmf_sr.rendering.value_range import PIXELS
from lmf_sr.training.muon import Muon

SAMPLING = Sampling(patch=32, queries=1024)
BATCH = 4
RATE, WARMUP, DECAY = 2e-3, 100, 0.4
CLIP = 1.0  # the largest norm of gradients
SCALES = 2, 3, 4, 6, 8, 12
WINDOW = 240  # HR pixels, of the middle of each picture
SHIFT = 977  # steps by which the stream is turned for each further seed
LR_SIZE, TIMED = (90, 160), 4  # the LR picture and the scale of latencies and MACs
ROUNDS = 12  # of timed steps, of which the least counts

FIELDS = "features", "lr", "coords", "cell", "rgb"


class Step(NamedTuple):
    """The samples of a step: the frozen encoder's features, and the rest of a `Sample`."""

    features: Float[Tensor, "B C p p"]
    lr: Float[Tensor, "B 3 p p"]
    coords: Float[Tensor, "B Q 2"]
    cell: Float[Tensor, "B 1 2"]
    rgb: Float[Tensor, "B Q 3"]


class Stream:
    """The samples of all steps, in a folder of memory-mapped arrays."""

    def __init__(self, folder: Path) -> None:
        self.arrays = [np.load(folder / f"{field}.npy", mmap_mode="r") for field in FIELDS]

    def __len__(self) -> int:
        return len(self.arrays[0])

    def step(self, number: int) -> Step:
        return Step(*(torch.from_numpy(array[number % len(self)].astype(np.float32)) for array in self.arrays))

    @classmethod
    def made(cls, folder: Path, encoder: Encoder, store: Path, steps: int) -> "Stream":
        """The stream of a folder, which is made unless it is there."""
        done = folder / "made.json"
        if done.is_file():
            return cls(folder)
        folder.mkdir(parents=True, exist_ok=True)
        patches = Patches(Store(store).training(), SAMPLING, seed=0)
        arrays: dict[str, Any] = {}
        for number in track(range(steps), "samples"):
            drawn = [patches[number * BATCH + i] for i in range(BATCH)]
            sample = Sample(*(torch.stack(parts) for parts in zip(*drawn, strict=True)))
            step = Step(features_of(encoder, sample.lr), *sample)
            for field, values in step._asdict().items():
                kind = np.float16 if field in ("features", "rgb") else np.float32
                if field not in arrays:
                    arrays[field] = np.lib.format.open_memmap(
                        folder / f"{field}.npy", "w+", kind, (steps, *values.shape)
                    )
                arrays[field][number] = values.numpy()
        write_text(done, json.dumps({"steps": steps, "photographs": len(patches.names)}))
        return cls(folder)


class Picture(NamedTuple):
    """The middle of a picture of a benchmark set, at one scale."""

    scale: int
    lr: Float[Tensor, "1 3 h w"]  # normalised
    features: Float[Tensor, "1 C h w"]
    hr: UInt8[Tensor, "3 H W"]


def encoder_of(weights: Path) -> Encoder:
    """RLFN, with the weights of a file that `lmf-sr import` wrote."""
    from safetensors.torch import load_file

    encoder = build("rlfn", "lm-liif").encoder.eval()
    found = load_file(weights)
    encoder.load_state_dict({key.removeprefix("encoder."): x for key, x in found.items() if key.startswith("encoder.")})
    return encoder.requires_grad_(False)


@torch.inference_mode()
def features_of(encoder: Encoder, lr: Float[Tensor, "B 3 h w"]) -> Float[Tensor, "B C h w"]:
    """The features of LR pictures in [-1, 1]."""
    return Model(encoder, Decoder(), {}).features(lr)


def pictures(encoder: Encoder, benchmark: Path) -> list[Picture]:
    """The middles of the pictures of Set5 and Set14, reduced by Pillow's bicubic to each scale."""
    found = []
    for images in Benchmark(benchmark, ["Set5", "Set14"]).evaluation():
        for name in images.names():
            whole = images.pair(name, 1.0).hr
            height, width = (min(side, WINDOW) // 24 * 24 for side in whole.shape[1:])
            top, left = (whole.shape[1] - height) // 2, (whole.shape[2] - width) // 2
            hr = whole[:, top : top + height, left : left + width].contiguous()
            for scale in SCALES:
                lr = 2 * from_levels(resize_pillow(hr, height // scale, width // scale).float())[None] - 1
                found.append(Picture(scale, lr, features_of(encoder, lr), hr))
    return found


# Training


def train(
    make: Callable[[], Decoder],
    stream: Stream,
    ends: Sequence[int],
    seed: int = 0,
    teacher: Decoder | None = None,
) -> Iterator[tuple[int, Decoder]]:
    """Trains a fresh decoder, and yields it after each of the numbers of steps, in growing order.

    The decoder of one length is not that of a longer one cut short: its rate has fallen to nothing. With a teacher, half of
    the loss is the difference from what the teacher predicts.
    """
    torch.manual_seed(seed)
    decoder = make().train()
    optimizer = Muon(decoder.parameters(), RATE)
    at = 0
    for end in sorted(ends):
        constant = round((1 - DECAY) * end)
        for number in range(at, constant):
            take_step(decoder, optimizer, stream.step(number + seed * SHIFT), min((number + 1) / WARMUP, 1), teacher)
        at = constant
        branch, its_optimizer = copy.deepcopy((decoder, optimizer))
        for number in range(constant, end):
            share = (end - number) / (end - constant)
            take_step(branch, its_optimizer, stream.step(number + seed * SHIFT), share, teacher)
        yield end, branch.eval()


def take_step(decoder: Decoder, optimizer: Muon, step: Step, share: float, teacher: Decoder | None = None) -> None:
    """Takes one step at a share of the rate."""
    for group in optimizer.param_groups:
        group["lr"] = RATE * share
    optimizer.zero_grad()
    rgb = predicted(decoder, step)
    loss = F.l1_loss(rgb, step.rgb)
    if teacher is not None:
        with torch.no_grad():
            taught = predicted(teacher, step)
        loss = (loss + F.l1_loss(rgb, taught)) / 2
    loss.backward()
    torch.nn.utils.clip_grad_norm_(decoder.parameters(), CLIP)
    optimizer.step()


def predicted(decoder: Decoder, step: Step) -> Float[Tensor, "B Q 3"]:
    """The RGB of a step's queries."""
    rgb = decoder.query(decoder.prepare(step.features, step.cell), step.coords)
    return rgb + sample_bilinear(step.lr, step.coords) if decoder.lr_skip else rgb


# Measures


@torch.inference_mode()
def quality(decoder: Decoder, measured: Sequence[Picture]) -> dict[str, float]:
    """The mean PSNR (RGB, `scale` pixels cropped) at each scale, as "x2" and so on."""
    scores: dict[str, list[float]] = {}
    for picture in measured:
        encoded = Encoded(decoder, picture.lr, picture.features, Window.whole(picture.lr.shape[-2:]))
        found = rendered(decoder, encoded, picture.hr.shape[1:])[0]
        score = psnr(found, from_levels(picture.hr.float()), picture.scale, BENCHMARK_RGB)
        scores.setdefault(f"x{picture.scale}", []).append(score)
    return {scale: sum(values) / len(values) for scale, values in scores.items()}


def rendered(
    decoder: Decoder, encoded: Encoded, size: Sequence[int], compiled: bool = True
) -> Float[Tensor, "1 3 H W"]:
    """A picture in [0, 1]. Without `compiled`, by PyTorch alone."""
    height, width = size
    if hasattr(decoder, "picture"):  # a decoder of whole grids
        return (decoder.picture(encoded.features, (height, width)) / 2 + 0.5).clamp(0, 1)
    image = ContinuousImage(Model(Encoder(), decoder, {}), encoded)
    if compiled or not Blocked.supports(decoder, encoded.features):
        return image.render(height, width)
    renderer, out = (
        Blocked(decoder, encoded.features, DEFAULT, use_compiled=False),
        encoded.lr.new_empty(1, 3, height, width),
    )
    for _ in pipeline.render(encoded, Grid.over(height, width), renderer, PIXELS, out, None):
        pass
    return out


def form_of(decoder: Decoder, features: Float[Tensor, "1 C h w"]) -> str:
    """How a decoder renders here: "compiled", "PyTorch, blocked" or "PyTorch, direct"."""
    if not Blocked.supports(decoder, features):
        return "PyTorch, direct"
    form = Blocked(decoder, features, DEFAULT).form
    return "compiled" if form == "compiled, from the features on" else form.partition(":")[0] + ", blocked"


def cost(decoder: Decoder, as_run_ms: float, pytorch_ms: float) -> dict[str, Any]:
    """Parameters, MACs for LR_SIZE at TIMED as run here, how it renders, and the milliseconds of `latencies`."""
    encoder = build("rlfn", "lm-liif").encoder
    model = Model(encoder, decoder, {})
    hr_size = TIMED * LR_SIZE[0], TIMED * LR_SIZE[1]
    whole = getattr(decoder, "macs", None)  # a decoder of whole grids counts for itself
    return {
        "parameters": count_parameters(model).decoder,
        "macs": whole(LR_SIZE, hr_size) if whole else count_decoder_macs(model, LR_SIZE, hr_size, plain=False),
        "form": form_of(decoder, torch.zeros(1, encoder.out_dim, 8, 8)),
        "ms": as_run_ms,
        "pytorch_ms": pytorch_ms,
    }


def costs(makers: Mapping[str, Callable[[], Decoder]]) -> dict[str, Any]:
    """The costs of decoders (`cost`), by name."""
    decoders = {name: make().eval() for name, make in makers.items()}
    milliseconds = latencies(decoders)
    return {name: cost(decoder, *milliseconds[name]) for name, decoder in decoders.items()}


@torch.inference_mode()
def latencies(decoders: Mapping[str, Decoder], rounds: int = 3) -> dict[str, tuple[float, float]]:
    """Processor milliseconds from features to pixels, as a decoder renders here and by PyTorch: the least of rounds."""
    height, width = LR_SIZE
    random = torch.Generator().manual_seed(0)
    lr = torch.rand(1, 3, height, width, generator=random)
    channels = 48
    features = torch.randn(1, channels, height, width, generator=random)
    best = {name: (float("inf"), float("inf")) for name in decoders}
    for _ in range(rounds):
        for name, decoder in decoders.items():
            encoded = Encoded(decoder, lr, features, Window.whole(LR_SIZE))
            found = []
            for compiled in (True, False):
                before = time.process_time()
                rendered(decoder, encoded, (TIMED * height, TIMED * width), compiled)
                found.append(1000 * (time.process_time() - before))
            best[name] = min(best[name][0], found[0]), min(best[name][1], found[1])
    return best


def step_seconds(makers: Mapping[str, Callable[[], Decoder]], stream: Stream, encoder: Encoder) -> dict[str, float]:
    """Processor seconds of a step of each decoder, the frozen encoder's part included: the least of rounds in turn."""
    decoders = {name: make().train() for name, make in makers.items()}
    optimizers = {name: Muon(decoder.parameters(), RATE) for name, decoder in decoders.items()}
    step = stream.step(0)
    best = dict.fromkeys(decoders, float("inf"))
    encoding = float("inf")
    for _ in range(ROUNDS):
        before = time.process_time()
        features_of(encoder, step.lr)
        encoding = min(encoding, time.process_time() - before)
        for name, decoder in decoders.items():
            before = time.process_time()
            take_step(decoder, optimizers[name], step, 0.01)
            best[name] = min(best[name], time.process_time() - before)
    return {name: seconds + encoding for name, seconds in best.items()}


def parsers(description: str | None) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """The command line of an experiment, which trains or reports, and its part that trains."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    training = verbs.add_parser("train")
    for name in ("weights", "photographs", "benchmark", "runs"):
        training.add_argument(name, type=Path)
    training.add_argument("names", nargs="*", metavar="NAME")
    training.add_argument("--seeds", type=int, default=1)
    reporting = verbs.add_parser("report")
    reporting.add_argument("runs", type=Path)
    reporting.add_argument("output", type=Path)
    return parser, training


def recorded(path: Path, make: Callable[[], Any]) -> Any:
    """The content of a JSON file, which is made and written unless it is there."""
    if not path.is_file():
        write_text(path, json.dumps(make(), indent=1))
    return json.loads(path.read_text())
