"""Documents of commands: forms that are read, values that are filled in, and every problem named."""

import json
from pathlib import Path

import pytest

from sandbox.datasets.own import campaign
from service.operator.commands.documents import (
    CommandDocument,
    DocumentsError,
    as_document,
    chain_problems,
    parse,
    parse_data,
)

ROOT = Path(__file__).parents[5]


def problems(text: str, **variables: str) -> tuple[str, ...]:
    with pytest.raises(DocumentsError) as raised:
        parse(text, variables)
    return raised.value.args


@pytest.mark.parametrize(
    "text",
    [
        "operation: ListAudienceModels\nid: a\n---\noperation: ListAudienceModels\nid: b\n",
        "- {operation: ListAudienceModels, id: a}\n- {operation: ListAudienceModels, id: b}\n",
        "commands:\n- {operation: ListAudienceModels, id: a}\n- {operation: ListAudienceModels, id: b}\n",
        '{"operation": "ListAudienceModels", "id": "a"}\n{"operation": "ListAudienceModels", "id": "b"}\n',
        '[{"operation": "ListAudienceModels", "id": "a"}, {"operation": "ListAudienceModels", "id": "b"}]',
        "{operation: ListAudienceModels, id: a}\n---\n---\n{operation: ListAudienceModels, id: b}",
    ],
)
def test_many_commands_in_every_form(text: str) -> None:
    assert [(each.operation, each.id, each.data) for each in parse(text, {})] == [
        ("ListAudienceModels", "a", {}),
        ("ListAudienceModels", "b", {}),
    ]


def test_what_is_shared_yields_to_what_is_given() -> None:
    text = """
    key: weekly
    source: /teams/op
    target: research
    extensions: {correlationid: w48, priority: 3, after: [a, b]}
    commands:
    - {operation: GetAudienceModel, id: a}
    - {operation: GetAudienceModel, id: b, key: other, target: sales, extensions: {priority: 9}}
    """
    first, second = parse(text, {})
    assert (first.key, first.source) == ("weekly", "/teams/op")
    assert first.extensions == {
        "correlationid": "w48",
        "priority": "3",
        "after": '["a", "b"]',
        "target": "research",
    }
    assert (second.key, second.extensions["target"], second.extensions["priority"]) == ("other", "sales", "9")
    assert second.where == "document 1, command 2"


def test_yaml_is_read_as_the_settings_are() -> None:
    (one,) = parse("operation: X\nid: 010\ndata: {country: no, at: 12:30, day: 2026-01-31, size: 25}", {})
    assert one.id == "010"
    assert one.data == {"country": "no", "at": "12:30", "day": "2026-01-31", "size": 25}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${size}", 25),  # as if it had been typed there
        ("'${size}'", "25"),
        ("m-${size}", "m-25"),
        ("$${size}", "${size}"),
        ("${flag}", True),
        ("'a ${quote} b'", 'a "x": [ b'),
    ],
)
def test_values_are_filled_in(written: str, value: object) -> None:
    variables = {"size": "25", "flag": "true", "quote": '"x": ['}
    used = {name: text for name, text in variables.items() if f"${{{name}}}" in written.replace("$${", "")}
    (one,) = parse(f"operation: X\ndata:\n  member: {written}", used)
    assert one.data == {"member": value}


def test_values_in_json_stay_text() -> None:
    (one,) = parse('{"operation": "X", "data": {"a": ["${n}"], "b": 1}}', {"n": "25"})
    assert one.data == {"a": ["25"], "b": 1}


def test_a_run_need_not_be_used() -> None:
    assert len(parse("operation: X", {"run": "nightly-1"})) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no command in it"),
        ("operation: X\nidd: a", "document 1: found idd; expected perhaps id"),
        ("commands: [{operation: X}]\nkye: a", "document 1: found kye; expected perhaps key"),
        ("id: a", "document 1: operation is not given"),
        ("just text", "document 1: expected a mapping with operation"),
        ("- 1", "document 1, command 1: expected a mapping"),
        ("operation: X\nid: 1.5", "id must be text; put it in quotes"),
        ("operation: X\nextensions: [a]", "extensions must be a mapping"),
        ("operation: X\nid: a\nid: b", "id is given twice"),
        ('{"operation": "X", "id": "a", "id": "b"}', "id is given twice"),
        ("operation: X\ndata: {a: .nan}", "data can't be written as JSON"),
        ("operation: X\ndata: !!binary aGk=", "data can't be written as JSON"),
        ("operation: X\ndata: &a [*a]", "an alias within what it stands for"),
        ("operation: X\nextensions: {a: .nan}", "extensions: a can't be written as JSON"),
        ("operation: X\nextensions: {id: b}", "extensions: found id, which is no extension; use the member id"),
        ("operation: X\nextensions: {type: b}", "found type, which is no extension; use the member operation"),
        ("extensions: {time: b}\ncommands: [{operation: X}]", "found time, which is no extension; leave it out"),
        ("extensions: [a]\ncommands: [{operation: X}]", "document 1: extensions must be a mapping"),
        ("operation: !!bool maybe", "can't be read: line 1, column 12: it is no bool that can be read"),
        ("operation: !!int ''", "it is no int that can be read"),
        ("operation: !!timestamp soon", "it is no timestamp that can be read"),
        (
            "operation: [X",
            "can't be read: line 1, column 14: expected ',' or ']', but got the end (while parsing a flow sequence)",
        ),
        ("operation: !!python/object:os.system x", "can't be read"),
    ],
)
def test_what_is_wrong_is_named(text: str, expected: str) -> None:
    assert any(expected in problem for problem in problems(text)), problems(text)


