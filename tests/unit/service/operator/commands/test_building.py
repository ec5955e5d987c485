"""A document becomes the record that the service reads, and is judged by the service's own code."""

from schemas.docs import examples
from schemas.operations import COMMANDS
from service import tenancy
from service.operator.commands import building
from service.operator.commands.documents import CommandDocument
from service.settings import load

ENVIRONMENT = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "k:9092", "AWS_REGION": "eu-west-1"}
(TOPIC, RULES) = next(iter(tenancy.limits(load(environ=ENVIRONMENT)).items()))


def document(operation: str, data: object, **extensions: str) -> CommandDocument:
    return CommandDocument(operation=operation, id="é-1", key="k", source="/s", data=data, extensions=extensions)


def test_every_example_is_taken() -> None:
    for name in COMMANDS:
        record = building.outgoing(document(name, dict(examples.COMMANDS[name].data)), TOPIC)
        assert building.violations(record, RULES) == (), name
        assert (record.topic, record.partition, record.key) == (TOPIC, None, b"k")


def test_everything_that_is_wrong_is_said() -> None:
    record = building.outgoing(document("CreateAudienceModel", {"name": "", "x": 1}, target="none"), TOPIC)
    paths = {violation.path for violation in building.violations(record, RULES)}
    assert {"target", "data.name", "data.x", "data.trainingDatasetArn"} <= paths


def test_what_is_no_command_at_all() -> None:
    nothing = CommandDocument(operation="GetAudienceModel", id="", key="k", source="/s", data={})
    (violation,) = building.violations(building.outgoing(nothing, TOPIC), RULES)
    assert violation.path == "envelope"
