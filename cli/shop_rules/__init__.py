"""The rules of the shop whose recorded traces ship with the product (topics/recordings): what `betrace demo` judges by.

One file per owning team, each rule written as after the incident that it names, with tests.
"""

from __future__ import annotations

from pathlib import Path

SHOP_RULES = Path(__file__).parent
