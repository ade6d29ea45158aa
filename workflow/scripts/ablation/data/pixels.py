"""The bytes of an image file -> its pixels, scaled, as uint8. No torch.

Which formats and modes are read is listed here: for some formats Pillow starts other programs, and of some modes it
cuts shades off. Fails with `DataError` on all others, and on a damaged file.
"""

from __future__ import annotations

from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ablation.config.study import DataConfig
from ablation.data.arrays import Size
from ablation.data.image_files import DataError

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
# Those of at most 8 bits a channel.
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
BACKGROUND = "white"
# Tags of a TIFF: the bits of a value, and whether the largest is white.
BITS, LARGEST_IS_WHITE = 258, 262


class Decoded(NamedTuple):
    """The pixels of an image file, as `scaled` gives them, and the width and height that it had."""

    pixels: bytes
    size: Size


def decoded(content: bytes, config: DataConfig) -> Decoded:
    """Decode and scale an image file.

    Raises:
        DataError: it is damaged, or of a format or mode that is not read.
    """
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            upright = _with_8_bits(image)
            return Decoded(scaled(upright, config), upright.size)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"cannot be read as an image (it is none of {', '.join(FORMATS)}, or damaged)") from error
    except Exception as error:  # what Pillow raises depends on the format and on the damage
        raise DataError(f"cannot be read as an image ({type(error).__name__}: {error})") from error


def scaled(image: Image.Image, config: DataConfig) -> bytes:
    """An image as height x width x channels of uint8: its middle, as much as fits, scaled to the config's size."""
    converted = image.convert("RGB" if config.channels == 3 else "L")
    size = (config.image_size, config.image_size)
    return (converted if image.size == size else ImageOps.fit(converted, size, Image.Resampling.BILINEAR)).tobytes()


def _with_8_bits(image: Image.Image) -> Image.Image:
    """An image of at most 8 bits a channel, turned as its camera was held, on a background where it is transparent."""
    has_16_bits = _is_grey_of_16_bits(image)
    if not has_16_bits and image.mode not in MODES:
        kind = f"pixels of a kind that is not read (Pillow's mode {image.mode})"
        raise DataError(f"has {kind}; save it with 8 bits a channel, or as a 16-bit grey PNG")
    upright = ImageOps.exif_transpose(image)
    if has_16_bits:  # of which Pillow would cut off all shades above 255
        return Image.fromarray((np.asarray(upright) // 256).astype(np.uint8))
    if upright.has_transparency_data:
        behind = Image.new("RGBA", upright.size, BACKGROUND)
        return Image.alpha_composite(behind, upright.convert("RGBA"))
    return upright


def _is_grey_of_16_bits(image: Image.Image) -> bool:
    """Whether black is 0 and white 65,535. A TIFF in such a mode may have 12 bits, or 0 for white."""
    tags = getattr(image, "tag_v2", {})
    is_usual = tags.get(BITS, (16,)) == (16,) and tags.get(LARGEST_IS_WHITE, 1) == 1
    return is_usual and (image.mode.startswith("I;16") or (image.format, image.mode) == ("PPM", "I"))
