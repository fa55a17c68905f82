"""Any photograph people have is read as it looks; what is written reads back as it was; damage is one clear sentence."""

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from lmf_sr.errors import InputError, InputWarning
from lmf_sr.images import IMAGE_SUFFIXES, Metadata, Picture, list_images, read_picture, read_rgb8, write_picture

in_tmp_path = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def noise(*shape: int, dtype: type = np.uint8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def planes(samples: np.ndarray) -> torch.Tensor:
    """(H, W, C) integers as (C, H, W) in [0, 1]."""
    return torch.from_numpy(samples.astype(np.float32) / np.iinfo(samples.dtype).max).permute(2, 0, 1)


def png16(samples: np.ndarray, *extra: tuple[bytes, bytes]) -> bytes:
    """A plain 16-bit PNG, independent of the package's writer."""
    height, width, channels = samples.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">2I5B", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def lzw(content: bytes) -> bytes:
    """The simplest valid TIFF LZW: 9-bit literals, with the table cleared (256) before codes would grow; 257 ends."""
    codes = [code for i, byte in enumerate(content) for code in ([256, byte] if i % 200 == 0 else [byte])] + [257]
    bits = "".join(f"{code:09b}" for code in codes)
    return int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")


class TestReading:
    @pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
    def test_eight_bit_kinds(self, tmp_path: Path, mode: str, channels: int) -> None:
        samples = noise(5, 7, channels)
        Image.fromarray(samples.squeeze(), mode).save(tmp_path / "a.png")
        picture = read_picture(tmp_path / "a.png")
        expected = planes(samples)
        assert (picture.bit_depth, picture.grey) == (8, channels < 3)
        torch.testing.assert_close(picture.rgb, expected[:1].repeat(3, 1, 1) if channels < 3 else expected[:3])
        if channels in (2, 4):
            torch.testing.assert_close(picture.alpha, expected[-1:])
        else:
            assert picture.alpha is None

    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_sixteen_bit_png_keeps_both_bytes(self, tmp_path: Path, channels: int) -> None:
        samples = noise(5, 7, channels, dtype=np.uint16)
        (tmp_path / "a.png").write_bytes(png16(samples))
        assert_sixteen_bit(read_picture(tmp_path / "a.png"), samples)

    @pytest.mark.parametrize("channels", [1, 3, 4])
    @pytest.mark.parametrize("byteorder", ["<", ">"])
    @pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}])
    def test_sixteen_bit_tiff_keeps_both_bytes(
        self, tmp_path: Path, channels: int, byteorder: str, options: dict
    ) -> None:
        samples = noise(37, 7, channels, dtype=np.uint16)
        write_tiff(tmp_path / "a.tif", samples, byteorder=byteorder, rowsperstrip=10, **options)
        assert_sixteen_bit(read_picture(tmp_path / "a.tif"), samples)

    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_sixteen_bit_tiff_in_separate_planes(self, tmp_path: Path, compression: str | None) -> None:
        samples = noise(5, 7, 3, dtype=np.uint16)
        tifffile.imwrite(
            tmp_path / "a.tif",
            np.ascontiguousarray(samples.transpose(2, 0, 1)),
            photometric="rgb",
            planarconfig="separate",
            compression=compression,
        )
        assert_sixteen_bit(read_picture(tmp_path / "a.tif"), samples)

    def test_sixteen_bit_tiff_by_lzw(self, tmp_path: Path) -> None:
        samples = noise(5, 7, 3, dtype=np.uint16)
        write_tiff(tmp_path / "a.tif", samples, byteorder="<")
        compressed = lzw(samples.astype("<u2").tobytes())
        offset = (tmp_path / "a.tif").stat().st_size
        with (tmp_path / "a.tif").open("ab") as file:
            file.write(compressed)
        with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
            tags = tiff.pages[0].tags
            for name, value in {"Compression": 5, "StripOffsets": offset, "StripByteCounts": len(compressed)}.items():
                tags[name].overwrite(value)
        assert_sixteen_bit(read_picture(tmp_path / "a.tif"), samples)

    def test_eight_bit_tiff_in_separate_planes(self, tmp_path: Path) -> None:
        samples = noise(3, 5, 7)
        tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", planarconfig="separate")
        torch.testing.assert_close(read_picture(tmp_path / "a.tif").rgb, planes(samples.transpose(1, 2, 0)))

    def test_sixteen_bit_transparent_colour(self, tmp_path: Path) -> None:
        samples = noise(5, 7, 3, dtype=np.uint16)
        samples[2, 3] = key = (1, 2, 3)
        (tmp_path / "a.png").write_bytes(png16(samples, (b"tRNS", struct.pack(">3H", *key))))
        alpha = read_picture(tmp_path / "a.png").alpha
        assert alpha is not None
        assert (alpha == 0).nonzero().tolist() == [[0, 2, 3]]

    def test_one_bit(self, tmp_path: Path) -> None:
        bits = noise(5, 7) > 127
        Image.fromarray(bits).save(tmp_path / "a.tif")
        picture = read_picture(tmp_path / "a.tif")
        assert picture.grey
        torch.testing.assert_close(picture.rgb[0], torch.from_numpy(bits).float())

    def test_palette_with_transparency(self, tmp_path: Path) -> None:
        image = Image.new("P", (3, 1))
        image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
        image.putdata([0, 1, 2])
        image.save(tmp_path / "a.png", transparency=1)
        picture = read_picture(tmp_path / "a.png")
        torch.testing.assert_close(picture.rgb[:, 0], torch.eye(3))
        assert picture.alpha is not None
        assert picture.alpha.flatten().tolist() == [1, 0, 1]

    @pytest.mark.parametrize("suffix", [".jpg", ".tif"])
    def test_cmyk_inks(self, tmp_path: Path, suffix: str) -> None:
        """JPEG as Adobe writes it, that is inverted."""
        inks = {"white": (0, 0, 0, 0), "cyan": (255, 0, 0, 0), "red": (0, 255, 255, 0), "black": (0, 0, 0, 255)}
        Image.fromarray(np.array([list(inks.values())], np.uint8).repeat(16, 0).repeat(16, 1), "CMYK").save(
            tmp_path / f"a{suffix}", quality=100
        )
        rgb = read_picture(tmp_path / f"a{suffix}").rgb[:, 8, 8::16]
        expected = torch.tensor([[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]]).T.float()
        torch.testing.assert_close(rgb, expected, atol=0.02, rtol=0)

    def test_cmyk_with_a_broken_profile_is_read_without_it(self, tmp_path: Path) -> None:
        Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "a.tif", icc_profile=b"no profile")
        picture = read_picture(tmp_path / "a.tif")
        assert picture.rgb[:, 0, 0].tolist() == [1, 0, 0]
        assert picture.metadata.icc_profile is None

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "png16", "grey16.tif", "tif16"])
    def test_exif_orientation_is_applied(self, tmp_path: Path, kind: str, orientation: int) -> None:
        upright = noise(24, 40, 3, dtype=np.uint16) // 4
        upright[:12, :16] = 65535  # a bright corner, top left, wider than tall
        upright[:, :, 1:] = upright[:, :, :1]
        stored = UNDO[orientation](upright)
        path = tmp_path / f"a.{kind.removesuffix('16')}"
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        if kind == "png16":
            path.write_bytes(png16(stored, (b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))))
        elif kind == "tif16":
            write_tiff(path, stored, extratags=[(274, "H", 1, orientation, True)])
        elif kind == "grey16.tif":
            write_tiff(path, stored[..., :1], extratags=[(274, "H", 1, orientation, True)])
        else:
            Image.fromarray((stored >> 8).astype(np.uint8)).save(path, exif=exif, quality=100)
        rgb = read_picture(path).rgb
        assert rgb.shape == (3, 24, 40)
        torch.testing.assert_close(rgb, planes(upright), atol=0.05, rtol=0)
        assert read_rgb8(path).shape == (3, 24, 40)

    @pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
    def test_first_frame_of_an_animation(self, tmp_path: Path, suffix: str) -> None:
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
        frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], lossless=True)
        torch.testing.assert_close(read_picture(tmp_path / f"a{suffix}").rgb[:, 4, 4], torch.tensor([1.0, 0, 0]))

    def test_rgb8_drops_alpha_and_rounds_sixteen_bits(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(png16(np.array([[[0, 128, 129, 9], [65535, 65406, 65407, 9]]], np.uint16)))
        assert read_rgb8(tmp_path / "a.png").tolist() == [[[0, 255]], [[0, 254]], [[1, 255]]]

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
    def test_rgb8_of_every_kind(self, tmp_path: Path, mode: str) -> None:
        Image.new(mode, (7, 5)).save(tmp_path / "a.png")
        assert read_rgb8(tmp_path / "a.png").tolist() == torch.zeros(3, 5, 7, dtype=torch.uint8).tolist()


UNDO = {  # what the camera stored, from the upright picture (EXIF 2.32, tag 274)
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


def assert_sixteen_bit(picture: Picture, samples: np.ndarray) -> None:
    expected = planes(samples)
    channels = samples.shape[2]
    assert (picture.bit_depth, picture.grey) == (16, channels < 3)
    assert torch.equal(picture.rgb, expected[:1].repeat(3, 1, 1) if channels < 3 else expected[:3])
    assert (picture.alpha is not None) == (channels in (2, 4))
    if picture.alpha is not None:
        assert torch.equal(picture.alpha, expected[-1:])


def write_tiff(path: Path, samples: np.ndarray, **options: object) -> None:
    channels = samples.shape[2]
    tifffile.imwrite(
        path,
        np.ascontiguousarray(samples.squeeze(2) if channels == 1 else samples),
        photometric="minisblack" if channels == 1 else "rgb",
        extrasamples=["unassalpha"] if channels == 4 else None,
        metadata=None,
        **options,
    )


class TestDamage:
    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".gif", ".bmp", ".ppm", ".jp2", ".avif"])
    def test_truncated(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"half{suffix}"
        Image.fromarray(noise(64, 64, 3)).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        for read in (read_picture, read_rgb8):
            with pytest.raises(InputError, match=f"cannot read .*half{suffix}: .*"):
                read(path)

    @given(cut=st.floats(0, 1, exclude_max=True), suffix=st.sampled_from([".png", ".jpg", ".tif", ".webp", ".gif"]))
    @in_tmp_path
    def test_a_prefix_is_refused_or_complete(self, tmp_path: Path, cut: float, suffix: str) -> None:
        path = tmp_path / f"a{suffix}"
        Image.fromarray(noise(40, 40, 3)).save(path)
        whole = read_rgb8(path)
        path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
        with suppress(InputError):
            assert torch.equal(read_rgb8(path), whole)

    @given(
        position=st.floats(0, 1, exclude_max=True),
        value=st.integers(0, 255),
        kind=st.sampled_from(["png", "jpg", "tif"]),
    )
    @in_tmp_path
    def test_a_flipped_byte_never_escapes_as_another_error(
        self, tmp_path: Path, position: float, value: int, kind: str
    ) -> None:
        path = tmp_path / f"a.{kind}"
        Image.fromarray(noise(9, 9, 3)).save(path)
        content = bytearray(path.read_bytes())
        content[int(position * len(content))] = value
        path.write_bytes(content)
        with suppress(InputError):
            read_picture(path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no image .*none\.png: the file does not exist"):
            read_picture(tmp_path / "none.png")

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        with pytest.raises(InputError, match=r"a\.png: the file is empty"):
            read_picture(tmp_path / "a.png")

    def test_not_an_image(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_text("hello")
        with pytest.raises(InputError, match=r"a\.png: the file is no image"):
            read_picture(tmp_path / "a.png")

    @pytest.mark.parametrize(
        ("content", "named"),
        [
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture"),
            (b"\xff\x0a" + bytes(50), "a JPEG XL picture"),
            (b"%PDF-1.7", "a PDF document"),
            (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
            (b"v/1\x01" + bytes(50), "an OpenEXR picture"),
        ],
    )
    def test_what_is_not_read_is_named(self, tmp_path: Path, content: bytes, named: str) -> None:
        (tmp_path / "a.jpg").write_bytes(content)
        with pytest.raises(InputError, match=rf"a\.jpg: it is {named}; convert it to PNG, TIFF or JPEG"):
            read_picture(tmp_path / "a.jpg")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot read"):
            read_picture(tmp_path)

    @pytest.mark.parametrize("values", [(0.0, 1.5), (-0.1, 1.0), (0.0, float("nan")), (0.0, 255.0)])
    def test_floats_of_which_the_white_is_unknown(self, tmp_path: Path, values: tuple[float, float]) -> None:
        tifffile.imwrite(tmp_path / "a.tif", np.array([values], np.float32))
        with pytest.raises(
            InputError, match=r"float32 from .* to .*; scale them to 0 to 1, or convert them to 8 or 16"
        ):
            read_picture(tmp_path / "a.tif")

    def test_decompression_bomb(self, tmp_path: Path) -> None:
        header = bytearray(png16(noise(1, 1, 3, dtype=np.uint16)))
        header[16:24] = struct.pack(">2I", 60000, 60000)
        header[29:33] = struct.pack(">I", zlib.crc32(header[12:29]))
        (tmp_path / "bomb.png").write_bytes(header)
        with pytest.raises(InputError, match=r"bomb\.png: its \d+ bytes claim to hold 60000x60000 pixels"):
            read_picture(tmp_path / "bomb.png")

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("suffix", [".png", ".tif", ".gif", ".webp"])
    def test_pillows_own_limit_does_not_bind(
        self, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Image.new("RGB", (50, 50)).save(tmp_path / f"a{suffix}")
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        read_picture(tmp_path / f"a{suffix}")
        assert Image.MAX_IMAGE_PIXELS == 100


class TestWriting:
    @given(
        suffix=st.sampled_from([".png", ".tif", ".TIFF"]),
        bit_depth=st.sampled_from([8, 16]),
        grey=st.booleans(),
        transparent=st.booleans(),
        height=st.integers(1, 20),
        width=st.integers(1, 20),
        seed=st.integers(0, 99),
    )
    @in_tmp_path
    def test_lossless_round_trip(
        self,
        tmp_path: Path,
        suffix: str,
        bit_depth: int,
        grey: bool,
        transparent: bool,
        height: int,
        width: int,
        seed: int,
    ) -> None:
        dtype = {8: np.uint8, 16: np.uint16}[bit_depth]
        values = planes(noise(height, width, 4, dtype=dtype, seed=seed))
        written = Picture(
            rgb=values[:1].repeat(3, 1, 1) if grey else values[:3],
            alpha=values[3:] if transparent else None,
            bit_depth=bit_depth,
            grey=grey,
            metadata=Metadata(icc_profile=SRGB),
        )
        write_picture(tmp_path / f"a{suffix}", written)
        read = read_picture(tmp_path / f"a{suffix}")
        assert torch.equal(read.rgb, written.rgb)
        assert (read.alpha is None) == (written.alpha is None)
        if read.alpha is not None and written.alpha is not None:
            assert torch.equal(read.alpha, written.alpha)
        grey_kept = grey and not (suffix != ".png" and transparent)
        assert (read.bit_depth, read.grey, read.metadata.icc_profile) == (bit_depth, grey_kept, SRGB)

    @pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
    @pytest.mark.parametrize("grey", [False, True])
    def test_lossy_formats_are_close(self, tmp_path: Path, suffix: str, grey: bool) -> None:
        ramp = torch.linspace(0, 1, 64).expand(3, 64, 64)
        write_picture(
            tmp_path / f"a{suffix}",
            Picture(ramp, bit_depth=16, grey=grey, metadata=Metadata(icc_profile=SRGB)),
            quality=100,
        )
        picture = read_picture(tmp_path / f"a{suffix}")
        torch.testing.assert_close(picture.rgb, ramp, atol=0.02, rtol=0)
        assert (picture.bit_depth, picture.grey) == (8, grey and suffix != ".webp")
        assert picture.metadata.icc_profile == SRGB

    def test_quality_matters(self, tmp_path: Path) -> None:
        picture = Picture(planes(noise(64, 64, 3)))
        for suffix in (".jpg", ".webp"):
            write_picture(tmp_path / f"low{suffix}", picture, quality=10)
            write_picture(tmp_path / f"high{suffix}", picture, quality=95)
            assert (tmp_path / f"low{suffix}").stat().st_size < (tmp_path / f"high{suffix}").stat().st_size / 2

    def test_other_programs_read_sixteen_bits(self, tmp_path: Path) -> None:
        samples = noise(6, 5, 3, dtype=np.uint16)
        picture = Picture(planes(samples), bit_depth=16)
        write_picture(tmp_path / "a.tif", picture)
        write_picture(tmp_path / "a.png", picture)
        assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), samples)
        assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), samples >> 8)  # all that Pillow keeps

    def test_rounds_to_nearest_and_clamps(self, tmp_path: Path) -> None:
        values = torch.tensor([-0.5, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.5]).expand(3, 1, 5)
        write_picture(tmp_path / "a.png", Picture(values.clone().requires_grad_()))
        assert read_rgb8(tmp_path / "a.png")[0, 0].tolist() == [0, 0, 1, 255, 255]

    def test_jpeg_composites_on_white(self, tmp_path: Path) -> None:
        black = torch.zeros(3, 16, 16)
        write_picture(tmp_path / "a.jpg", Picture(black, alpha=torch.full((1, 16, 16), 0.25)))
        torch.testing.assert_close(read_picture(tmp_path / "a.jpg").rgb, black + 0.75, atol=0.01, rtol=0)

    def test_webp_keeps_alpha(self, tmp_path: Path) -> None:
        alpha = planes(noise(16, 16, 1))
        write_picture(tmp_path / "a.webp", Picture(torch.ones(3, 16, 16), alpha=alpha))
        torch.testing.assert_close(read_picture(tmp_path / "a.webp").alpha, alpha)

    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
    @pytest.mark.parametrize("bit_depth", [8, 16])
    def test_exif_survives_without_what_became_untrue(self, tmp_path: Path, suffix: str, bit_depth: int) -> None:
        exif = Image.Exif()
        exif[ExifTags.Base.Model] = "Camera"
        exif[ExifTags.Base.Orientation] = 6
        exif[ExifTags.IFD.Exif] = {
            ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09",
            ExifTags.Base.ExifImageWidth: 8,
        }
        Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
        picture = read_picture(tmp_path / "a.jpg")
        picture.bit_depth = bit_depth
        write_picture(tmp_path / f"b{suffix}", picture)
        kept = Image.open(tmp_path / f"b{suffix}").getexif()
        assert kept[ExifTags.Base.Model] == "Camera"
        assert ExifTags.Base.Orientation not in kept
        assert dict(kept.get_ifd(ExifTags.IFD.Exif)) == {ExifTags.Base.DateTimeOriginal: "2024:05:06 07:08:09"}
        assert read_picture(tmp_path / f"b{suffix}").rgb.shape == (3, 8, 4)

    def test_damaged_exif_is_no_reason_to_refuse(self, tmp_path: Path) -> None:
        Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\1\2\3")
        write_picture(tmp_path / "b.jpg", read_picture(tmp_path / "a.jpg"))
        assert read_rgb8(tmp_path / "b.jpg").shape == (3, 4, 8)

    def test_a_grey_profile_is_not_put_on_colour(self, tmp_path: Path) -> None:
        profile = SRGB[:16] + b"GRAY" + SRGB[20:]
        picture = Picture(torch.zeros(3, 4, 4), grey=True, metadata=Metadata(icc_profile=profile))
        write_picture(tmp_path / "a.webp", picture)
        write_picture(tmp_path / "a.png", picture)
        assert read_picture(tmp_path / "a.webp").metadata.icc_profile is None
        assert read_picture(tmp_path / "a.png").metadata.icc_profile == profile

    def test_unknown_suffix(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"cannot write .*a\.xyz: .*\.png, \.jpg, .*\.tif, \.tiff, \.webp"):
            write_picture(tmp_path / "a.xyz", Picture(torch.zeros(3, 4, 4)))

    @pytest.mark.parametrize("quality", [0, 101])
    def test_unknown_quality(self, tmp_path: Path, quality: int) -> None:
        with pytest.raises(InputError, match=f"quality {quality}: it must lie between 1 and 100"):
            write_picture(tmp_path / "a.jpg", Picture(torch.zeros(3, 4, 4)), quality=quality)

    def test_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match=r"cannot write .*a\.png"):
            write_picture(tmp_path / "file" / "a.png", Picture(torch.zeros(3, 4, 4)))

    def test_long_sixteen_bit_files_come_in_chunks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lmf_sr.images.png.CHUNK", 100)
        samples = noise(9, 9, 3, dtype=np.uint16)
        write_picture(tmp_path / "a.png", Picture(planes(samples), bit_depth=16))
        assert (tmp_path / "a.png").read_bytes().count(b"IDAT") > 2
        assert_sixteen_bit(read_picture(tmp_path / "a.png"), samples)

    @pytest.mark.parametrize(("suffix", "width"), [(".jpg", 65536), (".webp", 16384)])
    def test_too_large_for_the_format(self, tmp_path: Path, suffix: str, width: int) -> None:
        with pytest.raises(InputError, match=rf"cannot write .*a\{suffix}"):
            write_picture(tmp_path / f"a{suffix}", Picture(torch.zeros(3, 1, width)))

    def test_a_failed_write_leaves_the_old_file_and_nothing_else(self, tmp_path: Path) -> None:
        write_picture(tmp_path / "a.webp", Picture(torch.zeros(3, 4, 4)))
        before = (tmp_path / "a.webp").read_bytes()
        with pytest.raises(InputError, match=r"cannot write .*a\.webp"):
            write_picture(tmp_path / "a.webp", Picture(torch.zeros(3, 1, 17000)))  # WebP ends at 16383
        assert [f.name for f in tmp_path.iterdir()] == ["a.webp"]
        assert (tmp_path / "a.webp").read_bytes() == before


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


