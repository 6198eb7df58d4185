#!/usr/bin/env python3
"""Get every image out of a Safelight vault without Safelight.

    python3 rescue.py --key KEYFILE --packs DIR --out DIR [--study UID]
    python3 rescue.py --key KEYFILE --packs DIR --list [--study UID]

Needs Python 3.8 or newer, nothing but its standard library, and these programs (Debian packages in
brackets): age [age], zstd [zstd], ojph_expand [openjph-tools]; and, only for packs written with the
profile "small", dcmdjpls [dcmtk]. README.txt beside this file describes the format in words.

KEYFILE holds the line AGE-SECRET-KEY-1... of the offline recovery key or of the node. DIR is the
directory of the packs (or one pack). Everything is decrypted into a temporary directory, see --work.
Each instance is written only if its SHA-256 is the one it was received under. An instance that was
received over the network has no file header; it is given one here, and the data set behind it is
exact. Exit code 0: everything asked for was written; 1: something is missing, and was named.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

COMMENT = re.compile(rb"safelight-pack/1 index at ([0-9]{20}) of ([0-9]{20}) bytes\Z")
TAIL_BYTES = 128
OPEN_PACKS_MAX = 4


class Lost(Exception):
    """Something cannot be recovered; the rest can."""


class Pack:
    """One decrypted pack."""

    def __init__(self, zip_path: str) -> None:
        self.path = zip_path
        self.file: BinaryIO = open(zip_path, "rb")  # noqa: SIM115
        self.size = os.path.getsize(zip_path)
        found = COMMENT.search(self.bytes_at(max(0, self.size - TAIL_BYTES), TAIL_BYTES))
        if not found:
            raise Lost("this is not the end of a Safelight pack")
        self.index = json.loads(unzstd(self.bytes_at(int(found.group(1)), int(found.group(2)))))
        if self.index["format"] != "safelight-pack" or self.index["version"] != 1:
            raise Lost("a format or version that this script does not know")
        self._headers: bytes | None = None

    def bytes_at(self, offset: int, length: int) -> bytes:
        self.file.seek(offset)
        data = self.file.read(length)
        if len(data) != min(length, self.size - offset):
            raise Lost("the pack is too short")
        return data

    def headers(self) -> bytes:
        if self._headers is None:
            span = self.index["headers"]
            self._headers = unzstd(self.bytes_at(span["offset"], span["stored"]))
        return self._headers

    def close(self) -> None:
        self.file.close()
        os.unlink(self.path)


class Vault:
    """All packs, decrypted one by one as they are needed."""

    def __init__(self, packs: str, key: str, work: str) -> None:
        self.key = key
        self.work = work
        self.paths: dict[str, str] = {}
        for path in pack_files(packs):
            self.paths.setdefault(os.path.basename(path)[:64], path)
        self.opened: dict[str, Pack] = {}

    def open(self, name: str) -> Pack:
        if name in self.opened:
            self.opened[name] = self.opened.pop(name)
            return self.opened[name]
        if name not in self.paths:
            raise Lost(f"pack {name} is not here; bring it from another copy of the vault")
        while len(self.opened) >= OPEN_PACKS_MAX:
            self.opened.pop(next(iter(self.opened))).close()
        pack = self.decrypt(name)
        self.opened[name] = pack
        return pack

    def decrypt(self, name: str) -> Pack:
        path = self.paths[name]
        if digest_of_file(path) != name:
            raise Lost("the file does not hash to its name: damaged; take this pack from another copy of the vault")
        zip_path = os.path.join(self.work, name + ".zip")
        run(["age", "-d", "-i", self.key, "-o", zip_path, path])
        return Pack(zip_path)

    def pieces(self, name: str, position: int) -> Iterator[bytes]:
        """Give the stored bytes of one instance: header and pixel runs in turn."""
        entry = self.open(name).index["instances"][position]
        headers = self.open(name).headers()
        offset = entry["header_offset"]
        pixels = self.pixels(name, position)
        rest = b""
        for number, length in enumerate(entry["runs"]):
            if number % 2 == 0:
                yield headers[offset : offset + length]
                offset += length
                continue
            while length:
                if not rest:
                    rest = next(pixels, b"")
                    if not rest:
                        raise Lost("fewer pixel bytes than the index says")
                yield rest[:length]
                length, rest = length - len(rest[:length]), rest[length:]

    def pixels(self, name: str, position: int) -> Iterator[bytes]:
        """Give the decoded parts of one instance, following references to other packs."""
        for _ in range(9):
            entry = self.open(name).index["instances"][position]
            if "same_pixels_as" not in entry:
                break
            other, position = entry["same_pixels_as"]
            name = other or name
        else:
            raise Lost("references without end")
        before = b""
        for coding, offset, stored, length, _ in entry.get("parts", []):
            coded = self.open(name).bytes_at(offset, stored)
            before = decode(coding, coded, entry.get("picture"), before, self.work)
            if len(before) != length:
                raise Lost("a frame decodes to the wrong length")
            yield before


def decode(coding: str, coded: bytes, picture: Any, before: bytes, work: str) -> bytes:
    """Turn one part back into pixel bytes."""
    if coding == "raw":
        return coded
    if coding == "zst":
        return unzstd(coded)
    if coding == "zst+delta":
        return add_bytes(unzstd(coded), before)
    if coding == "zst+shuffle":
        return unshuffle(unzstd(coded), picture["sample_bytes"])
    if coding == "j2c":
        return decode_htj2k(coded, picture, work)
    if coding == "jls":
        return decode_jpeg_ls(coded, picture, work)
    raise Lost(f"a coding that this script does not know: {coding}")


def decode_htj2k(coded: bytes, picture: Any, work: str) -> bytes:
    # ojph_expand cuts negative samples off. Declared as unsigned, the same code stream decodes to the
    # samples plus half the range, so the top bit of each sample is flipped back afterwards.
    declared = as_unsigned(coded) if picture["signed"] else coded
    colour = picture["samples"] == 3
    source, target = os.path.join(work, "frame.j2c"), os.path.join(work, "frame.ppm" if colour else "frame.raw")
    write(source, declared)
    run(["ojph_expand", "-i", source, "-o", target])
    size = picture["rows"] * picture["columns"] * picture["samples"] * picture["sample_bytes"]
    samples = bytearray(read(target)[-size:])
    if colour and picture["sample_bytes"] == 2:
        samples[0::2], samples[1::2] = samples[1::2], samples[0::2]
    if picture["signed"]:
        flip_top_bits(samples, picture["sample_bytes"])
    return by_plane(bytes(samples), picture)


def as_unsigned(coded: bytes) -> bytes:
    """Clear the sign bit of every component in the SIZ marker segment (ISO/IEC 15444-1, A.5.1)."""
    changed = bytearray(coded)
    at = coded.index(b"\xff\x51")
    (components,) = struct.unpack(">H", coded[at + 38 : at + 40])
    for number in range(components):
        changed[at + 40 + 3 * number] &= 0x7F
    return bytes(changed)


def flip_top_bits(samples: bytearray, sample_bytes: int) -> None:
    table = bytes(value ^ 0x80 for value in range(256))
    samples[sample_bytes - 1 :: sample_bytes] = samples[sample_bytes - 1 :: sample_bytes].translate(table)


def decode_jpeg_ls(coded: bytes, picture: Any, work: str) -> bytes:
    """Wrap the frame as a DICOM file of transfer syntax 1.2.840.10008.1.2.4.80 and let dcmdjpls decode it."""
    if shutil.which("dcmdjpls") is None:
        raise Lost("JPEG-LS frames (profile small) need the program dcmdjpls; install the Debian package dcmtk")
    source, target = os.path.join(work, "frame.dcm"), os.path.join(work, "frame-native.dcm")
    write(source, jpeg_ls_file(coded, picture))
    run(["dcmdjpls", "+px", source, target])
    size = picture["rows"] * picture["columns"] * picture["samples"] * picture["sample_bytes"]
    native = read(target)
    at = native.rindex(b"\xe0\x7f\x10\x00O") + 12
    return by_plane(native[at : at + size], picture)


def jpeg_ls_file(coded: bytes, picture: Any) -> bytes:
    bits = 8 * picture["sample_bytes"]
    colour = picture["samples"] == 3
    data_set = element(0x0008, 0x0016, "UI", uid("1.2.840.10008.5.1.4.1.1.7"))
    data_set += element(0x0008, 0x0018, "UI", uid("2.25.1"))
    data_set += element(0x0028, 0x0002, "US", struct.pack("<H", picture["samples"]))
    data_set += element(0x0028, 0x0004, "CS", b"RGB " if colour else b"MONOCHROME2 ")
    if colour:
        data_set += element(0x0028, 0x0006, "US", struct.pack("<H", 0))
    for number, value in (
        (0x0010, picture["rows"]),
        (0x0011, picture["columns"]),
        (0x0100, bits),
        (0x0101, bits),
        (0x0102, bits - 1),
        (0x0103, 0),
    ):
        data_set += element(0x0028, number, "US", struct.pack("<H", value))
    padded = coded + b"\x00" * (len(coded) % 2)
    items = item(b"") + item(padded) + b"\xfe\xff\xdd\xe0" + bytes(4)
    data_set += b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff" + items
    return part10_prefix("1.2.840.10008.5.1.4.1.1.7", "2.25.1", "1.2.840.10008.1.2.4.80") + data_set


def by_plane(samples: bytes, picture: Any) -> bytes:
    """Put colours plane by plane where the instance had them so."""
    if not picture["planar"] or picture["samples"] == 1:
        return samples
    words = memoryview(samples).cast("B" if picture["sample_bytes"] == 1 else "H")
    return b"".join(words[colour :: picture["samples"]].tobytes() for colour in range(picture["samples"]))


def add_bytes(difference: bytes, before: bytes) -> bytes:
    """Add two frames byte by byte modulo 256; as two large numbers, so that no carry meets a neighbour."""
    even = int.from_bytes(b"\xff\x00" * (len(before) // 2 + 1), "little")
    odd = even << 8
    one, two = int.from_bytes(difference, "little"), int.from_bytes(before, "little")
    total = ((one & even) + (two & even) & even) | ((one & odd) + (two & odd) & odd)
    return total.to_bytes(len(before) + 4, "little")[: len(before)]


def unshuffle(planes: bytes, width: int) -> bytes:
    samples = bytearray(len(planes))
    count = len(planes) // width
    for number in range(width):
        samples[number::width] = planes[number * count : (number + 1) * count]
    return bytes(samples)


def element(group: int, number: int, vr: str, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, number, vr.encode("ascii"), len(value)) + value


def item(value: bytes) -> bytes:
    return b"\xfe\xff\x00\xe0" + struct.pack("<I", len(value)) + value


def uid(text: str) -> bytes:
    raw = text.encode("ascii", "replace")
    return raw + b"\x00" * (len(raw) % 2)


def part10_prefix(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Write a preamble and file meta (PS3.10, section 7.1)."""
    meta = b"\x02\x00\x01\x00OB\x00\x00\x02\x00\x00\x00\x00\x01"
    meta += element(0x0002, 0x0002, "UI", uid(sop_class))
    meta += element(0x0002, 0x0003, "UI", uid(sop_instance))
    meta += element(0x0002, 0x0010, "UI", uid(transfer_syntax))
    meta += element(0x0002, 0x0012, "UI", uid("2.25.145342903714217083497132174803270716205"))
    return bytes(128) + b"DICM" + element(0x0002, 0x0000, "UL", struct.pack("<I", len(meta))) + meta


