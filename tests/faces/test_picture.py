"""The one door for images: every kind of file comes out as upright RGB, or is refused in one sentence."""

import io
import os
import struct
import sys
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageFile, ImageOps

from drawn_faces import draw_face
from ifgan.errors import PictureError
from ifgan.faces.picture import MAX_PIXELS, as_picture, open_picture

FACE = draw_face(3, 48)[0]


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def encoded(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(FACE).save(file, kind)
    return file.getvalue()


def one_bit_png(width: int, height: int) -> bytes:
    """A whole black PNG, made without holding its pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    compressor, row = zlib.compressobj(), bytes(1 + (width + 7) // 8)
    pixels = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def one_sentence(path: object, match: str) -> None:
    with pytest.raises(PictureError, match=match) as error:
        as_picture(path)
    assert str(error.value).count("\n") == 0
    if isinstance(path, Path):
        assert str(error.value).startswith(str(path))


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "a.ppm", "a.jpg", "A.JPEG", "a.wrong"])
def test_every_format_gives_its_pixels(tmp_path: Path, name: str) -> None:
    lossless = {"webp": {"lossless": True}}.get(name[2:], {})
    path = saved(tmp_path / "x", Image.fromarray(FACE), format={"wrong": "PNG"}.get(name[2:]) or kind(name), **lossless)
    path = path.rename(tmp_path / name)  # what a file is says its content, not its name
    picture = open_picture(path)
    assert picture.dtype == np.uint8 and picture.flags.writeable
    assert np.abs(picture.astype(int) - FACE).max() <= (60 if "j" in name.lower() else 0)


def kind(name: str) -> str:
    return Image.registered_extensions()[Path(name).suffix.lower()]


def test_sixteen_bits_are_scaled_not_cut(tmp_path: Path) -> None:
    grey = FACE[..., 0].astype(np.uint16)
    picture = open_picture(saved(tmp_path / "a.png", Image.fromarray(grey * 257)))
    assert (picture == grey[..., None]).all()


def test_grey_palette_cmyk_and_one_bit(tmp_path: Path) -> None:
    face = Image.fromarray(FACE)
    grey = open_picture(saved(tmp_path / "grey.png", face.convert("L")))
    assert (grey == np.asarray(face.convert("L"))[..., None]).all()
    palette = face.quantize(32)
    assert (open_picture(saved(tmp_path / "p.png", palette)) == np.asarray(palette.convert("RGB"))).all()
    cmyk = face.convert("CMYK")  # no black ink: converts back without loss
    assert (open_picture(saved(tmp_path / "c.tif", cmyk)) == FACE).all()
    assert np.abs(open_picture(saved(tmp_path / "c.jpg", cmyk, quality=100)).astype(int) - FACE).mean() < 3
    assert set(np.unique(open_picture(saved(tmp_path / "1.png", face.convert("1"))))) == {0, 255}


def test_transparent_pixels_are_laid_on_white(tmp_path: Path) -> None:
    alpha = np.zeros(FACE.shape[:2], np.uint8)
    alpha[:, :24], alpha[:10, 24:] = 255, 128
    picture = open_picture(saved(tmp_path / "a.png", Image.fromarray(np.dstack([FACE, alpha]))))
    assert (picture[:, :24] == FACE[:, :24]).all()
    assert (picture[10:, 24:] == 255).all()
    assert np.abs(picture[:10, 24:].astype(float) - (FACE[:10, 24:] + 255.0) / 2).max() <= 1.5


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_file_equals_the_upright_one(tmp_path: Path, orientation: int, suffix: str) -> None:
    """The reference is Pillow's own exif_transpose; three turns are spelled out below. Of a TIFF Pillow turns the
    pixels itself as it loads them.
    """
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(FACE[:, :30]), exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    assert (open_picture(path) == upright).all() and (as_picture(Image.open(path)) == upright).all()
    assert (upright.shape == FACE[:, :30].shape) == (orientation < 5)


@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
def test_heic_comes_upright_or_names_the_extra(
    tmp_path: Path, orientation: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    plain = Image.fromarray(np.ascontiguousarray(FACE[:, :40]))
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(plain).save(path, quality=95, exif=exif.tobytes())
    plain.getexif()[0x0112] = orientation or 1
    expected = np.asarray(ImageOps.exif_transpose(plain)).astype(int)
    found = open_picture(path)
    assert found.shape == expected.shape and np.abs(found - expected).mean() < 4  # it loses some
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(PictureError, match=r"a\.heic: can't be decoded"):
        open_picture(path)
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(PictureError, match=r'a\.heic: is HEIC: needs pi_heif.*"ifgan\[heic\]"'):
        open_picture(path)


def test_a_path_that_may_not_be_looked_at_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"name too long|no such file"):
        open_picture(tmp_path / ("a" * 300))


@pytest.mark.parametrize(("orientation", "quarter_turns"), [(6, 1), (3, 2), (8, 3)])
def test_a_camera_held_sideways(tmp_path: Path, orientation: int, quarter_turns: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(np.rot90(FACE, quarter_turns))
    assert (open_picture(saved(tmp_path / "a.png", Image.fromarray(stored), exif=exif)) == FACE).all()


def test_of_an_animation_the_first_frame_counts(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((20, 20, 3), level, np.uint8)) for level in (0, 255)]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert (open_picture(path) == 0).all()


def test_a_bomb_is_refused_quickly_and_without_memory(tmp_path: Path) -> None:
    for side in (12_000, 20_000):  # below and above Pillow's own limit, which stays as it is
        path = tmp_path / f"{side}.png"
        path.write_bytes(one_bit_png(side, side))
        assert path.stat().st_size < 200_000
        limit = Image.MAX_IMAGE_PIXELS
        tracemalloc.start()
        started = time.perf_counter()
        one_sentence(path, f"{MAX_PIXELS:,} pixels")
        assert time.perf_counter() - started < 1
        assert tracemalloc.get_traced_memory()[1] < 10e6
        tracemalloc.stop()
        assert limit == Image.MAX_IMAGE_PIXELS


def test_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.jpg").touch()
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("RGB", (15, 400)).save(tmp_path / "strip.png")
    Image.fromarray(np.zeros((20, 20), np.float32)).save(tmp_path / "float.tif")
    (tmp_path / "page.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n")  # starts no Ghostscript
    for name, match in {
        "text.png": "is not an image",
        "empty.jpg": "is not an image",
        "page.jpg": "is not an image",
        "dot.png": "is 1x1 pixels, smaller than 16x16",
        "strip.png": "15x400",
        "float.tif": "floating-point",
        "absent.png": "no such file",
    }.items():
        one_sentence(tmp_path / name, match)
    one_sentence(tmp_path, "is not a file")
    one_sentence("https://example.org/face.jpg", "is an address; fetch it first")


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    one_sentence(tmp_path / "pipe.png", "is not a file")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_a_file_cut_in_half_is_refused(tmp_path: Path, format: str) -> None:
    content = encoded(format)
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    one_sentence(tmp_path / "cut", "cut")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, about what it repairs
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_damaged_bytes_give_a_picture_or_one_sentence(tmp_path: Path, format: str) -> None:
    rng, content = np.random.default_rng(0), np.frombuffer(encoded(format), np.uint8)
    for _ in range(60):
        damaged = content[: int(rng.integers(1, len(content) + 1))].copy()
        damaged[rng.integers(0, len(damaged), 3)] = rng.integers(0, 256, 3)
        (tmp_path / "x").write_bytes(damaged.tobytes())
        try:
            picture = open_picture(tmp_path / "x")
        except PictureError as error:
            assert str(error).count("\n") == 0
        else:
            assert picture.ndim == 3 and picture.dtype == np.uint8


def test_global_settings_and_warnings_stay_as_they_are(tmp_path: Path) -> None:
    before = list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_picture(saved(tmp_path / "a.png", Image.fromarray(FACE)))
    assert (list(warnings.filters), ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS) == before


def test_arrays_and_pil_images() -> None:
    assert as_picture(FACE) is FACE
    assert (as_picture(Image.fromarray(FACE)) == FACE).all()
    assert (as_picture(FACE[..., 0]) == FACE[..., :1]).all()  # grey
    makers: dict[str, Callable[[], object]] = {
        "float32 of shape": lambda: FACE.astype(np.float32) / 255,
        r"float64 of shape \(48, 48\)": lambda: FACE[..., 0].astype(float),
        r"shape \(3, 48, 48\)": lambda: FACE.transpose(2, 0, 1),
        r"shape \(48, 48, 4\)": lambda: np.dstack([FACE, FACE[..., :1]]),
        "smaller than 16x16": lambda: FACE[:4],
        "not NoneType": lambda: None,
    }
    for match, make in makers.items():
        one_sentence(make(), match)


def test_a_pil_image_with_a_broken_chunk_is_one_sentence(tmp_path: Path) -> None:
    """Pillow raises SyntaxError for it, as it reads on."""
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    content = bytearray(saved(tmp_path / "a.png", Image.fromarray(noise)).read_bytes())
    second = content.index(b"IDAT", content.index(b"IDAT") + 4)
    content[second : second + 4] = b"\x00\x01\x02\x03"
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(PictureError, match="can't be decoded"):
        as_picture(Image.open(tmp_path / "a.png"))
