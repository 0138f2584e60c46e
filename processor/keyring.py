"""What the worker's keys do to what it says: records are signed, values that a rule redacts by `hash` are hashed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from topics.signatures import hashed, key_id, signature_of, signature_of_json

if TYPE_CHECKING:
    from pydantic import JsonValue

    from topics.journal import Checkpoint


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of a worker; all workers of a group have the same, for what one says another says again."""

    signing_key: bytes | None = field(default=None, repr=False)
    redaction_key: bytes | None = field(default=None, repr=False)

    @property
    def redaction_key_id(self) -> str:
        """Names the key for redacted values; empty: there is none."""
        return "" if self.redaction_key is None else key_id(self.redaction_key)

    def signature(self, plain: bytes) -> str | None:
        """Return the signature of a record whose canonical JSON without one is given; None without a key."""
        return None if self.signing_key is None else signature_of_json(plain, self.signing_key)

    def checkpoint(self, record: Checkpoint) -> Checkpoint:
        """Return the journal record, signed."""
        if self.signing_key is None:
            return record
        body = {"kind": record.kind, **record.model_dump(mode="json", exclude_defaults=True)}
        return record.model_copy(update={"signature": signature_of(body, self.signing_key)})

    def hashed(self, value: JsonValue) -> str | None:
        """Return what is shown of a value; None without a key: hashes of short values could be guessed."""
        return None if self.redaction_key is None else hashed(value, self.redaction_key)


NO_KEYS = Keyring()
