"""Signatures of records: HMAC-SHA-256 over the canonical JSON without `signature`. Who has the key can tell that a record is ours.

Redacted values are hashed with a key too: equal values stay equal, and nobody without the key can try out which value it was.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

from topics.violation import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

KEY_BYTES_MIN = 16
_HASH_DIGITS = 32
_ID_DIGITS = 16


def signature_of(body: Mapping[str, Any], key: bytes) -> str:
    """Return the signature of a record's JSON object, 64 hex digits, whether it carries one or not."""
    return signature_of_json(canonical_json({name: value for name, value in body.items() if name != "signature"}), key)


def signature_of_json(plain: bytes, key: bytes) -> str:
    """Return the signature of a record whose canonical JSON without one is given, 64 hex digits."""
    return hmac.new(key, plain, hashlib.sha256).hexdigest()


def is_signed(value: bytes, key: bytes) -> bool:
    """Say whether a record's value carries the signature that this key makes; raises ValueError where it is no JSON object."""
    body = json.loads(value)
    if not isinstance(body, dict):
        raise ValueError("a record is a JSON object")  # noqa: TRY004 - a value from outside, not an argument of the wrong type
    given = body.get("signature")
    return isinstance(given, str) and hmac.compare_digest(given, signature_of(body, key))


def key_id(key: bytes) -> str:
    """Return what names a key without telling it: 16 hex digits."""
    return hmac.new(key, b"betrace key id", hashlib.sha256).hexdigest()[:_ID_DIGITS]


def hashed(value: JsonValue, key: bytes) -> str:
    """Return what is shown of a redacted value: 32 hex digits."""
    return hmac.new(key, canonical_json(value), hashlib.sha256).hexdigest()[:_HASH_DIGITS]
