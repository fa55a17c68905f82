"""A run goes on with another number of processes: the samples, and so the weights, are the same."""

import os
import socket
from pathlib import Path

import pytest
import torch
from forking import FORKSERVER
from tiny import learner, tiny_data, tiny_trainer


def train(folder: Path, steps: int, ckpt: Path | None, processes: int, rank: int, port: int) -> None:
    torch.set_num_threads(1)
    options = {}
    if processes > 1:
        os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        options = {"strategy": "ddp", "devices": processes}
    tiny_trainer(folder, steps, **options).fit(learner(), tiny_data(), ckpt_path=ckpt, weights_only=True)


def trained(folder: Path, steps: int, processes: int, ckpt: Path | None = None) -> Path:
    """The last checkpoint of a run of so many processes, begun anew or with a checkpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [
        FORKSERVER.Process(target=train, args=(folder, steps, ckpt, processes, rank, port)) for rank in range(processes)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
        assert process.exitcode == 0
    return folder / "last.ckpt"


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_a_run_goes_on_with_another_number_of_processes(tmp_path: Path, before: int, after: int) -> None:
    straight = trained(tmp_path / "straight", 4, processes=1)
    half = trained(tmp_path / "half", 2, before)
    resumed = trained(tmp_path / "resumed", 4, after, half)
    one, other = (torch.load(file, weights_only=True) for file in (straight, resumed))
    assert one["global_step"] == other["global_step"] == 4
    for key, value in one["state_dict"].items():
        torch.testing.assert_close(other["state_dict"][key], value, rtol=0, atol=1e-6)
