"""Where the process begins: the commands' names and what they are for, without their modules.

Those take most of a second to load. The version and the first page of help need none of them, and a command only those
that it is made of: each is named here by its module and loaded when it is called.
"""

import gc
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from cyclopts import App

from service.cli.usage import PROGRAM

_NAME: Final = "cleanroomsml-service"

HELP: Final = """Kafka in front of AWS Clean Rooms ML: commands in, status changes out;
exactly once on Kafka, effectively once towards AWS.

Settings come from CRML_... variables and from a YAML file; docs/settings.md lists them.
The least that runs: CRML_KAFKA__BOOTSTRAP_SERVERS and AWS_REGION."""

CODES: Final = (
    "Exit codes: 0 success; 2 invalid settings or usage; "
    "3 Kafka, AWS or a port cannot be used. All of them: docs/howto/operate.md."
)

COMMANDS: Final = (
    ("run", "app:run", 1, "Serve: consume commands, call AWS, publish replies and events. SIGTERM stops in order."),
    ("topics", "app:topics", 2, "Create the topics that are missing, verify those that exist. May be repeated."),
    ("check", "app:check", 3, "Check Kafka, topics, permissions and AWS targets; changes nothing."),
    ("dlq", "dlq:app", 4, "List dead letters, show one, or send the originals back."),
    ("iam", "app:iam", 4, "Print the IAM policies and trust policies that these settings need, as JSON."),
    ("parked", "parked:app", 5, "List commands that wait for an operator, and resolve them."),
    (
        "reconcile",
        "reconcile:reconcile",
        6,
        "Compare the changelogs with AWS, and print the differences; --apply sends the safe repairs.",
    ),
    (
        "backfill",
        "backfill:backfill",
        7,
        "Rebuild lost changelogs from commands, replies and events; without --apply, only print what would be written.",
    ),
    (
        "skip-corrupt",
        "skip_corrupt:skip_corrupt",
        8,
        "Let a halted shard continue without an unreadable changelog record; without --offset, list such records.",
    ),
    ("offsets", "offsets:app", 9, "Show where each partition continues, and set it if that can't be determined."),
    (
        "acls",
        "acls:print_acls",
        10,
        "Print the minimal permissions in Kafka that each component needs, for the topics and tenants of the settings.",
    ),
)
"""Names, where they are in this package, order, and the first sentence of their help."""

_LIGHT: Final = frozenset({"--help", "-h", "--version"})


def version() -> str:
    """Of the package; of the source tree when it is not installed."""
    try:
        return metadata.version(_NAME)
    except metadata.PackageNotFoundError:
        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])


def _root() -> App:
    found = App(
        name=PROGRAM,
        help=HELP,
        help_epilogue=CODES,
        version=version,
        print_error=False,  # `console.guarded` says what is wrong, in the form of all errors
        exit_on_error=False,
    )
    for name, where, place, text in COMMANDS:
        found.command(f"service.cli.{where}", name=name, sort_key=place, help=text)
    return found


app: Final = _root()


def main() -> None:
    """Runs the command line."""
    gc.disable()  # what modules make while they load stays: to look for garbage among it takes a tenth of the time
    if _light():
        sys.exit(_shown(lambda: app(sys.argv[1:])))
    from service.cli import console

    gc.freeze()
    gc.enable()
    sys.exit(console.guarded(lambda: app(sys.argv[1:])))


def _light() -> bool:
    """Whether the command line needs no work, and there is somewhere to print to."""
    return set(sys.argv[1:2] or ["--help"]) <= _LIGHT and None not in (sys.stdout, sys.stderr)


def _shown(print_page: Callable[[], Any]) -> int:
    """Prints, and ends as any other command does when that fails."""
    try:
        try:
            print_page()
        except SystemExit as ended:
            if ended.code or ended.__context__:  # rich ends so when its reader has gone
                raise
        sys.stdout.flush()
    except BaseException as error:
        from service.cli import console

        failure = error

        def fail() -> None:
            raise failure

        return console.guarded(fail)
    return 0
