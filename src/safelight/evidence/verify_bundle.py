#!/usr/bin/env python3
"""Check a bundle of Safelight evidence with nothing but Python 3.8 or later.

    python3 verify_bundle.py BUNDLE.zip --public-key KEY
    python3 verify_bundle.py BUNDLE.zip --public-key KEY --study UID

BUNDLE is the ZIP file, or the folder it was unpacked into (default: the folder of this program). KEY is the site's
public key, 64 hexadecimal digits or a file with them, that you had from the site by another way than this bundle.
Exit 0: everything holds. Exit 1: something does not. Exit 2: the command cannot be used like this.
"""

import argparse
import csv
import hashlib
import io
import json
import os
import struct
import sys
import zipfile
import zlib

FORMAT = "safelight-evidence"
VERSION = 1
MANIFEST = "manifest.json"
SIGNATURE = "signature.json"
STUDIES = "studies.csv"
JOURNAL = "journal.jsonl"
PACKS = "packs.csv"
KINDS = ("recovery", "drill")
LEVELS = ("none", "uids", "pixels", "attributes", "bytes")
MEMBER_BYTES_MAX = 1 << 31


# ---- Ed25519, verification only. Source: RFC 8032, sections 5.1 and 6. ----

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def _x_of(y, sign):
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x % 2 != sign else x


