"""Which rule language this is: rule sets and programs name it, for the same text may mean something else in another."""

from __future__ import annotations

from typing import Final

# One more whenever a rule that compiled before may get another verdict, other offenders or another class than before.
LANGUAGE_VERSION: Final = "1"
