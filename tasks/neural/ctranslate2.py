"""Reads the binary model files of CTranslate2, version 6.

Layout, little-endian: version, name of the specification, its revision, count of variables; each variable is
its name, rank, dimensions, type, byte count and bytes; then aliases (name, name of the variable meant).
Written so by `ModelSpec._serialize` in CTranslate2's python/ctranslate2/specs/model_spec.py.
"""

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tasks.errors import BackboneError

VERSION = 6
TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}
"""The file's type codes as numpy's; 5, bfloat16, numpy does not have."""

Variables = dict[str, np.ndarray[Any, Any]]


def read(path: Path, specification: str) -> Variables:
    """Return every variable of the file by name, aliases under both names, in the type it is stored in.

    Raises BackboneError if the file is cut short, of another version or of another `specification`.
    """
    try:
        with path.open("rb") as stream:
            _check_header(path, stream, specification)
            variables = dict(_variable(stream) for _ in range(_number(stream, "I")))
            for _ in range(_number(stream, "I")):
                alias, name = _string(stream), _string(stream)
                variables[alias] = variables[name]
            return variables
    except (struct.error, UnicodeDecodeError, KeyError, ValueError) as error:
        raise BackboneError(f"{path.name}: not a whole CTranslate2 file ({error}); fetch it again") from None


def _check_header(path: Path, stream: BinaryIO, specification: str) -> None:
    version, found, _revision = _number(stream, "I"), _string(stream), _number(stream, "I")
    if (version, found) != (VERSION, specification):
        raise BackboneError(
            f"{path.name}: CTranslate2 version {version}, {found}; only version {VERSION}, {specification} is read"
        )


def _variable(stream: BinaryIO) -> tuple[str, np.ndarray[Any, Any]]:
    name = _string(stream)
    rank = _number(stream, "B")
    shape = [_number(stream, "I") for _ in range(rank)]
    dtype, size = TYPES[_number(stream, "B")], _number(stream, "I")
    return name, np.frombuffer(stream.read(size), dtype=dtype).reshape(shape)


def _string(stream: BinaryIO) -> str:
    """Read a string with its length in front and a zero byte at its end."""
    return stream.read(_number(stream, "H"))[:-1].decode()


def _number(stream: BinaryIO, kind: str) -> int:
    """Read one unsigned integer, `kind` as in struct: B, H or I."""
    return int(struct.unpack(f"<{kind}", stream.read(struct.calcsize(kind)))[0])
