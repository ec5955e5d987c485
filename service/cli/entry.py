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

from cyclopts import App, Group

from service.cli import usage
from service.cli.usage import PLAIN, PROGRAM

_NAME: Final = "cleanroomsml-service"

HELP: Final = """Kafka in front of AWS Clean Rooms ML: commands in, status changes out;
exactly once on Kafka, effectively once towards AWS.

Settings come from CRML_... variables and from a YAML file; docs/settings.md lists them.
The least that runs: CRML_KAFKA__BOOTSTRAP_SERVERS and AWS_REGION."""

CODES: Final = (
    "Exit codes: 0 success; 2 invalid settings or usage; "
    "3 Kafka, AWS or a port cannot be used; send and watch: 4 failed, 5 rejected, 6 parked, 124 time is up. "
    "All of them: docs/howto/operate.md."
)

_OUTCOMES: Final = (
    "Exit codes: 0 succeeded, 4 failed, 5 rejected, 6 parked, 124 time is up; all: docs/howto/operate.md."
)
_OWN_CODES: Final = {"send": _OUTCOMES, "watch": _OUTCOMES}

SERVING: Final = Group("Run the service", sort_key=1)
CLIENTS: Final = Group("Send and follow commands", sort_key=2)
REPAIRS: Final = Group("Operate and repair", sort_key=3)
RIGHTS: Final = Group("Rights", sort_key=4)

COMMANDS: Final = (
    (
        "run",
        "app:run",
        SERVING,
        1,
        "Serve: consume commands, call AWS, publish replies and events. SIGTERM stops in order.",
    ),
    (
        "topics",
        "app:topics",
        SERVING,
        2,
        "Create the topics that are missing, verify those that exist. May be repeated.",
    ),
    ("check", "app:check", SERVING, 3, "Check Kafka, topics, permissions and AWS targets; changes nothing."),
    (
        "send",
        "send:send",
        CLIENTS,
        1,
        "Send commands; with --wait, follow them to their end. The exit code says the outcome.",
    ),
    (
        "list",
        "browse:list_",
        CLIENTS,
        2,
        "List commands by what their replies and events say: those under way and parked, unless others are asked for.",
    ),
    (
        "show",
        "browse:show",
        CLIENTS,
        3,
        "Show all that is known of a command: its state, what it made, and what happened when.",
    ),
    (
        "watch",
        "watch:watch",
        CLIENTS,
        4,
        "Watch replies and events as they come; of the commands that are named, until all have ended.",
    ),
    (
        "events",
        "browse:events",
        CLIENTS,
        5,
        "Show the status changes of a resource, or the last ones of all; at most 50 unless --limit is given.",
    ),
    (
        "cancel",
        "cancel:cancel",
        CLIENTS,
        6,
        "Cancel a command that has not been sent to AWS yet, and wait for the answer.",
    ),
    ("parked", "parked:app", REPAIRS, 1, "List commands that wait for an operator, and resolve them."),
    ("dlq", "dlq:app", REPAIRS, 2, "List dead letters, show one, or send the originals back."),
    (
        "reconcile",
        "reconcile:reconcile",
        REPAIRS,
        3,
        "Compare the changelogs with AWS, and print the differences; --apply sends the safe repairs.",
    ),
    (
        "backfill",
        "backfill:backfill",
        REPAIRS,
        4,
        "Rebuild lost changelogs from commands, replies and events; without --apply, only print what would be written.",
    ),
    (
        "skip-corrupt",
        "skip_corrupt:skip_corrupt",
        REPAIRS,
        5,
        "Let a halted shard continue without an unreadable changelog record; without --offset, list such records.",
    ),
    (
        "offsets",
        "offsets:app",
        REPAIRS,
        6,
        "Show where each partition continues, and set it if that can't be determined.",
    ),
    ("iam", "app:iam", RIGHTS, 1, "Print the IAM policies and trust policies that these settings need, as JSON."),
    (
        "acls",
        "acls:print_acls",
        RIGHTS,
        2,
        "Print the minimal permissions in Kafka that each component needs, for the topics and tenants of the settings.",
    ),
)
"""Names, where they are in this package, group, order in it, and the first sentence of their help."""

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
    for name, where, group, order, text in COMMANDS:
        options: dict[str, Any] = {"default_parameter": PLAIN, "help_epilogue": _OWN_CODES.get(name, usage.CODES)}
        if where.endswith(":app"):
            options = {}  # it has its own
        if name == "watch":
            options["usage"] = f"Usage: {PROGRAM} watch [OPTIONS] [COMMAND-ID...]"
        found.command(f"service.cli.{where}", name=name, group=group, sort_key=order, help=text, **options)
    return found


app: Final = _root()


def main() -> None:
    """Runs the command line."""
    gc.disable()  # what modules make while they load stays: to search it for garbage takes a tenth of the time
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
