#!/usr/bin/env python3
"""Cuts the fixtures of this folder out of whole kernel images: cut.py IMAGES STUB

IMAGES holds the files that README.md names, as the packages have them in /boot; STUB is systemd's linuxx64.efi.stub.
Needs gzip, zstd, xz, lz4, bzip2, lzop and objcopy in PATH.

A `.spans` file is an image of which all but a few spans is zeros: its size, then an offset and bytes a line.
"""

import pathlib
import re
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
LINE = re.compile(rb"Linux version [^\0\n]*\n")


def spans(name, data, wanted, size=None):
    size = size or max(end for _, end in wanted)
    lines = [f"size {size}"]
    for start, end in wanted:
        for at in range(start, end, 64):
            row = data[at : min(at + 64, end)]
            if row.strip(b"\0"):
                lines.append(f"{at:#x} {row.rstrip(bytes(1)).hex()}")
    (HERE / f"{name}.spans").write_text("\n".join(lines) + "\n")


def text_at(data, at):
    return (at, data.index(b"\0", at) + 1)


def packed(command, data):
    return subprocess.run(command.split(), input=data, stdout=subprocess.PIPE, check=True).stdout


def banners(data):
    """Every text that begins as a banner, with a little before it."""
    return [(match.start() - 64, match.end() + 1) for match in LINE.finditer(data)]


def x86(name, data):
    """The setup header, and what it points to."""
    at = 0x200 + struct.unpack_from("<H", data, 0x20E)[0]
    spans(name, data, [(0, 0x280), text_at(data, at)])


def s390x(name, data):
    at = struct.unpack_from(">Q", data, 0x10428)[0]
    spans(name, data, [(0, 0x40), (0x10000, 0x10438), text_at(data, at)])


def raw(name, data):
    spans(name, data, [(0, 0x80)] + banners(data))


def armhf(name, data):
    """The head, what looks like a stream in the decompressor, and the stream: of the kernel only what is around its
    banner, packed again as arch/arm/boot/compressed does it."""
    first, second = (match.start() for match in re.finditer(rb"\xfd7zXZ\0", data))
    kernel = subprocess.run(["xz", "-dc"], input=data[second:], stdout=subprocess.PIPE, check=False).stdout
    stream = packed("xz --check=crc32 --arm --lzma2=dict=32MiB", around(kernel))
    made = data[:second] + stream
    spans(name, made, [(0, 0x40), (first, first + 64), (second, len(made))], size=len(made) + 64)


def around(kernel):
    """2 KiB before the first banner and after the last, and the start."""
    places = [match.start() for match in LINE.finditer(kernel)]
    cut = lambda at: kernel[max(0, at - 2048) : at + 2048]
    return kernel[:256] + b"".join(cut(at) for at in places)


def streams(kernel):
    """Every compression of the kernel's build, with its options (scripts/Makefile.lib)."""
    data = around(kernel)
    for ending, command in {
        "gz": "gzip -n -f -9",
        "zst": "zstd -22 --ultra -q -c",
        "xz": "xz --check=crc32 --x86 --lzma2=,dict=32MiB",
        "xz-arm64": "xz --check=crc64 --lzma2=dict=128MiB",
        "lzma": "lzma -9",
        "lz4-legacy": "lz4 -l -9 -c -q",
        "lz4": "lz4 -9 -c -q -B4 -BD",
        "bz2": "bzip2 -9",
        "lzo": "lzop -9",
    }.items():
        (HERE / f"arm64.{ending}").write_bytes(packed(command, data))


def unified(name, stub, kernel, release):
    """A unified image, made as ukify makes them; of the kernel only its header."""
    at = 0x200 + struct.unpack_from("<H", kernel, 0x20E)[0]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "linux").write_bytes(kernel[: at + 256])
        (folder / "uname").write_bytes(release)
        made = folder / "made.efi"
        subprocess.run(
            ["objcopy", "--add-section", f".uname={folder / 'uname'}", "--change-section-vma", ".uname=0x1000000"]
            + ["--add-section", f".linux={folder / 'linux'}", "--change-section-vma", ".linux=0x2000000"]
            + [stub, made],
            check=True,
        )
        data = made.read_bytes()
    inner = data.index(kernel[:0x280])
    uname = data.rindex(release)
    wanted = [(0, 0x600), (uname, uname + len(release)), (inner, inner + 0x280), text_at(data, inner + at)]
    spans(name, data, wanted)


def ubuntu(name, data):
    """A unified image of an arm64 kernel for EFI with devices' trees, as Ubuntu builds it: a zboot image inside. Of
    the kernel only what is around its banner, packed again."""
    pe = struct.unpack_from("<I", data, 0x3C)[0]
    count, optional = struct.unpack_from("<H", data, pe + 6)[0], struct.unpack_from("<H", data, pe + 20)[0]
    table = pe + 24 + optional
    found = {}
    for at in range(table, table + 40 * count, 40):
        offset = struct.unpack_from("<I", data, at + 20)[0]
        found.setdefault(data[at : at + 8].rstrip(b"\0"), offset)
    uname, linux = found[b".uname"], found[b".linux"]
    inside, size = struct.unpack_from("<II", data, linux + 8)
    stream = linux + inside
    kernel = packed("zstd -dcq", data[stream : stream + size])
    made = data[:stream] + packed("zstd -22 --ultra -q -c", around(kernel))
    wanted = [(0, table + 40 * count), (uname, uname + 64), (linux, linux + 64), (stream, len(made))]
    spans(name, made, wanted)
    inner = made[linux:]
    spans("zboot", inner, [(0, 64), (inside, len(inner))])


def main():
    images, stub = pathlib.Path(sys.argv[1]), sys.argv[2]
    read = lambda name: (images / name).read_bytes()
    x86("amd64", read("vmlinuz-6.1.0-50-cloud-amd64"))
    x86("amd64-zstd", read("vmlinuz-6.12.107+deb13-cloud-amd64"))
    raw("arm64", read("vmlinuz-6.1.0-50-cloud-arm64"))
    raw("riscv64", read("vmlinux-6.12.107+deb13-riscv64"))
    raw("ppc64el", read("vmlinux-6.1.0-50-powerpc64le"))
    s390x("s390x", read("vmlinuz-6.1.0-50-s390x"))
    s390x("s390x-6.12", read("vmlinuz-6.12.107+deb13-s390x"))
    armhf("armhf", read("vmlinuz-6.1.0-50-armmp"))
    streams(read("vmlinuz-6.1.0-50-cloud-arm64"))
    ubuntu("unified-arm64", read("vmlinuz-7.0.0-14-generic"))
    unified("unified", stub, read("vmlinuz-6.1.0-50-cloud-amd64"), b"6.1.0-50-cloud-amd64")


main()