@pytest.mark.parametrize("before", ["", "\n", " \r\n\t", "\ufeff", "\ufeff\n"])
def test_json_is_json_wherever_it_begins(before: str) -> None:
    text = '{\n\t"operation": "X",\n\t"id": "a\\ud83d\\ude00\\/"}'
    assert [each.id for each in parse(before + text, {})] == ["a\U0001f600/"]


def test_extensions_that_are_null_are_none() -> None:
    text = "extensions:\ncommands: [{operation: X, extensions: null}]"
    assert [each.extensions for each in parse(text, {})] == [{}]


def test_a_bomb_of_aliases_is_no_command() -> None:
    lines = ["operation: X", "data:", "  a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "its aliases stand for more than" in problems("\n".join(lines))[0]


def test_all_problems_at_once() -> None:
    assert len(problems("- {operation: X, a: 1}\n- {id: b}\n- {operation: Y, id: '${z}'}")) == 3


def test_names_and_values_must_meet() -> None:
    (unknown,) = problems("operation: X\nid: ${name}")
    assert unknown == "${name} has no value (set: none); use --set name=..., or $${ for a plain ${"
    assert "in quotes" in problems("operation: X\ndata: {size: ${size}}", size="1")[0]
    (unused,) = problems("operation: X", nam="x")
    assert unused == "--set nam: there is no ${nam} in it"


def test_data_of_one_command() -> None:
    assert parse_data("{name: '${n}'}", {"n": "taste"}) == {"name": "taste"}
    for text in ("a: 1\n---\nb: 2", "", "{a", "a: .inf"):
        with pytest.raises(DocumentsError):
            parse_data(text, {})


def command(command_id: str, data: object = None, key: str = "k", **more: str) -> CommandDocument:
    source = more.pop("source", "/s")
    return CommandDocument(
        operation="X", id=command_id, key=key, source=source, data=data or {}, extensions=more, where=f"({command_id})"
    )


def test_a_chain_is_sent_in_its_order() -> None:
    good = [command("a"), command("b", {"deep": [{"arn": "command:a"}]}), command("c", after='["b", "of before"]')]
    assert chain_problems(good) == []
    assert chain_problems(good[1:] + good[:1]) == [
        "(b): refers to a, which is not sent before it with the same source",
    ]
    assert chain_problems([command("a"), command("b", {"arn": "command:a"}, key="other")]) == [
        "(b): refers to a, which has the key k; give both the same key"
    ]
    assert chain_problems([command("a", source="/t"), command("b", {"arn": "command:a"})]) != []


def test_an_id_once_for_each_source() -> None:
    assert chain_problems([command("a"), command("a")]) == ["(a): id a was used by (a) already"]
    assert chain_problems([command("a"), command("a", source="/t")]) == []


def test_what_is_written_is_read_again() -> None:
    (one,) = parse("{operation: X, id: a, key: k, source: /s, target: t, extensions: {priority: 3}, data: {a: 1}}", {})
    (again,) = parse(json.dumps(as_document(one)), {})
    assert again == one


def test_the_campaign_that_the_sandbox_writes_is_a_chain() -> None:
    """``python -m sandbox load --chain FILE``: the sandbox knows nothing of this package, and writes what it reads."""
    commands = parse(campaign("my_shop"), {})
    assert [each.operation for each in commands][::4] == ["CreateTrainingDataset", "StartAudienceExportJob"]
    assert all(each.id and each.source and each.key == "my_shop" for each in commands)
    assert chain_problems(commands) == []
    assert len(chain_problems(commands[::-1])) == 4


def test_the_campaign_of_the_pages_is_a_chain() -> None:
    commands = parse((ROOT / "docs" / "howto" / "campaign.yaml").read_text(encoding="utf-8"), {"run": "spring-1"})
    assert [each.id for each in commands] == [
        f"spring-1-{step}" for step in ("data", "model", "sizes", "audience", "export")
    ]
    assert commands[1].data == {"name": "spring-1", "trainingDatasetArn": "command:spring-1-data"}
    assert chain_problems(commands) == []
