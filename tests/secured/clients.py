"""Who comes to the fortress: somebody with a password, and with the rights of a component, or all of them but one."""

from collections.abc import Iterator
from typing import NamedTuple

from service import topology
from service.adapters.kafka.topics import ensure
from service.operator.access.kafka_acls import Acl, acls
from service.settings import Settings, load
from tests.acceptance.kafka_fixture import outside
from tests.secured.fortress import SCRAM, Fortress

PASSWORD = "canary-sasl-password"

Environment = dict[str, str]


class Deprived(NamedTuple):
    """Somebody who has every right of a component but one."""

    lacks: Acl
    environment: Environment

    def is_told_in(self, said: str) -> bool:
        """Whether a text names the right that is lacking: operation, resource and principal."""
        right, _, principal = str(self.lacks).partition(" for ")
        forms = (f"{right} is missing for {principal}", f"{right} for {principal}")
        return any(form in " ".join(said.split()) for form in forms)


def environment(fortress: Fortress, user: str, prefix: str, listener: str = SCRAM) -> Environment:
    """Variables of the service for somebody who comes by SCRAM."""
    return {
        "AWS_REGION": "eu-west-1",
        "CRML_TOPICS__PREFIX": prefix,
        "CRML_TOPICS__PARTITIONS": "2",
        "CRML_KAFKA__GROUP_ID": f"group-{prefix}",
        "CRML_KAFKA__REPLICATION_FACTOR": "1",
        "CRML_KAFKA__BOOTSTRAP_SERVERS": fortress.address(listener),
        "CRML_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
        "CRML_KAFKA__SSL_CA_FILE": str(fortress.authority.file),
        "CRML_KAFKA__SASL_USERNAME": user,
        "CRML_KAFKA__SASL_PASSWORD": PASSWORD,
    }


def confluent(variables: Environment) -> dict[str, str]:
    """The same for another team's client, which is made by others than ours."""
    return {
        "bootstrap.servers": variables["CRML_KAFKA__BOOTSTRAP_SERVERS"],
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": variables["CRML_KAFKA__SASL_USERNAME"],
        "sasl.password": PASSWORD,
        "ssl.ca.location": variables["CRML_KAFKA__SSL_CA_FILE"],
    }


def rows_of(loaded: Settings, component: str, user: str) -> list[Acl]:
    return [row for row in acls(loaded, {component: f"User:{user}"}) if row.component == component]


def privileged(fortress: Fortress, component: str, prefix: str) -> Environment:
    """Somebody with exactly the rights of a component."""
    user = f"{prefix}-{component}"
    fortress.user(user, PASSWORD)
    variables = environment(fortress, user, prefix)
    fortress.grant(rows_of(load(environ=variables), component, user))
    return variables


def deprived(fortress: Fortress, component: str, prefix: str, *, apart: bool = False) -> list[Deprived]:
    """For each right of a component, somebody who has all the others; apart: each on topics of his own."""
    people = list(_people(fortress, component, prefix, apart=apart))
    fortress.grant(row for _, rows in people for row in rows)
    return [person for person, _ in people]


def _people(fortress: Fortress, component: str, prefix: str, *, apart: bool) -> Iterator[tuple[Deprived, list[Acl]]]:
    size = len(rows_of(load(environ=environment(fortress, "x", prefix)), component, "x"))
    for number in range(size):
        user = f"{prefix}-{component}-{number}"
        fortress.user(user, PASSWORD)
        variables = environment(fortress, user, f"{prefix}{number}" if apart else prefix)
        rows = rows_of(load(environ=variables), component, user)
        yield Deprived(rows[number], variables), rows[:number] + rows[number + 1 :]


def made(fortress: Fortress, prefix: str) -> str:
    """Creates the topics of a prefix, as the super user."""
    plain = {"CRML_KAFKA__BOOTSTRAP_SERVERS": fortress.broker.bootstrap, "CRML_KAFKA__SECURITY_PROTOCOL": "PLAINTEXT"}
    loaded = load(environ=environment(fortress, "x", prefix) | plain)
    outside(_ensured(loaded))
    return prefix


async def _ensured(loaded: Settings) -> None:
    await ensure(topology.kafka_settings(loaded), topology.topic_specs(loaded), replication=1)
