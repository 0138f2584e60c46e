"""The formatter's laws as a long run: `python -m tests.properties.format_fuzz` (`make fuzz-format`).

Prints seed, number of files and commit, then each file that breaks a law, with its number, which `--first N --files 1` tries again.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from tempfile import gettempdir
from typing import NamedTuple

from compiler import Code, Formatted, SourceFile, compile_sources, format_rule_file
from tests.differential.long_run import commit
from tests.properties.format_laws import meaning, rules_in
from tests.properties.mutated_rule_files import MARK, MutatedFiles

Format = Callable[[SourceFile], Formatted]
_AT_ONCE = 200


class Finding(NamedTuple):
    """A file that breaks a law, and how."""

    number: int
    law: str
    content: bytes


def main(arguments: Sequence[str]) -> int:
    """Run; return the exit code: 1 where a law is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.properties.format_fuzz", description="Format mutated rule files.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    options = parser.parse_args(arguments)
    _say(f"format fuzz: seed {options.seed}, {options.files} files from number {options.first}, commit {commit()}")
    started = time.monotonic()
    behind = options.first + options.files
    parts = [range(at, min(at + _AT_ONCE, behind)) for at in range(options.first, behind, _AT_ONCE)]
    counted: Counter[str] = Counter()
    count = 0
    with ProcessPoolExecutor(options.jobs) as pool:
        for part, findings in pool.map(partial(run, options.seed), parts):
            counted.update(part)
            count += len(findings)
            for finding in findings:
                path = Path(gettempdir()) / f"betrace-format-{options.seed}-{finding.number}.yaml"
                path.write_bytes(finding.content)
                _say(f"BROKEN by file {finding.number}, {path}\n{finding.law}")
    words = ", ".join(f"{number} {word}" for word, number in sorted(counted.items()))
    _say(f"{count} findings; {words}; {options.files / (time.monotonic() - started):.0f} files/s")
    return 1 if count else 0


def run(seed: int, numbers: Iterable[int], form: Format = format_rule_file) -> tuple[Counter[str], list[Finding]]:
    """Format the files of a seed with these numbers; return what became of them, and those that break a law."""
    counted: Counter[str] = Counter()
    findings = []
    for number in numbers:
        content = MutatedFiles(seed).file(number)
        try:
            counted[hold(content, form)] += 1
        except Exception:  # noqa: BLE001  # a crash is what is looked for
            findings.append(Finding(number, traceback.format_exc(limit=-3), content))
    return counted, findings


def hold(content: bytes, form: Format = format_rule_file) -> str:
    """Check every law on a file; say what became of it: formatted or refused. Raises what the formatter raises."""
    before = compile_sources([SourceFile("a.yaml", content)])
    formatted = form(SourceFile("a.yaml", content))
    if formatted.content is None:
        assert formatted.errors, "refused without a word"
        if before.rule_set is not None:
            assert {error.code for error in formatted.errors} <= {Code.TOO_LARGE}, formatted.errors
            return "too large in its form"
        return "refused"
    assert before.rule_set is not None, "formatted in spite of errors"
    assert meaning(rules_in(formatted.content)) == meaning(list(before.rule_set.rules)), "another meaning"
    assert _marks(formatted.content) == _marks(content), "another number of comments"
    again = form(SourceFile("a.yaml", formatted.content))
    assert again.content == formatted.content, f"formatted again it is another text:\n{formatted.content!r}\n{again.content!r}"
    return "formatted"


def _marks(content: bytes) -> Counter[str]:
    return Counter(MARK.findall(content.decode("utf-8", "replace")))


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
