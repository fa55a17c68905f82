"""A conversion of your own in ten lines: LM-LIIF whose `rel` is bent by a learnt amount, trained for a few steps.

    python examples/add_method.py --steps 200

To have it by name in every command, put the class into the package and add a YAML file: docs/adding-a-method.md.
"""

import argparse

import torch
from jaxtyping import Float
from torch import Tensor

import lmf_sr
from lmf_sr.data import Embedded, Sampling
from lmf_sr.data.patches import Patches
from lmf_sr.lmf.lm_liif import LMLIIF
from lmf_sr.training.muon import Muon


class LMBent(LMLIIF):
    """LM-LIIF with rel + b rel |rel| in the place of rel, so that its render MLP can follow curves more easily."""

    def __init__(self, in_dim: int) -> None:
        super().__init__(in_dim)
        self.bow = torch.nn.Parameter(torch.zeros(2))

    def input_at_hr(
        self, code: Float[Tensor, "*N 0"], rel: Float[Tensor, "*N 2"], cell: Float[Tensor, "*#N 2"]
    ) -> Float[Tensor, "*N 2"]:
        return rel + self.bow * rel * rel.abs()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()

    torch.manual_seed(0)
    encoder = lmf_sr.build("edsr-tiny").encoder
    model = lmf_sr.Model(
        encoder, LMBent(encoder.out_dim), {"encoder": {"name": "edsr-tiny"}, "decoder": {"name": "lm-bent"}}
    )
    patches = Patches(Embedded().training(), Sampling(patch=24, queries=256), seed=0)
    optimizer = Muon(model.parameters(), lr=2e-3)
    for step in range(options.steps):
        samples = [patches[8 * step + i] for i in range(8)]
        lr, coords, cell, rgb = (torch.stack(field) for field in zip(*samples, strict=True))
        loss = (model(lr, coords, cell) - rgb).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0 or step == options.steps - 1:
            print(f"step {step}: loss {loss.item():.3f}")
    (name, pair), *_ = ((name, Embedded().validation().pair(name, 2)) for name in Embedded().validation().names())
    sr = model.eval().encode(pair.lr_picture).render(*pair.hr.shape[1:], renderer="direct")[0]
    print(
        f"{name}: {-10 * (sr - pair.hr_picture).square().mean().log10():.2f} dB at x2, bow {model.decoder.bow.tolist()}"
    )


if __name__ == "__main__":
    main()
