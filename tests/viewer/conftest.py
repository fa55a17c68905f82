"""A server with small pictures and models."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from lmf_sr.checkpoints import load
from lmf_sr.commands.view import shown_model
from lmf_sr.images import Picture, embedded_photographs, imresize, write_picture
from lmf_sr.viewer.pictures import ShownModel, Studio
from lmf_sr.viewer.server import Server

MODELS = ("edsr-tiny-lm-liif", "edsr-tiny-lm-lte", "edsr-tiny-lte")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photograph of 48 x 64 pixels, and the same of 144 x 192."""
    folder = tmp_path_factory.mktemp("pictures")
    photograph = embedded_photographs()["chelsea"][:, 60:252, 90:346].float() / 255
    for name, size in (("small", (48, 64)), ("large", (144, 192))):
        rgb = imresize(photograph, *size).clamp(0, 1)
        write_picture(folder / f"{name}.png", Picture((rgb * 255).round() / 255))
    return folder


@pytest.fixture(scope="session")
def models() -> list[ShownModel]:
    return [shown_model(name, load(name)) for name in MODELS]


@pytest.fixture
def studio(models: list[ShownModel], pictures: Path) -> Studio:
    studio = Studio(models)
    studio.add(pictures / "small.png", reference=pictures / "large.png")
    return studio


@pytest.fixture
def server(studio: Studio) -> Iterator[Server]:
    threads = torch.get_num_threads()
    server = Server(studio)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.is_running:
        time.sleep(0.01)
    yield server
    server.stop()
    thread.join()
    torch.set_num_threads(threads)
