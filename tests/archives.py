"""Archives made for tests: ordinary ones by the standard library, others header by header."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

PACKED = {
    "tar": lambda raw: raw,
    "tar.gz": gzip.compress,
    "tgz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lzma.compress,
}
"""How a tar archive is compressed, by the end of its name."""


def contents(folder):
    """Return what lies below a folder, by path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def tar(members, layout=tarfile.PAX_FORMAT, **headers):
    """Return a tar archive of files, and of `TarInfo` for members that are none."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=layout, **headers) as archive:
        for name, raw in members.items() if isinstance(members, dict) else members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return buffer.getvalue()


def zipped(members, method=zipfile.ZIP_DEFLATED):
    """Return a zip archive of files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return buffer.getvalue()


def special(name, kind, target=""):
    """Return a member that is no plain file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def header(name=b"x", size=b"%011o\0" % 0, kind=b"0", **fields):
    """Return a header of tar with a checksum that is right, whatever it says."""
    raw = bytearray(512)
    raw[: len(name)] = name
    raw[124 : 124 + len(size)] = size
    raw[156:157] = kind
    raw[257:265] = b"ustar\x0000"
    for at, value in fields.items():
        start = int(at.lstrip("_"))
        raw[start : start + len(value)] = value
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw)
    return bytes(raw)


def member(name, content, **fields):
    """Return a header and what it stands for."""
    padded = content + bytes(-len(content) % 512)
    return header(name, b"%011o\0" % len(content), **fields) + padded


def pax(*records, kind=b"x"):
    """Return a header that says more of the next member."""
    lines = b""
    for key, value in records:
        length = len(key) + len(value) + 3
        while length != len(b"%d %s=%s\n" % (length, key, value)):
            length = len(b"%d %s=%s\n" % (length, key, value))
        lines += b"%d %s=%s\n" % (length, key, value)
    return member(b"pax", lines, kind=kind)


END = bytes(1024)
