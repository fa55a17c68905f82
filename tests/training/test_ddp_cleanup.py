"""Several processes train and validate as one does: the same samples, and so the same weights, and the same images."""

import csv
import os
import socket
from pathlib import Path

import pytest
import torch
from forking import FORKSERVER
from tiny_training import learner, tiny_data, tiny_trainer

from lmf_sr.training.callbacks import Cmsr

SCALES = (2.0, 5.0)  # at the second CMSR is of use


def train(folder: Path, steps: int, ckpt: Path | None, processes: int, rank: int, port: int) -> None:
    torch.set_num_threads(1)
    options = {}
    if processes > 1:
        os.environ |= {"LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        options = {"strategy": "ddp", "devices": processes}
    cmsr = Cmsr(mse_threshold=1e-3, images=1, decode_scales=[1.0, 2.0], repeats=0)
    run = tiny_trainer(folder, steps, cmsr, **options)
    run.fit(learner(), tiny_data(SCALES), ckpt_path=ckpt, weights_only=True)


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


def test_validation_is_of_the_images_of_all_processes(tmp_path: Path) -> None:
    """There are two images, of which two processes have one each."""
    found = []
    for processes in (1, 2):
        folder = trained(tmp_path / str(processes), 2, processes).parent
        with (folder / "logs" / "metrics.csv").open() as file:
            validated = next(row for row in csv.DictReader(file) if row["psnr/x2"])
        names = [name for name in validated if name.startswith(("psnr/", "cmsr_", "share_", "macs_"))]
        assert {"psnr/x5", "cmsr_psnr/x5", "cmsr_mse/x5", "share_full/x5"} < {*names}
        found.append({name: float(validated[name]) for name in names})
    assert found[1] == pytest.approx(found[0], rel=1e-4)
