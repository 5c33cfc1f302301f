"""The table of bad samples, and of odd ones that are fine: what a user reads of each, or that it is used."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import spoilt
from PIL import Image
from samples import encoded, picture, recording

Content = bytes | str | Callable[[], bytes]


@dataclass(frozen=True)
class Case:
    """A file or row by name, what is in it, and the stage, reason and mend a user reads; no stage: it is used."""

    name: str
    content: Content
    stage: str = ""
    reason: str = ""
    mend: str = ""

    def made(self) -> bytes:
        """Return the bytes."""
        made = self.content() if callable(self.content) else self.content
        return made.encode() if isinstance(made, str) else made


def unreadable(name: str, content: Content, reason: str, mend: str) -> Case:
    """A sample that preprocess refuses."""
    return Case(name, content, "preprocess", reason, mend)


NO_PICTURE = "is none of PNG, JPEG, WEBP, BMP, TIFF, GIF"
AS_PICTURE = "save it as PNG or JPEG"
SAVE_AGAIN = "save it again as PNG or JPEG"
ITSELF = "put the file itself in its place"
AGAIN = "copy or download it again"
SMALLER = "make it smaller, or raise preprocess.pixel_limit"
CHANNELS = "save it with 8 or 16 bits a channel"
PAGE = "fetch the file itself: the page may tell of an error or ask for a login"
LFS = "run `git lfs pull` where it comes from"

PICTURES = [
    Case("empty.png", b"", "ingest", "is an empty file", AGAIN),
    unreadable("notes.png", "my notes of Tuesday\n", f"{NO_PICTURE} but a text", ITSELF),
    unreadable("drawing.png", spoilt.SVG, f"{NO_PICTURE} but an SVG drawing", AS_PICTURE),
    unreadable("paper.png", spoilt.PDF, f"{NO_PICTURE} but a PDF document", AS_PICTURE),
    unreadable("page.jpg", spoilt.PAGE, f"{NO_PICTURE} but an HTML page", PAGE),
    unreadable("pointer.png", spoilt.LFS, f"{NO_PICTURE} but a Git LFS pointer", LFS),
    unreadable("phone.heic", spoilt.HEIC, f"{NO_PICTURE} but a HEIC picture", AS_PICTURE),
    unreadable("web.avif", spoilt.AVIF, f"{NO_PICTURE} but an AVIF picture", AS_PICTURE),
    unreadable("icon.ico", lambda: encoded(picture(), "ICO"), f"{NO_PICTURE} but an icon (ICO)", AS_PICTURE),
    unreadable("many.zip", spoilt.ZIP, f"{NO_PICTURE} but a ZIP archive", "unpack it"),
    unreadable("zeros.jpg", spoilt.ZEROS, f"{NO_PICTURE} but nothing but zero bytes", AGAIN),
    unreadable("sound.png", lambda: spoilt.wav(1), f"{NO_PICTURE} but a WAV recording", ITSELF),
    unreadable("old.ppm", lambda: encoded(picture(), "PPM"), f"{NO_PICTURE}, or its header is damaged", SAVE_AGAIN),
    unreadable(
        "header.png",
        lambda: spoilt.flipped(encoded(picture(), "PNG"), 20),
        f"{NO_PICTURE}, or its header is damaged",
        SAVE_AGAIN,
    ),
    unreadable(
        "cut.png", lambda: encoded(picture(90, 90), "PNG")[:-40], "cannot be decoded: Truncated File Read", AGAIN
    ),
    unreadable(
        "cut.jpg",
        lambda: encoded(picture(900, 900), "JPEG")[:-200],
        "cannot be decoded: image file is truncated (3 bytes not processed)",
        AGAIN,
    ),
    unreadable(
        "cut.webp",
        lambda: encoded(picture(90, 90), "WEBP")[:-60],
        "cannot be decoded: could not create decoder object",
        AGAIN,
    ),
    unreadable(
        "bit.png",
        lambda: spoilt.flipped(encoded(picture(), "PNG"), -30),
        "cannot be decoded: broken PNG file (bad header checksum in b'IDAT')",
        AGAIN,
    ),
    unreadable(
        "empty-data.png",
        lambda: spoilt.png(20, 20, 8, 2, b""),
        "cannot be decoded: image file is truncated (0 bytes not processed)",
        AGAIN,
    ),
    unreadable(
        "text-bomb.png",
        spoilt.text_bomb,
        "cannot be decoded: Decompressed data too large for PngImagePlugin.MAX_TEXT_CHUNK",
        AGAIN,
    ),
    unreadable(
        "promise.png",
        lambda: spoilt.png(100_000, 100_000, 8, 2, b""),
        "has 100000 x 100000 pixels, more than the pixel_limit of 50000000",
        SMALLER,
    ),
    unreadable("bomb.png", spoilt.bomb, "has 25000 x 25000 pixels, more than the pixel_limit of 50000000", SMALLER),
    unreadable(
        "pixel.png",
        lambda: encoded(picture(1, 1), "PNG"),
        "is a single pixel, which stands for a picture at best",
        "put the picture itself in its place",
    ),
    unreadable(
        "float.tiff",
        lambda: encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"),
        "has pixels of mode F, whose white is not defined",
        CHANNELS,
    ),
    unreadable(
        "whole.tiff",
        lambda: encoded(Image.fromarray(np.ones((4, 4), np.int32)), "TIFF"),
        "has pixels of mode I, whose white is not defined",
        CHANNELS,
    ),
    Case("grey16.png", lambda: encoded(Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20)), "PNG")),
    Case("rgb16.png", spoilt.wide_png),
    Case("palette.png", lambda: spoilt.indexed(transparent=False)),
    Case("palette-clear.png", lambda: spoilt.indexed(transparent=True)),
    Case("print.tiff", lambda: encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF")),
    Case("photoshop.jpg", spoilt.inverted),
    Case("rgba.png", lambda: encoded(picture(seed=41).convert("RGBA"), "PNG")),
    Case("la.png", lambda: encoded(picture(seed=42).convert("LA"), "PNG")),
    Case("line.png", lambda: encoded(picture(seed=43).convert("1"), "PNG")),
    Case("film.gif", lambda: spoilt.film("GIF")),
    Case("film.webp", lambda: spoilt.film("WEBP")),
    Case("film.png", lambda: spoilt.film("PNG")),
    Case("pages.tiff", lambda: spoilt.film("TIFF")),
    Case("tall.png", lambda: encoded(Image.new("L", (1, 100_000)), "PNG")),
    Case("turned.jpg", lambda: spoilt.turned(6)),
    Case("profile.jpg", lambda: spoilt.profiled(b"no profile at all")),
    Case("png-in-truth.jpg", lambda: encoded(picture(seed=44), "PNG")),
    Case("more-behind.jpg", lambda: encoded(picture(seed=45), "JPEG") + b"junk" * 50),
]
FILMS = 4
"""So many of them have more than one frame or page."""

NO_SOUND = "is no recording but"
AS_SOUND = "convert it to WAV or FLAC"
ONCE_MORE = "record it again, or take it out"
EITHER = f"{AGAIN}, or {AS_SOUND}"
PIECES = "cut it into pieces, or raise preprocess.duration_limit_seconds"
EXPORT = "export it again as 16-bit WAV or FLAC"


RECORDINGS = [
    Case("empty.wav", b"", "ingest", "is an empty file", AGAIN),
    unreadable("notes.wav", "my notes of Wednesday\n", f"{NO_SOUND} a text", ITSELF),
    unreadable("page.mp3", spoilt.PAGE, f"{NO_SOUND} an HTML page", PAGE),
    unreadable("video.mp4", spoilt.VIDEO, f"{NO_SOUND} an MP4 video", AS_SOUND),
    unreadable("phone.m4a", spoilt.PHONE, f"{NO_SOUND} an M4A recording", AS_SOUND),
    unreadable("cover.wav", lambda: encoded(picture(), "PNG"), f"{NO_SOUND} a PNG picture", ITSELF),
    unreadable("zeros.wav", spoilt.ZEROS, f"{NO_SOUND} nothing but zero bytes", AGAIN),
    unreadable(
        "no-data.wav", spoilt.without_sound, "cannot be decoded: Error in WAV file. No 'data' chunk marker.", EITHER
    ),
    unreadable(
        "no-channels.wav",
        lambda: spoilt.channels(0, spoilt.wav(2)),
        "cannot be decoded: Channel count is zero.",
        EITHER,
    ),
    unreadable("no-samples.wav", lambda: recording([]), "holds no samples", ONCE_MORE),
    unreadable("no-length.wav", lambda: spoilt.announcing(0, spoilt.wav(3)), "holds no samples", ONCE_MORE),
    unreadable("click.wav", lambda: recording([0.5]), "lasts 0.062 ms, shorter than any sound", ONCE_MORE),
    unreadable(
        "too-long.wav",
        lambda: spoilt.announcing(64_000, spoilt.wav(4)),
        "is cut short: its header announces 64,000 bytes of sound, the file holds 16,000",
        AGAIN,
    ),
    unreadable(
        "huge.wav",
        lambda: spoilt.announcing(2_000_000_000, spoilt.wav(5)),
        "is cut short: its header announces 2,000,000,000 bytes of sound, the file holds 16,000",
        AGAIN,
    ),
    unreadable(
        "cut.wav",
        lambda: spoilt.wav(6)[:-1000],
        "is cut short: its header announces 16,000 bytes of sound, the file holds 15,000",
        AGAIN,
    ),
    unreadable(
        "cut.aiff",
        lambda: recording(spoilt.noise(seed=7), form="AIFF", subtype="PCM_16")[:-1000],
        "is cut short: its header announces 16,008 bytes of sound, the file holds 15,008",
        AGAIN,
    ),
    unreadable(
        "cut.flac",
        lambda: spoilt.compressed(8, "FLAC", "PCM_16")[:-1000],
        "cannot be decoded: Error : flac decoder lost sync.",
        EITHER,
    ),
    unreadable(
        "cut.ogg",
        lambda: spoilt.compressed(9, "OGG", "VORBIS", 20)[:40_000],
        "is cut short: its last page is missing or not whole",
        AGAIN,
    ),
    unreadable(
        "cut-a-little.ogg",
        lambda: spoilt.compressed(10, "OGG", "VORBIS")[:-100],
        "is cut short: its last page is missing or not whole",
        AGAIN,
    ),
    unreadable(
        "cut.mp3",
        spoilt.half_mp3,
        "is cut short: its header announces 320,000 samples, the file holds 21,359",
        AGAIN,
    ),
    unreadable("ten-hours.flac", lambda: spoilt.hours(10), "is longer than duration_limit_seconds, 30 s", PIECES),
    unreadable("nan.wav", lambda: recording([0.1, np.nan] * 400), "holds samples that are NaN or infinite", EXPORT),
    unreadable("inf.wav", lambda: recording([0.1, np.inf] * 400), "holds samples that are NaN or infinite", EXPORT),
    unreadable(
        "silent.wav",
        lambda: recording(np.zeros(8000)),
        "is silent: every sample of its first 1 s is zero",
        "cut the silence off, raise preprocess.window_seconds, or take it out",
    ),
    unreadable(
        "whole-numbers.wav",
        lambda: recording(np.linspace(-30_000, 30_000, 8000)),
        "reaches 30,000 where full scale is 1",
        "divide it by its full scale, 32,768 for 16 bits, or save it as whole numbers",
    ),
    unreadable(
        "three-hertz.wav",
        lambda: spoilt.at_rate(3, spoilt.wav(11)),
        "has 3 samples a second, too few to hear anything",
        "correct the rate in its header, or record it with 8,000 or more",
    ),
    unreadable(
        "odd-rate.wav",
        lambda: spoilt.at_rate(44_101, spoilt.wav(12)),
        "has 44101 samples a second, which cannot be brought to 16000",
        "convert it to 16000",
    ),
    Case("too-short.wav", lambda: spoilt.announcing(8_000, spoilt.wav(13))),
    Case("streamed.wav", lambda: spoilt.announcing(0xFFFFFFFF, spoilt.wav(14))),
    Case("telephone.wav", lambda: spoilt.wav(15, rate=8_000)),
    Case("studio.wav", lambda: spoilt.wav(16, rate=96_000)),
    Case("six-channels.wav", lambda: recording(spoilt.noise(channels=6, seed=17))),
    Case("mp3-in-truth.wav", lambda: spoilt.compressed(18, "MP3", "MPEG_LAYER_III")),
    Case("24-bit.wav", lambda: recording(spoilt.noise(seed=19), subtype="PCM_24")),
    Case("loud.wav", lambda: recording(spoilt.noise(seed=20) * 30)),
    Case("u-law.wav", lambda: recording(spoilt.noise(seed=21), subtype="ULAW")),
    Case("whole.ogg", lambda: spoilt.compressed(22, "OGG", "VORBIS")),
    Case("whole.opus", lambda: spoilt.compressed(23, "OGG", "OPUS", rate=48_000)),
]

WRITE = "write something, or take it out"
NUL = ("holds a NUL character: it may be a binary file", "save it as plain text in UTF-8")
TEXT_ITSELF = "put the text itself in its place"

TEXTS = [
    Case("empty.txt", b"", "ingest", "is an empty file", AGAIN),
    unreadable("blank.txt", " \n\t \r\n", "is empty", WRITE),
    unreadable("nul.txt", "a fine\0 film", *NUL),
    unreadable("control.txt", "\x01\x02\x1b\x07", "holds no printable character", WRITE),
    unreadable("invisible.txt", "\u200b\u200b\u2060", "holds no printable character", WRITE),
    unreadable(
        "latin.txt",
        spoilt.LATIN,
        "is not UTF-8: byte 2 is 0xef",
        "save it as UTF-8, e.g. `iconv -f WINDOWS-1252 -t UTF-8`",
    ),
    unreadable(
        "windows.txt",
        "a fine film".encode("utf-16"),
        "is UTF-16, not UTF-8",
        "save it as UTF-8, e.g. `iconv -f UTF-16 -t UTF-8`",
    ),
    unreadable(
        "surrogate.txt",
        b"a \xed\xa0\xbd film",
        "is not UTF-8: byte 2 is 0xed",
        "save it as UTF-8, e.g. `iconv -f WINDOWS-1252 -t UTF-8`",
    ),
    unreadable("picture.txt", lambda: encoded(picture(), "PNG"), "is no text but a PNG picture", TEXT_ITSELF),
    unreadable("paper.txt", spoilt.PDF, "is no text but a PDF document", TEXT_ITSELF),
    unreadable("zeros.txt", spoilt.ZEROS, *NUL),
    Case("mark.txt", "\ufeffa fine film"),
    Case("million.txt", "the poor film " * 333_334),
    Case("hundred-megabytes.txt", lambda: b"the end of it was a film\n" * 4_000_000),
    Case("emoji.txt", "🎬🍿🎬"),
    Case("hebrew.txt", "סרט טוב"),
    Case("bell.txt", "a fine\x07 film"),
    Case("strange.txt", "zyx wvu"),
]
TRUNCATED, UNKNOWN = 2, 3
"""So many have more tokens than are kept; of so many (emoji, Hebrew, strange) the tokenizer knows nothing."""

LINES = [
    Case("", "", "ingest", "is an empty text", WRITE),
    Case("", "   ", "ingest", "is an empty text", WRITE),
    Case(
        "",
        "\\ud83d half",
        "ingest",
        "holds half a surrogate pair: it was cut or decoded wrongly",
        "write it anew from its source",
    ),
    Case("", "a\\u0000b", "ingest", "holds a NUL byte, which no text has", "save the table anew"),
    Case("", "\\ud83c\\udfac whole"),
]
"""Texts of a table, as JSON writes them."""
