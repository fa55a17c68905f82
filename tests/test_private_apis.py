"""Private APIs of other projects that this one uses: each is named here, and fails here first where a version drops it.

hydra._internal.utils.get_args_parser                        jobs/app.py: which arguments are settings
np._core.multiarray.scalar and _reconstruct                   unpickling.py: NumPy's numbers in pickles
lightning ... launchers._SubprocessScriptLauncher            training/ddp_cleanup.py: the other processes of a run
torch._foreach_add and its like                              training/muon.py: one kernel for many parameters
torch.ops.mkldnn._linear_pointwise                           linear.py: linear layers by oneDNN
uvicorn.protocols.http.h11_impl                              viewer/server.py: connections, and which of them ask for nothing
wandb_workspaces ... Workspace._to_model                     commands/workspace.py: what is sent to W&B
"""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

import lmf_sr
from lmf_sr.unpickling import unpickle

SOURCES = {path: path.read_text() for path in Path(lmf_sr.__file__).parent.rglob("*.py")}
FOREIGN = (
    r"hydra\._internal[\w.]*",
    r"lightning[\w.]*\._\w+|import _[A-Z]\w+",
    r"torch\.ops\.mkldnn\.\w+",
    r"torch\._[a-z]+",
    r"\bnp\._[a-z]+",
    r"uvicorn\.protocols[\w.]*",
    r"\._to_model\b",
)
KNOWN = {
    "hydra._internal.utils": "jobs/app.py",
    "import _SubprocessScriptLauncher": "training/ddp_cleanup.py",
    "torch._foreach": "training/muon.py",
    "torch.ops.mkldnn._linear_pointwise": "linear.py",
    "np._core": "unpickling.py",
    "uvicorn.protocols.http.h11_impl": "viewer/server.py",
    "._to_model": "commands/workspace.py",
}


def test_no_others_are_used() -> None:
    found = {
        (match, path.relative_to(Path(lmf_sr.__file__).parent).as_posix())
        for path, source in SOURCES.items()
        for match in re.findall("|".join(FOREIGN), source)
    }
    assert found <= {*KNOWN.items()}


def test_hydra_tells_settings_from_options() -> None:
    from hydra._internal.utils import get_args_parser

    arguments = ["--cfg", "job", "scale=2", "-m", "~logger"]
    assert get_args_parser().parse_known_intermixed_args(arguments)[0].overrides == ["scale=2", "~logger"]


@pytest.mark.parametrize("value", [np.float64(30.5), np.arange(3)])
def test_numpy_s_pickles_ask_for_what_is_allowed(value: object, tmp_path: Path) -> None:
    torch.save({"best": value}, tmp_path / "file.pth")
    np.testing.assert_equal(unpickle(tmp_path / "file.pth")["best"], value)


def test_lightning_s_launcher_has_the_list_of_its_processes() -> None:
    from lightning.fabric.plugins.environments import LightningEnvironment
    from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

    launcher = _SubprocessScriptLauncher(LightningEnvironment(), num_processes=2, num_nodes=1)
    assert launcher.procs == []


def test_torch_computes_lists_of_tensors_at_once() -> None:
    made = {name: getattr(torch, f"_foreach_{name}") for name in ("add", "div", "lerp_", "mul", "mul_", "sqrt_")}
    ones, halves = [torch.ones(2), torch.ones(3, 1)], [torch.full((2,), 0.5), torch.full((3, 1), 0.5)]
    assert [x.unique().item() for x in made["add"](ones, halves, alpha=2)] == [2, 2]
    assert [x.unique().item() for x in made["div"](ones, [2, 4])] == [0.5, 0.25]


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this PyTorch has no oneDNN")
def test_torch_has_the_linear_layer_of_onednn() -> None:
    x, weight, bias = torch.rand(3, 5), torch.rand(4, 5), torch.rand(4)
    found = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    torch.testing.assert_close(found, torch.nn.functional.linear(x, weight, bias))


def test_a_workspace_has_the_model_that_is_sent() -> None:
    workspaces = pytest.importorskip("wandb_workspaces.workspaces")
    assert callable(workspaces.Workspace._to_model)