def run(command: list[str], data: bytes | None = None) -> bytes:
    try:
        done = subprocess.run(command, input=data, capture_output=True, check=False)
    except FileNotFoundError:
        raise Lost(f"the program {command[0]} is not installed") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Lost(f"{command[0]} failed: {said[0] if said else done.returncode}")
    return done.stdout


def unzstd(data: bytes) -> bytes:
    return run(["zstd", "-dcq"], data)


def read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def digest_of_file(path: str) -> str:
    hasher = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            piece = file.read(1 << 20)
            if not piece:
                return hasher.hexdigest()
            hasher.update(piece)


def pack_files(packs: str) -> Iterator[str]:
    if os.path.isfile(packs):
        yield packs
        # References lead to packs beside it.
        packs = os.path.dirname(os.path.dirname(os.path.abspath(packs)))
    for directory, _, names in sorted(os.walk(packs)):
        for name in sorted(names):
            if re.fullmatch(r"[0-9a-f]{64}\.zip\.age", name):
                yield os.path.join(directory, name)


def safe_name(text: str, otherwise: str) -> str:
    """Make a file name of a UID or label, which a stranger may have chosen."""
    return text if re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}", text) else otherwise


def place_of(entry: Any, out: str) -> str:
    digest = entry["sha256"]
    if entry.get("opaque"):
        return os.path.join(out, "not-dicom", digest)
    version = digest[:12]
    if "prefix_sha256" in entry:
        version += "-" + entry["prefix_sha256"][:6]
    study, series = safe_name(entry["study"], "no-study"), safe_name(entry["series"], "no-series")
    return os.path.join(out, study, series, f"{safe_name(entry['sop_instance'], 'no-uid')}-{version}.dcm")


