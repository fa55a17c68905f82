"""Upscales every picture of a folder.

    python examples/upscale_folder.py photos/ upscaled/ --scale 2.5

`lmf-sr upscale photos/ --scale 2.5` does the same and more. This is how a program of your own would do it: the model is
loaded once, and a picture that cannot be read does not stop the others.
"""

import argparse
from pathlib import Path

import lmf_sr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--scale", type=float, default=2.5)
    options = parser.parse_args()

    model = lmf_sr.load()
    for picture in sorted(path for path in options.folder.iterdir() if path.is_file()):
        try:
            written = lmf_sr.upscale(
                picture, options.scale, output=options.output / f"{picture.stem}.png", model=model, overwrite=True
            )
        except lmf_sr.InputError as error:
            print(f"passed over: {error}")
        else:
            print(f"written: {written}")


if __name__ == "__main__":
    main()