def _point(raw):
    """Decode a point; None when the bytes are not one."""
    number = int.from_bytes(raw, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if y >= P:
        return None
    x = _x_of(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def _times(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _raw(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = _x_of(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def ed25519_holds(public_key, signature, message):
    """Tell whether the signature over the message was made with the secret half of this key."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key = _point(public_key)
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % ORDER
    minus_key = (P - key[0], key[1], 1, P - key[3])
    return _raw(_add(_times(scalar, BASE), _times(challenge, minus_key))) == signature[:32]


# ---- The archive: its bytes follow from its members alone, so that no bit of it can change unseen. ----

LOCAL = struct.Struct("<4s5H3I2H")
CENTRAL = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
DATE_1980 = 0x21
UTF8_NAMES = 0x800


def archive_bytes(members):
    """Lay members (pairs of name and bytes) out as a ZIP file, in one way only."""
    body, directory = [], []
    offset = 0
    for name, data in members:
        raw = name.encode("utf-8")
        crc = zlib.crc32(data)
        local = LOCAL.pack(b"PK\3\4", 20, UTF8_NAMES, 0, 0, DATE_1980, crc, len(data), len(data), len(raw), 0)
        directory.append(
            CENTRAL.pack(
                b"PK\1\2",
                20,
                20,
                UTF8_NAMES,
                0,
                0,
                DATE_1980,
                crc,
                len(data),
                len(data),
                len(raw),
                0,
                0,
                0,
                0,
                0,
                offset,
            )
            + raw
        )
        body += [local, raw, data]
        offset += len(local) + len(raw) + len(data)
    central = b"".join(directory)
    end = END.pack(b"PK\5\6", 0, 0, len(directory), len(directory), len(central), offset, 0)
    return b"".join([*body, central, end])


def read_archive(data):
    """Return the members of a bundle in their order; ValueError when the archive cannot be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = []
            for entry in archive.infolist():
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > MEMBER_BYTES_MAX:
                    raise ValueError("a member is compressed or too large: " + entry.filename)
                members.append((entry.filename, archive.read(entry)))
            return members
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError, struct.error) as error:
        raise ValueError("not a whole ZIP file: " + str(error)) from error


def read_folder(folder):
    """Return the members of a bundle that was unpacked, in the manifest's order, and those it does not know."""
    with open(os.path.join(folder, MANIFEST), "rb") as file:
        manifest = file.read()
    names = [MANIFEST, SIGNATURE] + [str(member["name"]) for member in json.loads(manifest)["members"]]
    members = []
    for name in names:
        path = os.path.join(folder, name)
        if os.path.basename(name) == name and os.path.isfile(path):
            with open(path, "rb") as file:
                members.append((name, file.read()))
    return members


# ---- The checks ----


class Checks:
    """What was checked, in words, and whether it holds."""

    def __init__(self):
        self.lines = []

    def add(self, holds, what):
        self.lines.append((bool(holds), what))
        return holds

    @property
    def whole(self):
        return bool(self.lines) and all(holds for holds, _ in self.lines)


def check_bundle(data, public_key=None, holds=ed25519_holds):
    """Check the bytes of a bundle; ``public_key`` is the site's 32 bytes, had by another way."""
    checks = Checks()
    try:
        members = read_archive(data)
    except ValueError as error:
        checks.add(False, "the archive can be read: " + str(error))
        return checks
    checks.add(archive_bytes(members) == data, "the archive is laid out as a bundle is, to the last byte")
    check_members(checks, members, public_key, holds)
    return checks


def check_members(checks, members, public_key=None, holds=ed25519_holds):
    """Check the members: signature, digests, journal chain, and whether the figures add up."""
    found = dict(members)
    if not checks.add(MANIFEST in found and SIGNATURE in found, "manifest and signature are there"):
        return
    try:
        manifest = json.loads(found[MANIFEST])
        _check_signature(checks, found[MANIFEST], found[SIGNATURE], public_key, holds)
        if not checks.add(
            manifest["format"] == FORMAT and manifest["version"] == VERSION,
            "the bundle is of a kind this program knows",
        ):
            return
        _check_digests(checks, members, manifest)
        _check_journal(checks, found.get(JOURNAL, b""), manifest["journal"])
        if not checks.add(manifest["kind"] in KINDS, "the bundle tells of a recovery or of a drill"):
            return
        if manifest["kind"] == "recovery":
            _check_figures(checks, found.get(STUDIES, b""), found.get(PACKS, b""), manifest)
        if manifest["kind"] == "drill" or "drill" in manifest:
            _check_drill(checks, found.get(JOURNAL, b""), manifest["drill"])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, csv.Error) as error:
        checks.add(False, "the bundle can be understood: %s %s" % (type(error).__name__, error))


def _check_signature(checks, manifest, written, public_key, holds):
    signature = json.loads(written)
    own = bytes.fromhex(signature["public_key"])
    key_id = hashlib.sha256(own).hexdigest()[:16]
    given = own if public_key is None else public_key
    if public_key is not None:
        checks.add(own == public_key, "the key in the bundle is the key you gave")
    checks.add(
        signature["algorithm"] == "Ed25519" and signature["key_id"] == key_id, "the signature names key " + key_id
    )
    # Read one way only: the signature itself must not be changeable without being noticed.
    exact = json.dumps(signature, sort_keys=True, separators=(",", ":")).encode()
    checks.add(signature["written"] == 1 and exact == written, "the signature is written the one way there is")
    checks.add(
        holds(given, bytes.fromhex(signature["signature"]), manifest), "the manifest was signed with key " + key_id
    )


def _check_digests(checks, members, manifest):
    listed = [(member["name"], member["size_bytes"], member["sha256"]) for member in manifest["members"]]
    actual = [(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in members[2:]]
    names = [name for name, _ in members]
    checks.add(
        names == [MANIFEST, SIGNATURE] + [name for name, _, _ in listed], "the members are those listed, in their order"
    )
    for name, size, digest in listed:
        checks.add((name, size, digest) in actual, "%s is unchanged" % name)


def _check_journal(checks, data, told):
    entries = [json.loads(line) for line in data.decode("utf-8").splitlines()]
    positions = [entry["position"] for entry in entries]
    checks.add(
        positions == sorted(set(positions)) and len(entries) == told["entries"],
        "the journal excerpt has its %d entries in order" % told["entries"],
    )
    shown = broken = joints = parted = 0
    last = None
    for entry in entries:
        if last is not None and last["position"] + 1 == entry["position"]:
            joints += 1
            parted += last["hash"] != entry["previous"]
        last = entry
        if entry["line"] is None:
            continue
        shown += 1
        line = entry["line"].encode("utf-8")
        digest = hashlib.sha256(bytes.fromhex(entry["previous"]) + line).hexdigest()
        written = json.loads(line)
        broken += (
            digest != entry["hash"] or written["position"] != entry["position"] or written["kind"] != entry["kind"]
        )
    checks.add(
        broken == 0, "%d of %d journal entries are shown and hash to their place in the chain" % (shown, len(entries))
    )
    checks.add(parted == 0, "%d neighbouring journal entries are chained to each other" % joints)


def _check_figures(checks, studies, packs, manifest):
    rows = list(csv.DictReader(io.StringIO(studies.decode("utf-8"), newline="")))
    required = LEVELS.index(manifest["asked"]["required_level"])
    totals = {"studies": len(rows), "instances": 0, "size_bytes": 0, "outcomes": {}}
    overstated = 0
    for row in rows:
        totals["instances"] += int(row["instances"])
        totals["size_bytes"] += int(row["size_bytes"])
        totals["outcomes"][row["outcome"]] = totals["outcomes"].get(row["outcome"], 0) + 1
        if row["outcome"] == "confirmed":
            overstated += not row["level"] or LEVELS.index(row["level"]) < required
    checks.add(
        all(manifest["totals"][name] == value for name, value in totals.items()),
        "the totals are the sums of the studies",
    )
    checks.add(overstated == 0, "every study called confirmed reached level " + LEVELS[required])
    confirmed = totals["outcomes"].get("confirmed", 0)
    checks.add(
        manifest["all_confirmed"] == (confirmed == len(rows) > 0),
        "%d of %d studies are confirmed" % (confirmed, len(rows)),
    )
    listed = list(csv.DictReader(io.StringIO(packs.decode("utf-8"), newline="")))
    checks.add(
        len(listed) == manifest["packs"]["count"]
        and sum(int(row["size_bytes"]) for row in listed) == manifest["packs"]["size_bytes"],
        "the packs add up",
    )


def _check_drill(checks, data, drill):
    """Hold what is told of a drill against the journal's own words of it."""
    entries = [json.loads(line) for line in data.decode("utf-8").splitlines()]
    lines = [json.loads(entry["line"]) for entry in entries if entry["line"] and entry["kind"].startswith("drill-")]
    told = {}
    for line in lines:
        told.setdefault(line["kind"], []).append(line["facts"])
    checks.add(
        len(told.get("drill-started", [])) == 1 and all(line["facts"]["drill"] == drill["drill"] for line in lines),
        "%d journal entries are shown, all of them of drill %s" % (len(lines), drill["drill"]),
    )
    # Asked of both: what was left out of the telling is found as well as what was put into it.
    if drill.get("tiers") or "drill-measured" in told:
        measured = [tier for facts in told.get("drill-measured", []) for tier in facts["tiers"]]
        checks.add(measured == drill["tiers"], "what was measured of each tier is what the journal has")
    if drill.get("objectives"):
        bounds = ("side", "of", "rto_seconds", "rpo_seconds")
        asked = [[one[name] for name in bounds] for one in told["drill-started"][0]["objectives"]]
        shown = [[one[name] for name in bounds] for one in drill["objectives"]]
        checks.add(asked == shown, "the journal has the %d objectives of the beginning" % len(shown))
    if drill.get("notification") or "drill-called" in told:
        _check_calls(checks, told, drill["notification"] or {"roles": []})
    if drill.get("escrow_key") or "drill-key-tried" in told:
        copies = [one for facts in told.get("drill-key-tried", []) for one in facts["copies"]]
        opened = [(one["placement"], one["pack"] or None, bool(one["opened_at"])) for one in copies]
        shown = [
            (one["placement"], one["pack"], one["opened"]) for one in (drill["escrow_key"] or {"copies": []})["copies"]
        ]
        checks.add(opened == shown, "what the recovery key opened is what the journal has")
    if drill.get("shift") or "drill-step-noted" in told:
        executed = sorted(facts["step"] for facts in told.get("drill-step-noted", []) if facts["executed"])
        shown = sorted(one["step"] for one in drill["shift"] if one["executed"])
        checks.add(
            executed == shown and len(told["drill-started"][0]["steps"]) == len(drill["shift"]),
            "the journal has the %d steps that were executed" % len(shown),
        )
    if drill.get("table_top") or "drill-inject-answered" in told:
        said = {facts["inject"]: (facts["it"], facts["radiology"]) for facts in told.get("drill-inject-answered", [])}
        shown = {one["inject"]: (one["it"], one["radiology"]) for one in drill["table_top"] if one["it"] is not None}
        checks.add(said == shown, "the journal has the answers to %d injects" % len(shown))


def _check_calls(checks, told, notification):
    answered = {facts["person"] for facts in told.get("drill-called", []) if facts["answered_at"]}
    named = {call["role"]: (call["person"], call["deputy"]) for call in told["drill-started"][0]["calls"]}
    wrong = 0
    for one in notification["roles"]:
        people = named.get(one["role"], ())
        wrong += one["by"] not in answered.intersection(people) if one["by"] else bool(answered.intersection(people))
    checks.add(
        wrong == 0 and len(named) == len(notification["roles"]),
        "the journal has the calls by which %d roles were reached or not" % len(named),
    )


def pseudonym(recovery, uid):
    """Return the name under which a bundle tells of a study."""
    return hashlib.sha256((recovery + ":" + uid).encode("utf-8")).hexdigest()[:32]


def study_row(members, uid):
    """Return what the bundle tells of one study, by its UID."""
    found = dict(members)
    manifest = json.loads(found[MANIFEST])
    if STUDIES not in found:
        return None
    wanted = pseudonym(manifest["recovery"], uid) if manifest["pseudonymous"] else uid
    for row in csv.DictReader(io.StringIO(found[STUDIES].decode("utf-8"), newline="")):
        if row["study"] == wanted:
            return row
    return None


def _public_key(text):
    if os.path.isfile(text):
        with open(text, "rb") as file:
            raw = file.read()
        if len(raw) == 32:
            return raw
        text = raw.decode("ascii", "replace")
    digits = "".join(text.split())
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise argparse.ArgumentTypeError("64 hexadecimal digits, or a file with them")
    return key


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Check a bundle of Safelight evidence.")
    parser.add_argument("bundle", nargs="?", default=os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--public-key", type=_public_key, help="the site's key, had by another way than this bundle")
    parser.add_argument("--study", help="show what the bundle tells of this Study Instance UID")
    told = parser.parse_args(arguments)
    try:
        if os.path.isdir(told.bundle):
            members = read_folder(told.bundle)
            checks = Checks()
            check_members(checks, members, told.public_key)
        else:
            with open(told.bundle, "rb") as file:
                data = file.read()
            checks = check_bundle(data, told.public_key)
            members = read_archive(data) if checks.lines[0][0] else []
    except (OSError, ValueError, KeyError, TypeError) as error:
        print("This is not a bundle: %s" % error, file=sys.stderr)
        return 2
    for holds, what in checks.lines:
        print("%s  %s" % ("ok " if holds else "BAD", what))
    if told.public_key is None:
        print("Note: without --public-key this shows that the bundle is whole, not who made it.")
    if told.study and checks.whole:
        row = study_row(members, told.study)
        print("This study is not part of the bundle." if row is None else json.dumps(row, indent=2))
    print("Everything holds." if checks.whole else "SOMETHING DOES NOT HOLD. Keep this copy and ask for another one.")
    return 0 if checks.whole else 1


if __name__ == "__main__":
    sys.exit(main())
