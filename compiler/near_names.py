"""Suggests what an unknown word may have meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LENGTH_MAX = 64


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a hint that names the known word nearest to `word`, case aside; empty where none is as near as `cutoff`, at most 1."""
    if len(word) > _LENGTH_MAX:
        return ""
    folded = {name.casefold().replace("-", "_"): name for name in known}
    near = get_close_matches(word.casefold().replace("-", "_"), folded, n=1, cutoff=cutoff)
    return f"did you mean `{folded[near[0]]}`?" if near else ""