class TestListing:
    def test_natural_order_and_images_only(self, tmp_path: Path) -> None:
        for name in ("img10.png", "img2.PNG", "b.jpeg", "10.tif", "9.webp", "notes.txt", "._img2.png", ".hidden.jpg"):
            (tmp_path / name).touch()
        (tmp_path / "folder.png").mkdir()
        with pytest.warns(InputWarning, match=r"passed over in the folder .*: notes\.txt \(no image\)$"):
            listed = list_images(tmp_path)
        assert [f.name for f in listed] == ["9.webp", "10.tif", "b.jpeg", "img2.PNG", "img10.png"]

    def test_whatever_the_suffix(self, tmp_path: Path) -> None:
        """A file that begins as an image is one; any other, or one that cannot be read, is named with the reason."""
        Image.new("RGB", (4, 4)).save(tmp_path / "backup.jpg_old", "JPEG")
        Image.new("RGB", (4, 4)).save(tmp_path / "without", "PNG")
        (tmp_path / "c.heic").touch()
        (tmp_path / "d.NEF").touch()
        (tmp_path / "e.jpg").symlink_to("nowhere.jpg")
        for number in range(4):
            (tmp_path / f"{number}.txt").touch()
        with pytest.warns(InputWarning) as warned:
            assert [file.name for file in list_images(tmp_path)] == ["backup.jpg_old", "without"]
        (warning,) = warned
        texts = ", ".join(f"{number}.txt (no image)" for number in range(4))
        assert str(warning.message).endswith(f": {texts}, c.heic (HEIC, which is not read) and 2 more")

    def test_that_cannot_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Path, "iterdir", Mock(side_effect=PermissionError(13, "Permission denied")))
        with pytest.raises(InputError, match=r"cannot read the folder .*: Permission denied"):
            list_images(tmp_path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no image folder .*none: it does not exist"):
            list_images(tmp_path / "none")

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        with pytest.raises(InputError, match="it is a file"):
            list_images(tmp_path / "a.png")

    def test_empty(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no images in the folder .*: it holds no visible file"):
            list_images(tmp_path)

    def test_every_listed_suffix_can_be_read(self, tmp_path: Path) -> None:
        for suffix in IMAGE_SUFFIXES:
            buffer = BytesIO()
            Image.new("L", (9, 9), 255).save(buffer, Image.registered_extensions()[suffix])
            (tmp_path / f"a{suffix}").write_bytes(buffer.getvalue())
        for path in list_images(tmp_path):
            assert read_rgb8(path).float().mean() > 250
