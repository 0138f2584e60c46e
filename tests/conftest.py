"""Profiles of the property tests, the engines that the tests of the flow run on, and what may run beside what.

`pytest --hypothesis-profile=long tests/properties` looks a hundred times further; `--numprocesses 2 --dist loadgroup` uses two cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.trace_engines import ENGINES, EngineInUse

# A busy machine is no finding: nothing is timed.
settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usual")
settings.register_profile("long", max_examples=10_000, deadline=None, print_blob=True)

# Rooms whose tests start workers and brokers, or measure: one after another, whatever else runs beside them.
_ONE_BY_ONE = frozenset({"cli", "e2e", "loadtest"})
_TESTS = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each file's tests share what they set up, where several processes run them."""
    for item in items:
        path = item.path.relative_to(_TESTS)
        item.add_marker(pytest.mark.xdist_group("one-by-one" if path.parts[0] in _ONE_BY_ONE else path.as_posix()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which brokers the end-to-end tests ran on, in whichever process."""
    told = [told for reports in terminalreporter.stats.values() for report in reports for told in getattr(report, "user_properties", ())]
    for how in sorted({value for name, value in told if name == "broker"}):
        terminalreporter.write_line(f"end-to-end tests ran on: {how}")


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each engine in turn, by its name; `tests.trace_engines.engine_for` makes it. Of a module, so that property tests may use it."""
    before, EngineInUse.name = EngineInUse.name, request.param
    yield EngineInUse.name
    EngineInUse.name = before
