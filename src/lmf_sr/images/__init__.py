"""Images: files, colour, bicubic resampling by Pillow's and MATLAB's rules, the embedded photographs."""

from lmf_sr.images.colour import luma, normalise
from lmf_sr.images.embedded import HELD_OUT, TRAIN, embedded_photographs
from lmf_sr.images.metadata import Metadata
from lmf_sr.images.pictures import (
    IMAGE_SUFFIXES,
    Picture,
    list_images,
    natural_order,
    read_picture,
    read_rgb8,
    write_picture,
)
from lmf_sr.images.resample import imresize, imresize_by, imresize_rows, resize_pillow
from lmf_sr.images.streaming import check_size, write_bands
from lmf_sr.images.transparency import fill_invisible

__all__ = [
    "HELD_OUT",
    "IMAGE_SUFFIXES",
    "TRAIN",
    "Metadata",
    "Picture",
    "check_size",
    "embedded_photographs",
    "fill_invisible",
    "imresize",
    "imresize_by",
    "imresize_rows",
    "list_images",
    "luma",
    "natural_order",
    "normalise",
    "read_picture",
    "read_rgb8",
    "resize_pillow",
    "write_bands",
    "write_picture",
]
