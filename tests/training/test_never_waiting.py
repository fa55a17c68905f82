"""No step of a training, and no level of CMSR, makes a program wait for the GPU that it drives."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from tiny_training import noise
from torch import Tensor
from waiting import never_waiting

from lmf_sr.building import build
from lmf_sr.cmsr.render import render_plan
from lmf_sr.cmsr.table import Scale2Mod
from lmf_sr.data import Content, Sampling
from lmf_sr.data.device_samples import Cuts, CutsOfPatches, DeviceSamples
from lmf_sr.data.patches import Patches
from lmf_sr.geometry import Grid
from lmf_sr.lmf.conversion import LMFState
from lmf_sr.rendering.direct import Direct
from lmf_sr.rendering.scratch import Scratch
from lmf_sr.rendering.value_range import NORMALISED
from lmf_sr.training.muon import Muon
from lmf_sr.training.watch import LossWatch

META = torch.device("meta")
ENCODER = {"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}

WAITING: dict[str, Callable[[Tensor], object]] = {
    "a number": lambda x: x.sum().item(),
    "a decision": lambda x: bool(x.any()),
    "numbers": lambda x: x.tolist(),
    "places": lambda x: x.nonzero(),
    "chosen values": lambda x: x[x > 0],
    "fetched": lambda x: x.cpu(),
    "sent": lambda x: torch.ones(3).to(x.device),
    "made there": lambda x: torch.tensor([1.0, 2.0], device=x.device),
    "made like it": lambda x: x.new_tensor([1.0, 2.0]),
}


@pytest.mark.parametrize("case", WAITING)
def test_what_waits_is_found(case: str) -> None:
    x = torch.zeros(3, device=META)
    with pytest.raises((AssertionError, RuntimeError, NotImplementedError)), never_waiting():
        WAITING[case](x)


def test_what_does_not_wait_is_not() -> None:
    x = torch.zeros(3, device=META)
    with never_waiting():
        torch.ones(3).to(x.device, non_blocking=True)
        torch.where(x > 0, x, 2 * x).sum()


@pytest.mark.parametrize("decoder", ["liif", "lte", "ciaosr", "lm-liif", "lm-lte", "lm-ciaosr"])
def test_a_training_step_never_waits(decoder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda kind: False)  # which refuses to speak of meta devices
    stream = Patches({"a": noise(0, 40, 44)}, Sampling(patch=8, queries=32), seed=0, content=Content(patterns=0.5))
    cuts = CutsOfPatches(stream).__getitems__([0, 1, 2, 3])
    assert len(cuts.squares)
    assert len(cuts.lr)
    samples, batch = DeviceSamples(stream, META), Cuts(*(part.to(META) for part in cuts))
    model, watch = build(ENCODER, decoder).to(META).train(), LossWatch()
    optimizer = Muon(model.parameters(), lr=1e-3)
    with never_waiting():
        for step in range(2):
            sample = samples.make(batch)
            loss = F.l1_loss(model(sample.lr, sample.coords, sample.cell), sample.rgb)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            watch.see(loss, step)


def test_a_level_of_cmsr_never_waits() -> None:
    """All but the renderer, which on a GPU is a kernel."""

    class Renderer(Direct):
        def render_chosen(self, state: LMFState, lr: Tensor) -> Callable[..., None]:
            return lambda cell, chosen, out, values: out.mul_(chosen.pixels()[:, None])

    decoder = build(ENCODER, "lm-liif").decoder.to(META)
    lr, features = torch.zeros(1, 3, 4, 5, device=META), torch.zeros(1, 8, 4, 5, device=META)
    state = LMFState(*(torch.zeros(1, *shape, device=META) for shape in ((4, 5, 192), (4, 5, 2, 6), (2,))))
    intensity = torch.zeros(1, 4, 5, device=META)
    plan = Scale2Mod.from_limits({6: {2: 0.1, 4: 0.2, 6: 1}}).plan(Grid.over(24, 30), (4, 5))
    out = torch.empty(1, 3, 24, 30, device=META)
    with never_waiting():
        render_plan(
            plan, state, intensity, lr, Renderer(decoder, features), (Scratch(lr), Scratch(lr)), out, NORMALISED
        )
