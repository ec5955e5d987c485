"""The example of a chain is one that the service takes, and says what it claims to."""

import json

from schemas import cloudevents, commands
from schemas.cloudevents import Envelope
from schemas.commands import TopicRules
from schemas.docs import chains, examples, json_schemas
from schemas.permissions import open_grant
from schemas.records import Command
from tests.support.schema_vocabulary import is_valid

LIMITS = TopicRules(open_grant({"default"}, ()), "default")


def _read(link: dict[str, object]) -> Command:
    extensions = {"after": str(link["after"])} if "after" in link else {}
    data = json.dumps(link["data"]).encode()
    envelope = Envelope(
        id=str(link["id"]), source=str(link["source"]), type=str(link["type"]), extensions=extensions, data=data
    )
    value, headers = cloudevents.encode(envelope)
    found = commands.read(b"campaign-8", value, headers, LIMITS)
    assert isinstance(found, Command)
    return found


def test_each_command_of_the_example_is_valid_and_names_the_one_before_it() -> None:
    found = [_read(link) for link in examples.chain()]
    names = [examples.chain_id(name) for name in examples.CHAINED]
    assert [each.predecessors for each in found[:-1]] == [(), *((name,) for name in names[:-1])]
    assert set(found[-1].predecessors) == set(names[-2:])
    for each, link in zip(found, examples.chain(), strict=True):
        assert is_valid(json_schemas.command_data(each.operation), link["data"])


def test_the_section_shows_the_example_line_by_line() -> None:
    shown = chains.section().split("```json\n")[1].removesuffix("\n```").splitlines()
    assert [json.loads(line) for line in shown] == examples.chain()
