"""`betrace rules library`: what list, show and copy say and write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.rule_library import library_rules
from cli.rule_picking import Picking
from compiler import LetClashError, SourceFile, joined_rules
from tests.cli.run import run, written

TOOL, RUN = "sensitive-tool-call-is-approved", "agent-run-is-evaluated"


def listed(*options: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run("rules", "library", "list", "-o", "json", *options).stdout)
    return found


def test_a_list_has_a_line_for_each_rule_in_columns() -> None:
    lines = run("rules", "library", "list").stdout.splitlines()
    assert len(lines) == len(library_rules())
    (line,) = (line for line in lines if line.startswith(f"{RUN} "))
    severities = {one.rule.id: one.rule.text.severity for one in library_rules()}
    column = line.index("medium    Every agent run is evaluated against its goal  ")
    assert {line.split()[0]: line[column:].split()[0] for line in lines} == severities
    assert line.endswith("  ai-agents, ai-safety")
    assert "  EU-AI-ACT:15  " in line


def test_a_list_is_narrowed_by_tag_control_and_severity() -> None:
    assert [one["id"] for one in listed("--tag", "prompt-injection", "--control", "EU-AI-ACT")] == [
        "agent-instruction-has-a-trusted-source"
    ]
    assert {one["severity"] for one in listed("--severity", "medium", "--severity", "low")} <= {"medium", "low"}
    assert listed("--severity", "medium")
    assert listed("--tag", "prompt-injection", "--severity", "low") == []


def test_several_tags_widen_the_list() -> None:
    assert {one["id"] for one in listed("--tag", "prompt-injection", "--tag", "delegation")} >= {
        "agent-instruction-has-a-trusted-source",
        "agent-delegates-to-approved-agents",
    }


@pytest.mark.parametrize("wanted", ["EU-AI-ACT", "EU-AI-ACT:14"])
def test_a_control_is_found_by_itself_and_by_its_framework(wanted: str) -> None:
    (tool,) = (one for one in library_rules() if one.rule.id == TOOL)
    assert Picking(controls=[wanted]).takes(tool.rule.text)


@pytest.mark.parametrize("wanted", ["EU-AI", "EU-AI-ACT:1", "eu-ai-act"])
def test_a_control_is_not_found_by_the_beginning_of_a_word(wanted: str) -> None:
    (tool,) = (one for one in library_rules() if one.rule.id == TOOL)
    assert not Picking(controls=[wanted]).takes(tool.rule.text)


def test_a_list_of_nothing_says_so() -> None:
    result = run("rules", "library", "list", "--tag", "prompt-injection", "--severity", "low")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no rule of the library is such\n")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--tag", "databse"), "no rule has the tag `databse`; did you mean `database`?"),
        (("--tag", "gen-ai"), "no rule has the tag `gen-ai`; did you mean `genai`?"),
        (("--tag", "ai"), "no rule has the tag `ai`; did you mean `ai-agents` or `ai-safety`?"),
        (("--tag", "zzz"), "no rule has the tag `zzz`; `list --tags` shows which there are"),
        (("--control", "pci-dss"), "no rule has the control `pci-dss`; did you mean `PCI-DSS`?"),
        (("--control", "zzz"), "no rule has the control `zzz`"),
    ],
)
def test_an_unknown_tag_or_control_is_told_with_those_that_are_near(options: tuple[str, str], sentence: str) -> None:
    result = run("rules", "library", "list", *options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"{sentence}\n")


def test_rules_with_the_known_one_of_two_tags_are_listed_and_not_copied(tmp_path: Path) -> None:
    tags = ("--tag", "databse", "--tag", "genai")
    result = run("rules", "library", "list", *tags)
    assert len(result.stdout.splitlines()) == len(listed("--tag", "genai"))
    assert result.stderr == "no rule has the tag `databse`; did you mean `database`?\n"
    refused = run("rules", "library", "copy", *tags, "--to", tmp_path)
    assert (refused.exit_code, refused.stderr) == (2, f"betrace: {result.stderr}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("tag", ["genai", "llm"])
def test_rules_of_model_calls_are_found_by_what_people_call_them(tag: str) -> None:
    assert [one["id"] for one in listed("--tag", tag)] == [one.rule.id for one in library_rules() if one.domain == "model-calls"]


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (("N+1",), ["no-n-plus-one-queries"]),
        (("full", "scan"), ["no-full-scan"]),
        (("full", "gateway"), []),
        (("deadlock", "ORA-00060"), ["no-database-deadlock"]),
    ],
)
def test_words_narrow_the_list_to_rules_that_say_them_all(words: tuple[str, ...], ids: list[str]) -> None:
    assert [one["id"] for one in listed(*words)] == ids


def test_a_word_is_looked_for_where_words_begin() -> None:
    found = {one["id"] for one in listed("ai")}
    assert found >= {one.rule.id for one in library_rules() if one.domain == "ai-agents"}
    assert "no-n-plus-one-queries" in {one["id"] for one in listed("database")}
    assert "no-n-plus-one-queries" not in found | {one["id"] for one in listed("atabase")}


def test_tags_are_listed_with_how_many_rules_have_them() -> None:
    counts = json.loads(run("rules", "library", "list", "--tags", "-o", "json").stdout)
    assert counts == {tag: len(listed("--tag", tag)) for tag in counts}
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    lines = run("rules", "library", "list", "--tags", "--tag", "llm").stdout.splitlines()
    assert lines[:3] == ["genai             9", "llm               9", "model-calls       9"]


def test_a_rule_is_shown_as_it_stands_in_its_file() -> None:
    (tool,) = (one for one in library_rules() if one.rule.id == TOOL)
    shown = run("rules", "library", "show", TOOL).stdout
    body = shown.removeprefix("rules:\n").rstrip("\n")
    assert body.startswith(f"  - id: {TOOL}\n")
    assert "    tests:\n" in body
    assert body in tool.source.content.decode()


def test_json_shows_the_parts_of_a_rule() -> None:
    shown = json.loads(run("rules", "library", "show", TOOL, RUN, "-o", "json").stdout)
    assert [one["id"] for one in shown] == [TOOL, RUN]
    assert shown[0]["domain"] == "ai-agents"
    assert shown[0]["replaces"][0] == "betrace:examples/ai-agent-unauthorized-tool-use"
    assert shown[0]["rule"] in "\n".join(line.removeprefix("      ") for line in shown[0]["text"].splitlines()) + "\n"


def test_an_unknown_rule_is_refused_with_the_ids_that_are_near() -> None:
    result = run("rules", "library", "show", "agent-run-is-evaluatd", "zzz")
    assert (result.exit_code, result.stdout) == (2, "")
    near, far = result.stderr.splitlines()
    assert near.startswith("betrace: the library has no rule `agent-run-is-evaluatd`; did you mean `agent-run-is-evaluated`")
    assert far == "the library has no rule `zzz`"


def test_a_copy_into_a_file_checks_and_tests_clean(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "mine.yaml"
    assert run("rules", "library", "copy", RUN, TOOL, "--to", target).stdout == f"2 rules copied to {target}\n"
    assert run("rules", "check", target).stdout == "2 rules checked, 0 errors, 0 warnings\n"
    assert run("rules", "test", target).exit_code == 0


def test_a_copy_into_a_directory_has_a_file_per_domain(tmp_path: Path) -> None:
    assert run("rules", "library", "copy", "--all", "--to", tmp_path).exit_code == 0
    assert {path.stem for path in tmp_path.iterdir()} == {one.domain for one in library_rules()}
    assert run("rules", "check", tmp_path).stdout == f"{len(library_rules())} rules checked, 0 errors, 0 warnings\n"


def test_a_directory_may_have_the_name_of_a_rule_file(tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    target.mkdir()
    assert run("rules", "library", "copy", RUN, "--to", target).exit_code == 0
    assert [path.name for path in target.iterdir()] == ["ai-agents.yaml"]


def test_a_copy_by_tag_takes_the_rules_with_the_tag(tmp_path: Path) -> None:
    target = tmp_path / "mine.yaml"
    run("rules", "library", "copy", "--tag", "alerting", "--to", target)
    assert target.read_text("utf-8").count("  - id: ") == len(listed("--tag", "alerting"))


MINE = """# Mine.
rules:
  - id: no-full-scan
    # Ours reads more.
    rule: never { span.where(db.query.rows_examined > 5000) }
  # Last words.
