"""Fields and attribute values in OTLP's JSON: each function raises RefusedError on a wrong type, and takes null for absent."""

from __future__ import annotations

import binascii
import math
import re
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress

from topics.json_text import Json
from topics.otlp_protobuf import VALUE_DEPTH_MAX
from topics.refusal import RefusalReason, RefusedError
from topics.span import Attributes, AttributeValue

TIME_MAX = 2**64 - 1

_INT64_MAX = 2**63 - 1
_WHOLE_DOUBLE_MAX = 2**53
_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_DOUBLES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def object_of(value: Json) -> dict[str, Json]:
    """Return the value, an object."""
    if isinstance(value, dict):
        return value
    raise RefusedError(RefusalReason.BAD_VALUE)


def object_member(item: dict[str, Json], name: str) -> dict[str, Json]:
    """Return a member that is an object; empty where absent."""
    value = item.get(name)
    return {} if value is None else object_of(value)


def list_member(item: dict[str, Json], name: str) -> list[Json]:
    """Return a member that is an array; empty where absent."""
    value = item.get(name)
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise RefusedError(RefusalReason.BAD_VALUE)


def text_member(item: dict[str, Json], name: str) -> str:
    """Return a member that is a string; empty where absent."""
    value = item.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    raise RefusedError(RefusalReason.BAD_VALUE)


def integer_member(item: dict[str, Json], name: str, least: int, most: int) -> int:
    """Return a member that is an integer between the bounds, as a number or a string of digits; 0 where absent."""
    value = item.get(name)
    return 0 if value is None else _integer(value, least, most)


def read_attributes(item: dict[str, Json]) -> Attributes:
    """Return the member `attributes`; a value without type is missing, of a repeated key the last counts."""
    found: dict[str, AttributeValue] = {}
    for pair in list_member(item, "attributes"):
        key, value = _pair(pair, 0)
        if value is not None:
            found[key] = value
        else:  # missing, also where the same key came before
            found.pop(key, None)
    return found


def _pair(pair: Json, depth: int) -> tuple[str, AttributeValue | None]:
    item = object_of(pair)
    return text_member(item, "key"), _value(object_member(item, "value"), depth)


def _value(item: dict[str, Json], depth: int) -> AttributeValue | None:
    """Return an AnyValue; None without type. Two types at once are refused, as no sender may write them."""
    found: AttributeValue | None = None
    typed = False
    for name, value in item.items():
        read = _READERS.get(name)
        if read is not None and value is not None:
            if typed:
                raise RefusedError(RefusalReason.BAD_VALUE)
            found, typed = read(value, depth), True
    return found


def _string(value: Json, _depth: int) -> str:
    if isinstance(value, str):
        return value
    raise RefusedError(RefusalReason.BAD_VALUE)


def _bool(value: Json, _depth: int) -> bool:
    if isinstance(value, bool):
        return value
    raise RefusedError(RefusalReason.BAD_VALUE)


def _int64(value: Json, _depth: int) -> int:
    return _integer(value, -_INT64_MAX - 1, _INT64_MAX)


def _integer(value: Json, least: int, most: int) -> int:
    number: int | None = None
    if isinstance(value, str):
        number = int(value) if _INTEGER.fullmatch(value) else None
    elif isinstance(value, float):
        # Beyond 2^53 a number with a fraction or an exponent is not known exactly.
        number = int(value) if abs(value) <= _WHOLE_DOUBLE_MAX and value.is_integer() else None
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    if number is None or not least <= number <= most:
        raise RefusedError(RefusalReason.BAD_VALUE)
    return number


def _double(value: Json, _depth: int) -> float:
    number = math.inf
    if isinstance(value, str):
        if value in _DOUBLES:
            return _DOUBLES[value]
        number = float(value) if _NUMBER.fullmatch(value) else math.inf
    elif isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not math.isfinite(number):
        raise RefusedError(RefusalReason.BAD_VALUE)
    return number


def _bytes(value: Json, depth: int) -> bytes:
    text = _string(value, depth).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError(RefusalReason.BAD_VALUE) from None


def _array(value: Json, depth: int) -> tuple[AttributeValue | None, ...]:
    inside = _deeper(depth)
    return tuple([_value(object_of(item), inside) for item in list_member(object_of(value), "values")])


def _map(value: Json, depth: int) -> dict[str, AttributeValue | None]:
    inside = _deeper(depth)
    return dict([_pair(item, inside) for item in list_member(object_of(value), "values")])


def _deeper(depth: int) -> int:
    if depth >= VALUE_DEPTH_MAX:
        raise RefusedError(RefusalReason.TOO_DEEP)
    return depth + 1


_READERS: dict[str, Callable[[Json, int], AttributeValue]] = {
    "stringValue": _string,
    "boolValue": _bool,
    "intValue": _int64,
    "doubleValue": _double,
    "arrayValue": _array,
    "kvlistValue": _map,
    "bytesValue": _bytes,
}
