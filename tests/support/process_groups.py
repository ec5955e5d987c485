"""Who lives in a group of processes."""

import subprocess
import time


def group_members(groups: set[int]) -> list[str]:
    """Living processes of some process groups."""
    listing = subprocess.run(["ps", "-ww", "-eo", "pgid=,stat=,args="], check=True, capture_output=True, text=True)
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    return [args for group, state, args in rows if int(group) in groups and not state.startswith("Z")]


def wait_gone(groups: set[int]) -> None:
    deadline = time.monotonic() + 10
    while (left := group_members(groups)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
