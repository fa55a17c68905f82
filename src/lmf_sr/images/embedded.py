"""The colour photographs that ship inside the scikit-image wheel, real images that need no download.

| photograph             | height x width | what it is                          | licence               |
| ---------------------- | -------------- | ----------------------------------- | --------------------- |
| motorcycle_left, right |  500 x  741    | a garage, the two views of a stereo | Middlebury 2014 stereo |
|                        |                | pair, hence both on the same side   |                       |
| hubble_deep_field      |  872 x 1000    | galaxies                            | NASA, public domain   |
| ihc                    |  512 x  512    | stained tissue under a microscope   | no known restrictions |
| rocket                 |  427 x  640    | a launch pad at dusk                | SpaceX, public domain |
| chelsea                |  300 x  451    | a cat                               | CC0                   |
| astronaut (held out)   |  512 x  512    | a portrait: fabric, hair, machines  | NASA, public domain   |
| coffee (held out)      |  400 x  600    | a cup on coarse wood                | CC0                   |

Training sees 2.3 megapixels, evaluation 0.5. The wheel's other two colour pictures, a retina (1411 x 1411) and a drawn
colour wheel, are left out: both are so smooth that bicubic already restores them (49 and 53 dB at x2).
"""

from importlib.resources import as_file, files

from jaxtyping import UInt8
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.images.pictures import read_rgb8

TRAIN = ("motorcycle_left", "motorcycle_right", "hubble_deep_field", "ihc", "rocket", "chelsea")
HELD_OUT = ("astronaut", "coffee")

_JPEG = ("hubble_deep_field", "rocket")


def embedded_photographs(names: tuple[str, ...] = TRAIN + HELD_OUT) -> dict[str, UInt8[Tensor, "3 H W"]]:
    """The photographs of these names, decoded; never touches the network.

    Raises:
        InputError: scikit-image, in which they lie, is not installed.
    """
    try:
        folder = files("skimage") / "data"
    except ModuleNotFoundError as error:
        raise InputError(
            "the photographs that ship in scikit-image are not installed: pip install 'lmf-sr[photographs]', or name "
            "pictures of your own, as data=folder data.root=PHOTOS"
        ) from error
    photographs = {}
    for name in names:
        with as_file(folder / f"{name}.{'jpg' if name in _JPEG else 'png'}") as path:
            photographs[name] = read_rgb8(path)
    return photographs
