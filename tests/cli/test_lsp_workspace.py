"""The rule files of an editor, without an editor: what is under way ends when nobody wants it any more."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

import pytest

from cli.lsp_workspace import RuleWorkspace

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = "/rules/a.yaml"
MANY = "rules:\n" + "".join(f"  - id: r{number}\n    rule: 'never {{ a.where(b == {number}) }}'\n" for number in range(4_000))


@pytest.mark.parametrize("stop", [RuleWorkspace.end, lambda files: files.close(PATH)], ids=["the end", "closed"])
def test_a_check_ends_with_the_server_and_with_its_file(stop: Callable[[RuleWorkspace], None]) -> None:
    files = RuleWorkspace()
    files.put(PATH, MANY, 1)
    answers: list[bool] = []
    checking = Thread(target=lambda: answers.append(files.check(PATH)))
    checking.start()
    stop(files)
    checking.join()
    assert answers == [False]


def test_a_check_that_is_wanted_goes_to_its_end() -> None:
    files = RuleWorkspace()
    files.put(PATH, MANY, 1)
    assert files.check(PATH)
