"""The one door for images: any file or array in, HWC uint8 RGB out (§4.2 starts here).

Everything that reads an image comes through here, so that rotation flags, colour modes and size limits are
handled once. Nothing is guessed from pixel values, and Pillow's global settings stay as they are.

Choices: transparent pixels are laid on white, as viewers show them; 16-bit grey is divided by 257; CMYK is
converted without a colour profile; of an animation the first frame counts. HEIC, a phone's format, needs the extra
``heic`` (pi-heif, which decodes only).
"""

import io
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from ifgan.errors import PictureError, needing, one_line

MAX_PIXELS = 100_000_000  # decoded: 300 MB; a 100-megapixel camera still passes
MIN_SIDE_PX = 16  # below this no expression can be seen
# Photographs and the data sets' formats; MPO comes through JPEG. Not Pillow's whole list: some of its readers start
# other programs (EPS).
_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_HEIF = ("heic", "heim", "heis", "heix", "hevc", "hevx", "mif1", "msf1")  # brands of such files; a phone's are heic
PICTURE_SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpeg", ".jpg", ".mpo", ".pgm", ".png", ".ppm", ".tif"),
    *(".tiff", ".webp"),
)  # of those formats and HEIC
_GREY_16_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")  # "I" is what Pillow makes of a 16-bit PGM
_OPENING = threading.Lock()


def to_png(image: np.ndarray | Image.Image, **options: Any) -> bytes:
    """An image, (height, width, 3) uint8 RGB, (height, width) grey or Pillow's, as a PNG's content; ``options``:
    Pillow's.
    """
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, "PNG", **options)
    return file.getvalue()


def open_picture(path: str | Path) -> np.ndarray:
    """The image in a file: (height, width, 3) uint8 RGB, turned upright as its EXIF flag says.

    Raises PictureError, one sentence that names the file, when it is missing, no image, cut off, smaller than
    MIN_SIDE_PX on a side or larger than MAX_PIXELS. Sizes are judged by the header, before anything is decoded.
    """
    return _decoded(Path(path), str(path))


def _decoded(file: Path | io.BytesIO, name: str) -> np.ndarray:
    try:
        if isinstance(file, Path) and not file.is_file():  # also keeps a named pipe from blocking for ever
            raise PictureError(f"{name}: {_why_missing(file)}")
        if _is_heif(file):
            return _heif(file, name)
        with _opened(file) as image:
            return _to_rgb(image, name)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(f"{name}: has more than {MAX_PIXELS:,} pixels") from error
    except Image.UnidentifiedImageError as error:
        raise PictureError(f"{name}: is not an image ({', '.join(_FORMATS)})") from error
    except Exception as error:  # Pillow's readers raise a dozen types on broken files, SyntaxError among them
        raise PictureError(f"{name}: can't be decoded ({one_line(error)})") from error


def _why_missing(path: Path) -> str:
    if path.parts and path.parts[0] in ("http:", "https:"):
        return "is an address; fetch it first"
    return "is not a file" if path.exists() else "no such file"


def as_picture(source: str | Path | bytes | Image.Image | np.ndarray) -> np.ndarray:
    """HWC uint8 RGB from a path, a file's bytes, a PIL image, an HWC uint8 RGB array (returned as it is) or a grey
    (H, W) uint8 one.

    Raises PictureError for what can't be read, and for an array of another shape or type.
    """
    if isinstance(source, str | Path):
        return open_picture(source)
    if isinstance(source, bytes):
        return _decoded(io.BytesIO(source), "the bytes")
    if isinstance(source, Image.Image):
        try:
            return _to_rgb(source, "the PIL image")
        except (PictureError, MemoryError):
            raise
        except Exception as error:  # as above
            raise PictureError(f"the PIL image can't be decoded ({one_line(error)})") from error
    if not isinstance(source, np.ndarray):
        expected = "a path, a file's bytes, a PIL image or an array"
        if isinstance(source, Iterator):
            raise PictureError(f"an image must be {expected}; predict_batch and stream take several")
        raise PictureError(f"an image must be {expected}, not {type(source).__name__}")
    if source.dtype == np.uint8 and source.ndim == 2:
        source = np.repeat(source[..., None], 3, axis=2)  # (H, W) -> (H, W, 3)
    if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3:
        raise PictureError(f"the array must be HWC uint8 RGB or grey, got {source.dtype} of shape {source.shape}")
    _check_size(source.shape[1], source.shape[0], "the array")
    return source


def _opened(file: Path | io.BytesIO) -> Image.Image:
    """The image with only its header read.

    One thread at a time: neither Pillow's registering of readers nor Python's warning filter is safe otherwise.
    """
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS is the limit here
        Image.init()
        return Image.open(file, formats=_FORMATS)


def _is_heif(source: Path | io.BytesIO) -> bool:
    """By its first brand (ISO/IEC 23008-12); AVIF, which Pillow reads, has another."""
    if isinstance(source, Path):
        with open(source, "rb") as file:
            start = file.read(12)
    else:
        start = source.getvalue()[:12]
    return start[4:8] == b"ftyp" and start[8:12].decode("latin-1") in _HEIF


def _heif(file: Path | io.BytesIO, name: str) -> np.ndarray:
    """The primary image, which libheif has turned upright already: its flag says nothing any more."""
    with needing("heic", f"{name}: is HEIC", PictureError):
        import pi_heif
    image = pi_heif.open_heif(file)
    width, height = image.size
    _check_size(width, height, name)
    return _to_rgb(image.to_pillow(), name)


def _to_rgb(image: Image.Image, name: str) -> np.ndarray:
    _check_size(*image.size, name)
    image.load()  # a TIFF is turned upright by Pillow as it loads, and then has no flag any more
    image = _upright(image)
    if image.mode in _GREY_16_BIT:
        image = _grey_8_bit(image, name)
    elif image.mode == "F":
        raise PictureError(f"{name}: has floating-point pixels, whose range is unknown; expected 8 or 16 bits")
    elif image.has_transparency_data:
        image = _on_white(image)
    return np.array(image.convert("RGB"))  # (H, W, 3), a copy that may be written to


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(f"{name}: is {width}x{height}, more than {MAX_PIXELS:,} pixels")
    if min(width, height) < MIN_SIDE_PX:
        raise PictureError(f"{name}: is {width}x{height} pixels, smaller than {MIN_SIDE_PX}x{MIN_SIDE_PX}")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block says nothing about the pixels
        return image


def _grey_8_bit(image: Image.Image, name: str) -> Image.Image:
    grey = np.asarray(image)
    if grey.min() < 0 or grey.max() > 65535:
        raise PictureError(f"{name}: has 32-bit pixels; expected 8 or 16 bits")
    return Image.fromarray(((grey.astype(np.uint32) + 128) // 257).astype(np.uint8))  # 65535 -> 255, rounded


def _on_white(image: Image.Image) -> Image.Image:
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image)
