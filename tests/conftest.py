"""Profiles of the property tests, and the engines that the tests of the flow run on.

`pytest --hypothesis-profile=long tests/properties` looks a hundred times further.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.trace_engines import ENGINES, EngineInUse

# A busy machine is no finding: nothing is timed.
settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usual")
settings.register_profile("long", max_examples=10_000, deadline=None, print_blob=True)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each engine in turn, by its name; `tests.trace_engines.engine_for` makes it. Of a module, so that property tests may use it."""
    before, EngineInUse.name = EngineInUse.name, request.param
    yield EngineInUse.name
    EngineInUse.name = before
