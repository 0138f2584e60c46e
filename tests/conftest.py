"""Profiles of the property tests: `pytest --hypothesis-profile=long tests/properties` looks a hundred times further."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("long", max_examples=10_000, deadline=None, print_blob=True)
