"""What is generated is fresh, deterministic, complete, and says what the code does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from schemas import documented_rules
from schemas.docs import client_examples, descriptions, json_schemas, reference, render
from schemas.events import ReplyKind
from schemas.operations import COMMANDS, OPERATIONS, RESOURCES, SERVICE_COMMANDS, Kind
from tests.support.node_packages import ASYNCAPI_PARSER, installed

VALIDATE = render.ROOT / ".ci" / "asyncapi" / "validate.mjs"


def test_nothing_is_stale() -> None:
    assert render.stale() == [], "run make render"


def test_the_published_contract_is_kept() -> None:
    assert [str(one) for one in render.broken()] == []


def test_a_rendering_is_the_same_in_another_process() -> None:
    program = "import json, sys; from schemas.docs import render; json.dump(render.files(), sys.stdout)"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        cwd=render.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout) == render.files()


def test_a_changed_a_missing_and_a_left_over_file_are_stale_until_written(tmp_path: Path) -> None:
    render.write(tmp_path)
    assert render.stale(tmp_path) == []
    changed, missing, left = (
        f"{render.GENERATED}/asyncapi.yaml",
        f"{render.PAGES}/README.md",
        f"{render.PAGES}/CreateNothing.md",
    )
    (tmp_path / changed).write_text("asyncapi: 3.0.0\n")
    (tmp_path / missing).unlink()
    (tmp_path / left).write_text("# CreateNothing\n")
    assert render.stale(tmp_path) == sorted([changed, missing, left])
    render.write(tmp_path)
    assert render.stale(tmp_path) == []
    assert not (tmp_path / left).exists()


def test_publishing_keeps_what_is_published(tmp_path: Path) -> None:
    assert render.publish(tmp_path) == []
    path = tmp_path / render.PUBLISHED / "v1" / "contract.json"
    contract = json.loads(path.read_text())
    assert contract == json_schemas.contract()
    render.write(tmp_path)
    assert path.exists(), "a rendering does not remove it"
    contract["replies"]["accepted"]["data"]["properties"]["receipt"] = {"type": "string"}
    path.write_text(json.dumps(contract))
    assert [str(one) for one in render.publish(tmp_path)] == ["replies.accepted.data.receipt: removed: is gone"]
    assert json.loads(path.read_text()) == contract


@pytest.mark.parametrize(("stale", "broken", "code"), [([], [], 0), (["a"], [], 1), ([], ["b"], 1)])
def test_check_fails_for_what_is_stale_or_broken(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stale: list[str],
    broken: list[str],
    code: int,
) -> None:
    monkeypatch.setattr(render, "stale", lambda: stale)
    monkeypatch.setattr(render, "broken", lambda: broken)
    assert render.main(["--check"]) == code
    told = capsys.readouterr().err
    assert all(name in told for name in [*stale, *broken])


def test_no_file_names_a_machine_or_a_registry() -> None:
    for path, text in render.files().items():
        assert str(Path.home()) + "/" not in text or str(Path.home()) == "/", path
        assert str(render.ROOT) not in text, path


# --- AsyncAPI --------------------------------------------------------------------------------------------------------


def test_asyncapi_names_every_command_reply_and_event() -> None:
    document = yaml.safe_load(render.files()[f"{render.GENERATED}/asyncapi.yaml"])
    messages = document["components"]["messages"].values()
    types = {message["name"] for message in messages}
    assert {row.command_type for row in COMMANDS.values()} <= types
    assert {f"cleanroomsml.reply.{kind}" for kind in ReplyKind} <= types
    assert {json_schemas.event_type(resource) for resource in RESOURCES.values()} <= types
    assert {channel["address"] for channel in document["channels"].values()} == {
        "{prefix}.commands",
        "{prefix}.{tenant}.commands",
        "{prefix}.replies",
        "{prefix}.events",
        "{prefix}.dead-letters",
    }
    assert document["components"]["parameters"]["prefix"]["default"] == "cleanroomsml"
    for name in ("replies", "events", "deadLetters"):
        assert "read_committed" in document["channels"][name]["description"]


def test_asyncapi_tells_which_replies_a_command_gets() -> None:
    operations = yaml.safe_load(render.files()[f"{render.GENERATED}/asyncapi.yaml"])["operations"]
    for row in COMMANDS.values():
        told = {one["$ref"].rsplit("/", 1)[-1] for one in operations[f"receive{row.name}"]["reply"]["messages"]}
        assert ("replyStarted" in told) == (row.kind in {Kind.JOB, Kind.REMOVAL, Kind.CANCEL})


def test_asyncapi_passes_the_official_parser_and_its_examples_fit_their_schemas() -> None:
    folder = installed(ASYNCAPI_PARSER)
    path = render.ROOT / render.GENERATED / "asyncapi.yaml"
    result = subprocess.run(
        ["node", str(VALIDATE), str(folder), str(path)], capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "5 channels" in result.stdout


def test_the_official_parser_finds_what_is_wrong(tmp_path: Path) -> None:
    folder = installed(ASYNCAPI_PARSER)
    document = yaml.safe_load(render.files()[f"{render.GENERATED}/asyncapi.yaml"])
    document["components"]["messages"]["replyAccepted"]["examples"][0]["payload"]["commandId"] = 7
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(document))
    result = subprocess.run(
        ["node", str(VALIDATE), str(folder), str(path)], capture_output=True, text=True, timeout=100, check=False
    )
    assert result.returncode == 1
    assert "commandId" in result.stderr


# --- pages -----------------------------------------------------------------------------------------------------------


def test_there_is_a_page_for_every_command_and_the_index_links_them() -> None:
    files = render.files()
    for name in COMMANDS:
        assert f"({name}.md)" in files[f"{render.PAGES}/README.md"]
        page = files[f"{render.PAGES}/{name}.md"]
        assert page.count("```") == 2 * len(client_examples.TITLES)
        assert COMMANDS[name].command_type in page


def test_a_page_tells_members_constraints_errors_and_rights() -> None:
    page = reference.page("CreateConfiguredAudienceModel")
    assert "| `minMatchingSeedSize` |  | integer; 25 to 500000 |" in page
    assert "| `outputConfig.destination.s3Destination.s3Uri` | yes |" in page
    assert "| `audienceSizeConfig.audienceSizeBins` | yes | array; 1 to 25 items; all different |" in page
    assert "Sizes are unique." in page
    assert "`ServiceQuotaExceededException` (402)" in page
    assert "`iam:PassRole`" in page
    assert "`ListConfiguredAudienceModels` is searched" in page


def test_every_rule_has_words() -> None:
    assert {rule.check.__name__ for rule in documented_rules.RULES} == set(reference.RULE_WORDS)


def test_the_table_has_every_command() -> None:
    rows = {row["operation"]: row for row in descriptions.operations()}
    assert set(rows) == set(COMMANDS)
    for name in OPERATIONS:
        assert rows[name]["iamAction"] in rows[name]["iamActions"]
        assert rows[name]["errors"]
    for name in SERVICE_COMMANDS:
        assert rows[name]["iamAction"] is None
    page = reference.operations_page()
    assert all(f"| {name} |" in page for name in COMMANDS)


def test_purposes_and_recipes_are_sentences_of_our_own() -> None:
    for row in COMMANDS.values():
        for text in (descriptions.purpose(row), descriptions.recipe(row)):
            assert text.endswith("."), row.name
            assert "None" not in text
