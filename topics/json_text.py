"""JSON as it comes from outside: strict about JSON, lenient about UTF-8, refused with a reason."""

from __future__ import annotations

import json
import re
from typing import NoReturn, TypeAlias

import orjson

from topics.refusal import RefusalReason, RefusedError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    r"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|.)",
    re.DOTALL,
)


def read_json(text: bytes | str) -> Json:
    r"""Return the value of one JSON text; raises RefusedError: malformed, truncated, or nested beyond about a thousand levels too_deep.

    Bytes that are no UTF-8 are kept by `surrogateescape`; half a surrogate pair (`"\ud800"`) becomes U+FFFD, as Go does. Of a repeated
    member the last counts.
    """
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogateescape" if _escaped_bytes_only(text) else "replace")
    text = text.removeprefix(_BYTE_ORDER_MARK)
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return _read_leniently(text, error)
    return value


def write_json(value: Json) -> bytes | None:
    """Return the value as compact JSON; None where it holds text that is no UTF-8, integers beyond 64 bits or more than 254 levels."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return None


def _escaped_bytes_only(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _read_leniently(text: bytes, problem: orjson.JSONDecodeError) -> Json:
    """Read what a strict reader refused, for there are texts that it refuses for their UTF-8 only."""
    if "depth limit" in problem.msg:
        raise RefusedError(RefusalReason.TOO_DEEP)
    whole = _ESCAPE.sub(_without_half, text.decode("utf-8", "surrogateescape"))
    try:
        value: Json = json.loads(whole, parse_constant=_refuse_constant)
    except RecursionError:
        raise RefusedError(RefusalReason.TOO_DEEP) from None
    except json.JSONDecodeError as error:
        cut = error.pos >= len(whole.rstrip()) or error.msg.startswith("Unterminated string")
        raise RefusedError(RefusalReason.TRUNCATED if cut and whole.strip() else RefusalReason.MALFORMED) from None
    except ValueError:  # an integer of thousands of digits
        raise RefusedError(RefusalReason.MALFORMED) from None
    return value


def _without_half(escape: re.Match[str]) -> str:
    return r"\ufffd" if escape["half"] else escape[0]


def _refuse_constant(_name: str) -> NoReturn:
    raise RefusedError(RefusalReason.MALFORMED)
