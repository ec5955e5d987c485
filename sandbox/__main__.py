"""`python -m sandbox <command>`: each command is a function in a module that is imported only when it is called."""

import sys
from importlib.util import find_spec
from typing import Final

from cyclopts import App

from sandbox.console import guarded

COMMANDS: Final = {
    "serve": "sandbox.serve:serve_command",
    "kafka": "sandbox.kafka.broker:kafka_command",
    "up": "sandbox.stack:up_command",
    "demo": "sandbox.demo:demo_command",
}

app = App(name="sandbox", help="A local Clean Rooms ML that really trains, and a local Kafka.", version_flags=[])
for _name, _target in COMMANDS.items():
    if find_spec(_target.partition(":")[0]) is not None:
        app.command(_target, name=_name)

if __name__ == "__main__":
    sys.exit(guarded(app))
