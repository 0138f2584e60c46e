"""Suggests what an unknown word may have meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LENGTH_MAX = 64
# Words of the language are few: whatever is near was meant.
_NEAR_MIN = 0.6
# Names of spans and attributes are many, and each of two near ones may be right: `fraud.check` is not a misspelt `auth.check`.
_MISSPELT_MIN = 0.8


def did_you_mean(word: str, known: Iterable[str], cutoff: float = _NEAR_MIN) -> str:
    """Return a hint that names the known word nearest to `word`, case aside; empty where none is as near as `cutoff`, at most 1."""
    near = _nearest(word, known, cutoff)
    return "" if near is None else meant(near)


def meant(name: str) -> str:
    """Return the hint that a name was meant."""
    return f"did you mean `{name}`?"


def misspelt(name: str, occurring: Iterable[str]) -> str | None:
    """Return the name that occurs and is so near to one that does not that the latter may be misspelt; None where there is none."""
    return _nearest(name, (one for one in occurring if len(one) <= _LENGTH_MAX), _MISSPELT_MIN)


def _nearest(word: str, known: Iterable[str], least: float) -> str | None:
    if len(word) > _LENGTH_MAX:
        return None
    folded = {name.casefold().replace("-", "_"): name for name in known}
    near = get_close_matches(word.casefold().replace("-", "_"), folded, n=1, cutoff=least)
    return folded[near[0]] if near else None
