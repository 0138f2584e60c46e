"""The benchmark of relations runs and names each relation."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from loadtest import relations_scaling


def test_every_relation_has_a_figure_for_every_length_of_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relations_scaling, "ROW_COUNTS", (5, 20))
    monkeypatch.setattr(relations_scaling, "ROWS_AT_ONCE", 40)
    monkeypatch.setattr(relations_scaling, "SECONDS", 0.0)
    done = CliRunner().invoke(relations_scaling.scaling, catch_exceptions=False)
    lines = done.stdout.splitlines()[1:]
    assert [line[:28].strip() for line in lines] == [
        name + key for name in relations_scaling.CALLS for key in (("", " on key") if name != "tree" else ("",))
    ]
    assert all(float(figure) >= 0 for line in lines for figure in line[28:].split())
    assert all(len(line[28:].split()) == 2 for line in lines)
