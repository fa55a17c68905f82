"""What an offline W&B run holds. Its file is a LevelDB log of protobuf records behind a header of 7 bytes."""

import struct
from collections.abc import Iterator
from pathlib import Path

from wandb.proto.wandb_internal_pb2 import Record

BLOCK = 32768
HEADER = struct.Struct("<IHB")  # checksum, length, kind: 1 a whole record, 2 its first part, 3 a middle one, 4 its last


def records(path: Path) -> list[Record]:
    """Every record of the run."""
    return [Record.FromString(record) for record in _whole(path.read_bytes())]


def _whole(log: bytes) -> Iterator[bytes]:
    at, parts = 7, b""
    while at + HEADER.size <= len(log):
        if BLOCK - at % BLOCK < HEADER.size:  # too short a rest of a block is padding
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = HEADER.unpack_from(log, at)
        at += HEADER.size
        parts += log[at : at + length]
        at += length
        if kind in (1, 4):
            yield parts
            parts = b""