def write_instance(vault: Vault, name: str, position: int, entry: Any, out: str) -> None:
    path = place_of(entry, out)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    draft = path + ".unfinished"
    try:
        write_checked(vault, name, position, entry, draft)
        os.replace(draft, path)
    finally:
        if os.path.exists(draft):
            os.unlink(draft)


def write_checked(vault: Vault, name: str, position: int, entry: Any, path: str) -> None:
    prefix_left = entry.get("prefix_size", 0)
    prefix, data_set = hashlib.sha256(), hashlib.sha256()
    with open(path, "wb") as file:
        if not prefix_left and not entry.get("opaque"):
            file.write(part10_prefix(entry["sop_class"], entry["sop_instance"], entry["transfer_syntax"]))
        for piece in vault.pieces(name, position):
            file.write(piece)
            prefix.update(piece[:prefix_left])
            data_set.update(piece[prefix_left:])
            prefix_left -= min(prefix_left, len(piece))
    exact = data_set.hexdigest() == entry["sha256"]
    if not exact or prefix.hexdigest() != entry.get("prefix_sha256", hashlib.sha256().hexdigest()):
        raise Lost("what was decoded does not hash to what was received")


def write_stream(pack: Pack, out: str, work: str) -> None:
    """Write the stream of a pack that holds no images: a journal segment, an attachment."""
    content = pack.index["content"]
    coded = os.path.join(work, "content.zst")
    with open(coded, "wb") as file:
        for offset in range(0, content["stored"], 1 << 20):
            file.write(pack.bytes_at(content["offset"] + offset, min(1 << 20, content["stored"] - offset)))
    directory = os.path.join(out, "streams", safe_name(pack.index["kind"], "unknown"))
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, safe_name(pack.index["name"], content["sha256"]))
    run(["zstd", "-dqf", coded, "-o", path + ".unfinished"])
    os.unlink(coded)
    if digest_of_file(path + ".unfinished") != content["sha256"]:
        os.unlink(path + ".unfinished")
        raise Lost("the stream does not hash to what was written")
    os.replace(path + ".unfinished", path)


