"""A video that zooms into one picture. The picture is encoded once; every frame renders only the window that it shows.

    python examples/zoom_video.py zoom.gif --picture photo.jpg --centre 0.4 0.6 --zoom 12

An output that ends in .mp4 needs PyAV (pip install 'lmf-sr[video]'); a GIF needs nothing more.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import lmf_sr

FPS = 24


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--picture", type=Path, help="a photograph of an astronaut unless given")
    parser.add_argument(
        "--centre", type=float, nargs=2, default=(0.25, 0.45), metavar=("DOWN", "RIGHT"), help="fractions"
    )
    parser.add_argument("--zoom", type=float, default=12.0)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--side", type=int, default=256, help="pixels of a frame")
    options = parser.parse_args()

    image = lmf_sr.load().encode(read(options.picture))
    side = options.side + options.side % 2  # H.264 needs an even one
    frames = zoom(image, tuple(options.centre), options.zoom, options.frames, side)
    if options.output.suffix == ".mp4":
        write_mp4(frames, options.output, side)
    else:
        first, *others = (Image.fromarray(frame) for frame in frames)
        first.save(options.output, save_all=True, append_images=others, duration=1000 // FPS, loop=0)
    print(f"written: {options.output}")


def read(path: Path | None) -> torch.Tensor:
    """RGB in [0, 1], (3, h, w)."""
    if path is None:
        from skimage.data import astronaut

        pixels = astronaut()
    else:
        pixels = np.asarray(Image.open(path).convert("RGB"))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255


def zoom(
    image: lmf_sr.ContinuousImage, centre: tuple[float, float], most: float, frames: int, side: int
) -> Iterator[np.ndarray]:
    """Square frames, from the whole picture's shorter side down to 1 / `most` of it, at an even pace to the eye."""
    height, width = image.size
    for i in range(frames):
        shown = min(height, width) / most ** (i / max(frames - 1, 1))  # LR pixels a side
        extent = shown / height, shown / width
        corner = (min(max(c - e / 2, 0), 1 - e) for c, e in zip(centre, extent, strict=True))
        rgb = image.render(side, side, region=(*corner, *extent))[0]
        yield (255 * rgb).round().byte().permute(1, 2, 0).numpy()


def write_mp4(frames: Iterator[np.ndarray], path: Path, side: int) -> None:
    import av

    with av.open(path, "w") as video:
        stream = video.add_stream("h264", rate=FPS, options={"crf": "16"})
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        video.mux(stream.encode(None))


if __name__ == "__main__":
    main()
