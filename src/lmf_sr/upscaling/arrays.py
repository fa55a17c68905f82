"""PIL images, NumPy arrays and tensors made larger, as what they were.

| kind        | shape                                      | values                             |
| ----------- | ------------------------------------------ | ---------------------------------- |
| PIL image   |                                            | any mode that is shown as a picture |
| NumPy array | (height, width) or (height, width, planes) | uint8, uint16, or floats in [0, 1]  |
| tensor      | (planes, height, width), or a batch of it  | the same                            |

The planes are 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lmf_sr.errors import InputError
from lmf_sr.images import Picture, to_samples
from lmf_sr.images.decoding import shown_samples
from lmf_sr.images.pictures import from_planes, from_samples, to_planes

Enlarge = Callable[[Picture], Picture]
MOST = {torch.uint8: 255, torch.uint16: 65535}
KEPT = ("icc_profile", "exif", "xmp", "dpi")  # of a PIL image's info


def enlarged_image(image: Image.Image, enlarge: Enlarge) -> Image.Image:
    """An image of the same mode, or of RGB in the place of a palette or inks; with the profile, EXIF and resolution."""
    large = image_of(enlarge(from_samples(shown_samples(image))))
    large.info.update({key: image.info[key] for key in KEPT if key in image.info})
    if image.mode == "CMYK":
        large.info.pop("icc_profile", None)
    return large


def image_of(picture: Picture) -> Image.Image:
    """A picture as a PIL image of mode L, LA, RGB or RGBA; or I;16 for opaque grey of 16 bits.

    PIL has no other mode of 16 bits, so the others come in 8.
    """
    deep = picture.grey and picture.alpha is None
    samples = to_samples(picture if deep else replace(picture, bit_depth=8), "PNG")
    return Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)


def enlarged_array(array: np.ndarray, enlarge: Enlarge) -> np.ndarray:
    """An array of the same type and number of axes. Raises InputError for one that is no picture."""
    if array.ndim not in (2, 3):
        raise InputError(f"an array of shape {array.shape} is no picture: it must be (h, w) or (h, w, planes)")
    planes = array[..., None] if array.ndim == 2 else array
    native = np.ascontiguousarray(planes.astype(planes.dtype.newbyteorder("=")))
    try:
        tensor = torch.from_numpy(native).permute(2, 0, 1)
    except TypeError as error:
        raise InputError(f"pixels of type {array.dtype} are none of uint8, uint16 and floats in [0, 1]") from error
    large = enlarged_tensor(tensor, enlarge).permute(1, 2, 0).numpy()
    return np.ascontiguousarray(large[..., 0] if array.ndim == 2 else large)


def enlarged_tensor(tensor: Tensor, enlarge: Enlarge) -> Tensor:
    """A tensor of the same type, device and number of axes. Raises InputError for one that is no picture."""
    if tensor.ndim == 4 and len(tensor):
        return torch.stack([enlarged_tensor(planes, enlarge) for planes in tensor])
    large = enlarge(picture_of(tensor))
    planes = to_planes(large)
    most = MOST.get(tensor.dtype)
    return (planes if most is None else (planes * most).round()).to(tensor.device, tensor.dtype)


def picture_of(tensor: Tensor) -> Picture:
    """Planes (C, H, W) as a picture. Raises InputError where they are none."""
    if tensor.ndim != 3 or not 1 <= len(tensor) <= 4 or tensor.numel() == 0:
        raise InputError(
            f"{tuple(tensor.shape)} is no shape of a picture: a tensor is (planes, h, w) or a batch of it, an array (h, w) "
            "or (h, w, planes), with 1 to 4 planes"
        )
    most = MOST.get(tensor.dtype, 1)
    if most == 1 and not tensor.is_floating_point():
        raise InputError(f"pixels of type {tensor.dtype} are none of uint8, uint16 and floats in [0, 1]")
    planes = tensor.float() / most
    if not (planes.min() >= 0 and planes.max() <= 1):
        raise InputError(f"floats from {planes.min():g} to {planes.max():g} are no picture: scale them to [0, 1]")
    return from_planes(planes, bit_depth=16 if most == 65535 else 8)
