"""What the runbooks say to run: the test on a secured Kafka knows each command, and a block names the pod."""

from pathlib import Path

import pytest

from tests.secured.runbook_commands import KNOWN, PAGES, bare, commands_of, words_of

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@every_page
def test_every_command_is_run_by_the_test_on_a_secured_kafka(page: Path) -> None:
    unknown = set(commands_of(page.read_text(encoding="utf-8"))) - set(KNOWN)
    assert not unknown, f"add them to KNOWN in tests/secured/runbook_commands.py: {sorted(unknown)}"


@every_page
def test_a_block_says_in_which_pod_its_commands_run(page: Path) -> None:
    assert bare(page.read_text(encoding="utf-8")) == []


def test_commands_are_found_wherever_they_are() -> None:
    page = "A `python -m service list\n  --state x` and `python -m service ...`.\n\n1. So:\n   ```\n   # why\n"
    page += "   kubectl exec job/repair -- python -m service parked list   # who\n   ```\n\n```\nls\n```\n"
    assert list(commands_of(page)) == ["parked list", "list --state x"]
    assert bare("```\npython -m service check\n```\n") == ["python -m service check"]


def test_placeholders_are_replaced_as_whole_words() -> None:
    command = "offsets set --topic cleanroomsml.jobs --partition N --to OFFSET --ON"
    values = {"N": "3", "OFFSET": "{last}"}
    words = words_of(command, values, {"prefix": "p", "last": "7"})
    assert words == ["offsets", "set", "--topic", "p.jobs", "--partition", "3", "--to", "7", "--ON"]
