"""`python -m sandbox <command>`: each command is a function in a module that is imported only when it is called."""

import sys
from importlib.util import find_spec
from typing import Final

from cyclopts import App

from sandbox.console import CODES, HELP, PLAIN, PROGRAM, SEE, guarded

COMMANDS: Final = {
    "demo": ("sandbox.demo:demo_command", "Run the whole path once and show it."),
    "up": (
        "sandbox.up:up_command",
        "Run Kafka and Clean Rooms ML with MovieLens-100k until Ctrl-C; with --service, the service too.",
    ),
    "env": ("sandbox.up:env_command", "Print the variables that point a shell at the sandbox that `up` started."),
    "serve": ("sandbox.serve:serve_command", "Run Clean Rooms ML alone, for any AWS SDK."),
    "load": ("sandbox.datasets.own:load_command", "Load your own interactions into a running sandbox."),
    "kafka": ("sandbox.kafka.broker:kafka_command", "Run a local Kafka alone."),
}
"""Where each command is, and its line in the list of commands; reading it from the module would import the module."""

app = App(
    name=PROGRAM,
    help="A local Clean Rooms ML that really trains, and a local Kafka.",
    help_epilogue=CODES,
    help_formatter=HELP,
    version_flags=[],
    print_error=False,  # `guarded` says what is wrong, in our form
    exit_on_error=False,
)
for _name, (_target, _help) in COMMANDS.items():
    if find_spec(_target.partition(":")[0]) is not None:
        app.command(_target, name=_name, help=_help, help_epilogue=SEE, default_parameter=PLAIN)

if __name__ == "__main__":
    sys.exit(guarded(app))