def rescue_pack(vault: Vault, name: str, options: argparse.Namespace) -> tuple[int, int]:
    """Write or list one pack; return how many instances or streams came out and how many were lost."""
    written = lost = 0
    index = vault.open(name).index
    if "content" in index and not options.study:
        if options.list:
            print(f"{index['kind']} {index['name']} pack {name}")
        else:
            write_stream(vault.open(name), options.out, vault.work)
        written += 1
    for position, entry in enumerate(index["instances"]):
        if options.study and entry["study"] != options.study:
            continue
        try:
            if options.list:
                uids = f"study {entry['study']} series {entry['series']} instance {entry['sop_instance']}"
                print(f"{uids} size {entry['size']} sha256 {entry['sha256']} pack {name}")
            else:
                write_instance(vault, name, position, entry, options.out)
            written += 1
        # Whatever is wrong with one instance, the others must come out.
        except Exception as error:  # noqa: BLE001
            lost += 1
            complain(f"LOST instance {entry.get('sha256')} of pack {name}: {error}")
    return written, lost


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Get every image out of a Safelight vault without Safelight.")
    parser.add_argument("--key", required=True, help="file with the line AGE-SECRET-KEY-1...")
    parser.add_argument("--packs", required=True, help="directory of the packs, or one pack")
    parser.add_argument("--out", help="where to write the images")
    parser.add_argument("--study", help="only the study with this Study Instance UID")
    parser.add_argument("--list", action="store_true", help="tell what is there and write nothing")
    parser.add_argument("--work", help="where to decrypt into; the disk space of a few packs is needed")
    options = parser.parse_args()
    if not options.list and not options.out:
        parser.error("give --out DIR, or --list")
    written = lost = 0
    work = tempfile.mkdtemp(prefix="safelight-rescue-", dir=options.work)
    try:
        vault = Vault(options.packs, options.key, work)
        names = [os.path.basename(options.packs)[:64]] if os.path.isfile(options.packs) else sorted(vault.paths)
        for name in names:
            try:
                found, missed = rescue_pack(vault, name, options)
            except Exception as error:  # noqa: BLE001
                found, missed = 0, 1
                complain(f"LOST pack {name}: {error}")
            written, lost = written + found, lost + missed
    finally:
        shutil.rmtree(work, ignore_errors=True)
    complain(f"{'listed' if options.list else 'written'} {written}, lost {lost}")
    if not names:
        complain(f"no packs in {options.packs}")
    return 1 if lost or not written else 0


if __name__ == "__main__":
    sys.exit(main())
