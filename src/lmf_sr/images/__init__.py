"""Images: files, colour, bicubic resampling by Pillow's and MATLAB's rules, the embedded photographs."""

from lmf_sr.images.colour import luma
from lmf_sr.images.embedded import HELD_OUT, TRAIN, embedded_photographs
from lmf_sr.images.encoding import FORMATS, format_of
from lmf_sr.images.metadata import Metadata
from lmf_sr.images.pictures import (
    IMAGE_SUFFIXES,
    UNREAD_SUFFIXES,
    Picture,
    list_images,
    natural_order,
    read_picture,
    read_rgb8,
    to_samples,
    write_picture,
)
from lmf_sr.images.resample import imresize, imresize_rows, resize_pillow
from lmf_sr.images.streaming import BandedPicture, check_size, write_bands, write_pages
from lmf_sr.images.transparency import fill_invisible

__all__ = [
    "FORMATS",
    "HELD_OUT",
    "IMAGE_SUFFIXES",
    "TRAIN",
    "UNREAD_SUFFIXES",
    "BandedPicture",
    "Metadata",
    "Picture",
    "check_size",
    "embedded_photographs",
    "fill_invisible",
    "format_of",
    "imresize",
    "imresize_rows",
    "list_images",
    "luma",
    "natural_order",
    "read_picture",
    "read_rgb8",
    "resize_pillow",
    "to_samples",
    "write_bands",
    "write_pages",
    "write_picture",
]
