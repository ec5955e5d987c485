"""``python -m service acls``: prints the rights that Kafka must grant; connects to nothing."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from service.cli.console import SettingsFile
from service.operator.access.formats import FORMATS
from service.operator.access.kafka_acls import Acl, acls, components
from service.settings import SettingsError, load

Format = Literal["table", "json", "kafka-acls", "strimzi", "msk-iam"]


def print_acls(
    *,
    format: Format = "table",  # noqa: A002 - it is the option's name
    component: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    principal: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    settings: SettingsFile = None,
) -> int:
    """Print the minimal permissions in Kafka that each component needs, for the topics and tenants of the settings.

    Args:
        format: `table` to read; `kafka-acls` for a shell script, `strimzi` for KafkaUser resources, `msk-iam` for IAM
            policies, `json` for other programs.
        component: Only this one, such as `service`; may be repeated.
        principal: As whom a component connects, such as `service=User:CN=crml`; may be repeated.
        settings: Settings file.
    """
    sys.stdout.write(FORMATS[format](_selected(settings, component, principal)))
    return 0


def _selected(file: Path | None, wanted: tuple[str, ...], given: tuple[str, ...]) -> list[Acl]:
    settings = load(file)
    known = components(settings)
    if unknown := sorted(set(wanted) - set(known)):
        raise SettingsError(f"--component: nothing is called {', '.join(unknown)}; there are: {', '.join(known)}")
    principals = {}
    for each in given:
        name, equals, who = each.partition("=")
        if not equals or name not in known or ":" not in who:
            raise SettingsError(
                f"--principal: found {each}; expected COMPONENT=TYPE:NAME, such as service=User:crml;"
                f" components are: {', '.join(known)}"
            )
        principals[name] = who
    return [row for row in acls(settings, principals) if not wanted or row.component in wanted]
