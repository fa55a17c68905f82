"""Decompression bombs: small files that claim to hold so many pixels that decoding them would fill the memory."""

from lmf_sr.errors import InputError

LARGE = 2**27  # pixels (1.6 GB as float RGB) up to which any picture is read
PIXELS_PER_BYTE = 100  # the most that a larger picture may claim; photographs have far fewer, bombs far more


def check_claim(width: int, height: int, content: bytes) -> None:
    """Raises InputError if the file's bytes cannot be a photograph of so many pixels."""
    if width * height > max(LARGE, PIXELS_PER_BYTE * len(content)):
        raise InputError(
            f"its {len(content)} bytes claim to hold {width}x{height} pixels, far more than a photograph "
            "packs; if it is one, write it again with less compression"
        )
