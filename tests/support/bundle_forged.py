"""What somebody who has a site's key could make of a bundle."""

import hashlib
import json
from collections.abc import Callable

from safelight.core.signing import SigningKey
from safelight.evidence import verify_bundle


def resealed_with(key: SigningKey, data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """Change members and sign the whole again."""
    members = dict(verify_bundle.read_archive(data))
    change(members)
    manifest = json.loads(members["manifest.json"])
    manifest["members"] = [
        {"name": name, "size_bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
        for name, raw in list(members.items())[2:]
    ]
    members["manifest.json"] = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    told = json.loads(members["signature.json"])
    told |= {
        "signature": key.sign(members["manifest.json"]).hex(),
        "public_key": key.verify_key.raw.hex(),
        "key_id": key.key_id,
    }
    members["signature.json"] = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    return bytes(verify_bundle.archive_bytes(list(members.items())))
