"""Stores: what is written is read, shared rather than copied, and refused where it is not whole."""

import pickle
from pathlib import Path
from zlib import crc32

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader

from lmf_sr.data import Sampling
from lmf_sr.data.patches import Batches, Patches
from lmf_sr.data.store import FORMAT, Stored, identity, sets_in, write_store
from lmf_sr.errors import InputError


def picture(number: int, height: int = 20, width: int = 30) -> torch.Tensor:
    generator = torch.Generator().manual_seed(number)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Four pictures to train on."""
    keys = [f"train/HR/{name}" for name in ("10.png", "2.png", "a/1.png", "ß 🙂.png")]
    write_store(tmp_path / "some.store", keys, ((key, picture(i)) for i, key in enumerate(keys)))
    return tmp_path / "some.store"


def test_images_come_back_by_name_in_natural_order(store: Path) -> None:
    images = Stored(store, "train/HR")
    assert list(images) == ["2.png", "10.png", "a/1.png", "ß 🙂.png"]
    assert torch.equal(images["10.png"], picture(0))
    assert torch.equal(images["ß 🙂.png"], picture(3))
    assert "2.png" in images
    assert "3.png" not in images
    assert list(images.subset(["10.png"])) == ["10.png"]
    assert "2.png" not in images.subset(["10.png"])


@given(shapes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=6), unused=st.integers(0, 3))
def test_any_safetensors_reader_reads_it(tmp_path_factory: pytest.TempPathFactory, shapes: list, unused: int) -> None:
    path = tmp_path_factory.mktemp("store") / "some.store"
    images = {f"train/HR/{i}": picture(i, *shape) for i, shape in enumerate(shapes)}
    write_store(path, [*images, *map(str, range(unused))], images.items())
    read = load_file(path)
    assert read.keys() == images.keys()
    assert all(torch.equal(read[key], images[key]) for key in images)


def test_sets_and_their_scales(tmp_path: Path) -> None:
    keys = ["train/HR/b/c.jpg", "Set5/HR/a", "Set5/LR_bicubic/X2/ax2", "Set5/LR_bicubic/X1.5/ax1.5"]
    write_store(tmp_path / "s", keys, ((key, picture(0)) for key in keys))
    assert sets_in(tmp_path / "s") == {"Set5": [1.5, 2.0], "train": []}


def test_the_header_tells_a_store_from_one_that_differs_in_a_single_value(store: Path, tmp_path: Path) -> None:
    images = dict(Stored(store, "train/HR"))
    for name, changed in (("same", 0), ("other", 1)):
        images["2.png"][0, 0, 0] += changed
        keys = [f"train/HR/{key}" for key in ("10.png", "2.png", "a/1.png", "ß 🙂.png")]
        write_store(tmp_path / name, keys, ((key, images[key.removeprefix("train/HR/")]) for key in keys))
    assert identity(tmp_path / "same") == identity(store) != identity(tmp_path / "other")
    save_file({"weights": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert identity(tmp_path / "model.safetensors") is None
    (tmp_path / "photo.png").write_bytes(b"not safetensors")
    assert identity(tmp_path / "photo.png") is None


def anonymous_memory() -> int:
    """Bytes of this process's memory that are no file's."""
    (line,) = (
        line for line in Path("/proc/self/smaps_rollup").read_text().splitlines() if line.startswith("Anonymous")
    )
    return 1024 * int(line.split()[1])


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").is_file(), reason="asks Linux")
def test_images_are_the_file_s_memory_not_copies(tmp_path: Path) -> None:
    keys = [f"train/HR/{i}" for i in range(8)]
    write_store(tmp_path / "s", keys, ((key, picture(i, 2000, 2000)) for i, key in enumerate(keys)))
    images = Stored(tmp_path / "s", "train/HR")
    before = anonymous_memory()
    decoded = list(images.values())
    assert all(int(image.amax()) == 255 for image in decoded)
    assert anonymous_memory() - before < 12_000_000 < sum(image.nbytes for image in decoded) / 4


def test_processes_that_prepare_samples_share_it(store: Path) -> None:
    patches = Patches(Stored(store, "train/HR"), Sampling(patch=4, queries=16), seed=0)
    first = next(iter(DataLoader(patches, batch_sampler=Batches(4))))
    forked = next(iter(DataLoader(patches, batch_sampler=Batches(4), num_workers=1)))
    sent = pickle.dumps(patches)  # as to a process that is started anew
    assert len(sent) < 5000
    received = next(iter(DataLoader(pickle.loads(sent), batch_sampler=Batches(4))))
    for other in (forked, received):
        assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_store_cut_short_or_not_one_is_refused(store: Path, tmp_path: Path) -> None:
    whole = store.read_bytes()
    for content in (b"", whole[:5], whole[:300], whole[:-1], whole + b"?", b"\x89PNG and so on, for a while"):
        store.write_bytes(content)
        with pytest.raises(InputError, match=r"some.store is no store of lmf-sr prepare, or one cut short"):
            Stored(store, "train/HR")
    save_file({"x": torch.zeros(1)}, store)
    with pytest.raises(InputError, match=f"no store of format {FORMAT!r}"):
        sets_in(store)
    for nothing in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError, match=f"there is no store {nothing}: lmf-sr prepare makes one"):
            Stored(nothing, "train/HR")


def test_a_changed_image_is_refused_and_named_also_by_another_process(store: Path) -> None:
    content = bytearray(store.read_bytes())
    content[-1] ^= 1
    store.write_bytes(content)
    images = Stored(store, "train/HR")
    assert torch.equal(images["10.png"], picture(0))
    with pytest.raises(InputError, match=r"some.store is damaged: train/HR/ß 🙂.png is not what was written"):
        images["ß 🙂.png"]
    loader = DataLoader(ByName(images), num_workers=1, batch_size=None)
    with pytest.raises(InputError) as error:
        list(loader)
    assert str(error.value).startswith(f"{store} is damaged: ")
    assert "\n" not in str(error.value)


class ByName(torch.utils.data.Dataset):
    def __init__(self, images: Stored) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.images[self.images.names[index]]


def test_an_interrupted_store_is_not_there(tmp_path: Path) -> None:
    def interrupted() -> object:
        yield "a", picture(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "some.store", ["a", "b"], interrupted())
    assert not list(tmp_path.iterdir())


def test_the_checksum_is_the_usual_crc32(store: Path) -> None:
    assert Stored(store, "train/HR").checksums["train/HR/2.png"] == f"{crc32(picture(1).numpy().tobytes()):08x}"