"""
FULL_SCAN, DEADLOCK = "no-full-scan", "no-database-deadlock"


def test_a_second_rule_of_a_domain_stands_behind_the_first_as_its_user_changed_it(tmp_path: Path) -> None:
    assert run("rules", "library", "copy", FULL_SCAN, "--to", tmp_path).exit_code == 0
    target = tmp_path / "database.yaml"
    mine = target.read_text("utf-8").replace("> 10000", "> 20000").replace("rules:", "# mine\nrules:")
    target.write_text(mine, "utf-8")
    assert run("rules", "library", "copy", DEADLOCK, "--to", tmp_path).stdout == f"1 rule copied to {target}\n"
    text = target.read_text("utf-8")
    assert text.startswith(f"{mine}\n  - id: {DEADLOCK}\n")
    assert run("rules", "check", target).stdout == "2 rules checked, 0 errors, 0 warnings\n"
    assert [path.name for path in tmp_path.iterdir()] == ["database.yaml"]


def test_a_rule_that_is_there_is_refused_with_all_that_were_asked_for(tmp_path: Path) -> None:
    target = written(tmp_path, "mine.yaml", MINE)
    refused = run("rules", "library", "copy", FULL_SCAN, DEADLOCK, "--to", target)
    assert (refused.exit_code, refused.stderr) == (
        2,
        f"betrace: `{FULL_SCAN}` is already in {target}; nothing is written; --force replaces rules of the same id, and only these\n",
    )
    assert target.read_text("utf-8") == MINE


def test_a_forced_copy_replaces_the_one_rule_where_it_stands(tmp_path: Path) -> None:
    target = written(tmp_path, "mine.yaml", MINE)
    target.chmod(0o640)
    forced = run("rules", "library", "copy", FULL_SCAN, DEADLOCK, "--to", tmp_path, "--force")
    assert forced.stdout == f"2 rules copied to {target}, {tmp_path / 'database.yaml'}\n"
    text = target.read_text("utf-8")
    assert text.startswith(f"# Mine.\nrules:\n  - id: {FULL_SCAN}\n    name: ")
    assert text.endswith("\n  # Last words.\n")
    assert "5000" not in text
    assert target.stat().st_mode & 0o777 == 0o640
    assert run("rules", "check", tmp_path).stdout == "2 rules checked, 0 errors, 0 warnings\n"


def test_a_name_that_means_something_else_there_is_refused(tmp_path: Path) -> None:
    target = written(
        tmp_path, "mine.yaml", "let:\n  tenant_tables: [bills]\nrules:\n  - id: a\n    rule: never { x.where(y in tenant_tables) }\n"
    )
    before = target.read_text("utf-8")
    ids = [one.rule.id for one in library_rules() if "in tenant_tables" in one.rule.text.rule]
    refused = run("rules", "library", "copy", ids[0], "--to", target, "--force")
    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"betrace: {target} stays as it is: `tenant_tables` of `let` would mean something else")
    assert target.read_text("utf-8") == before


def test_where_one_file_cannot_be_written_none_is(tmp_path: Path) -> None:
    (tmp_path / "database.yaml").mkdir()
    refused = run("rules", "library", "copy", RUN, FULL_SCAN, "--to", tmp_path)
    assert (refused.exit_code, refused.stderr) == (2, f"betrace: {tmp_path / 'database.yaml'}: Is a directory\n")
    assert [path.name for path in tmp_path.iterdir()] == ["database.yaml"]


def test_a_link_to_a_rule_file_stays_one(tmp_path: Path) -> None:
    target = written(tmp_path, "mine.yaml", MINE)
    link = tmp_path / "link.yaml"
    link.symlink_to(target)
    assert run("rules", "library", "copy", DEADLOCK, "--to", link).exit_code == 0
    assert link.is_symlink()
    assert DEADLOCK in target.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "say what to copy: ids, --all, --tag, --control or --severity"),
        (("--tag", "no-such-tag"), "no rule has the tag `no-such-tag`; `list --tags` shows which there are"),
        ((RUN, "--severity", "critical"), "no rule of the library is such"),
    ],
)
def test_a_copy_of_nothing_is_refused(arguments: tuple[str, ...], sentence: str, tmp_path: Path) -> None:
    result = run("rules", "library", "copy", *arguments, "--to", tmp_path / "mine.yaml")
    assert (result.exit_code, result.stderr) == (2, f"betrace: {sentence}\n")
    assert not list(tmp_path.iterdir())


def test_a_copy_to_where_nothing_can_be_written_says_so(tmp_path: Path) -> None:
    in_the_way = written(tmp_path, "file", "")
    result = run("rules", "library", "copy", RUN, "--to", in_the_way / "mine.yaml")
    assert result.exit_code == 2
    assert str(in_the_way) in result.stderr


ONE = SourceFile(
    "one.yaml",
    b"let:\n  few: [a, b]\n  other: x\nrules:\n"
    b"  - id: first\n    rule: never { x.where(y in few) }\n  - id: second\n    rule: never { z }\n",
)
TWO = SourceFile(
    "two.yaml",
    b"let:\n  few: [c]\nrules:\n  - id: third\n    rule: never { x.where(z in few) }\n  - id: fourth\n    rule: never { w }\n",
)


def test_joined_rules_bring_the_names_they_use_and_no_others() -> None:
    joined = joined_rules([ONE, TWO], {"first", "fourth"})
    assert joined == (
        "let:\n  few: [a, b]\nrules:\n  - id: first\n    rule: never { x.where(y in few) }\n\n  - id: fourth\n    rule: never { w }\n"
    )


def test_rules_whose_names_mean_different_things_are_not_joined() -> None:
    with pytest.raises(LetClashError, match="`few` of `let` means something else in another file"):
        joined_rules([ONE, TWO], {"first", "third"})
