"""Profiles of the property tests, the engines that the tests of the flow run on, and what may run beside what.

`pytest --hypothesis-profile=long tests/properties` looks a hundred times further; `--numprocesses 2` uses two cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from tests.trace_engines import ENGINES, EngineInUse

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

# A busy machine is no finding: nothing is timed.
settings.register_profile("usual", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("usual")
settings.register_profile("long", max_examples=10_000, deadline=None, print_blob=True)


class _OneByOne(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a process whole files, for what they set up, and one of them all that starts workers and brokers or measures."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "one by one" if path.split("/")[1] in {"cli", "e2e", "loadtest"} else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Say which tests may run beside which, where several processes run them."""
    return _OneByOne(config, log)


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
