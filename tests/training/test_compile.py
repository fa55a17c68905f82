"""torch.compile makes one graph of a model's step: a break would bring the kernels' starts back."""

import subprocess
import sys

import pytest

STEP = """
import sys, torch
from lmf_sr import build

for decoder in sys.argv[1:]:
    torch.manual_seed(0)
    model = build({"name": "edsr-baseline", "n_resblocks": 1, "n_feats": 8}, decoder).train()
    lr, coords, cell = torch.rand(2, 3, 12, 12) * 2 - 1, torch.rand(2, 40, 2) * 2 - 1, torch.full((2, 1, 2), 0.05)
    compiled = torch.compile(model.forward, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(lr, coords, cell), model(lr, coords, cell), atol=1e-5, rtol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        compiled(lr, coords, cell).sum().backward()
"""


@pytest.mark.parametrize("decoder", ["liif", "lm-liif", "lm-lte", "lm-ciaosr"])
def test_a_step_is_one_graph(decoder: str) -> None:
    # In a program of its own, because the tests' checks of shapes are no part of a graph.
    done = subprocess.run([sys.executable, "-c", STEP, decoder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
