"""The rule library: rules for incidents that happen everywhere, with their tests, as data. Imports none of ours.

`RULES` holds a rule file per domain; `GAPS` holds what the rule language cannot say yet, with the reason.
"""

from __future__ import annotations

from pathlib import Path

RULES = Path(__file__).parent / "rules"
GAPS = Path(__file__).parent / "gaps"
