"""What the cgroup of a container says, in both layouts."""

from pathlib import Path

import pytest

from service.adapters.memory import ContainerMemory

V2 = {"memory.current": "900\n", "memory.max": "1000\n", "memory.stat": "anon 700\ninactive_file 150\n"}
V1 = {
    "memory/memory.usage_in_bytes": "900\n",
    "memory/memory.limit_in_bytes": "1000\n",
    "memory/memory.stat": "inactive_file 3\ntotal_inactive_file 150\n",
}


def written(folder: Path, files: dict[str, str]) -> ContainerMemory:
    (folder / "memory").mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return ContainerMemory(folder)


@pytest.mark.parametrize("files", [V2, V1], ids=["v2", "v1"])
def test_the_limit_and_what_is_used_without_files_that_can_be_dropped(tmp_path: Path, files: dict[str, str]) -> None:
    memory = written(tmp_path, files)
    assert (memory.limit(), memory.used()) == ({(): 1000.0}, {(): 750.0})


@pytest.mark.parametrize(
    "files",
    [
        V2 | {"memory.max": "max\n"},
        V1 | {"memory/memory.limit_in_bytes": "9223372036854771712\n"},
        V2 | {"memory.max": "\N{SUPERSCRIPT TWO}"},
        {},
    ],
    ids=["v2", "v1", "nonsense", "nothing"],
)
def test_without_a_limit_there_is_nothing_to_compare(tmp_path: Path, files: dict[str, str]) -> None:
    memory = written(tmp_path, files)
    assert (memory.limit(), memory.used()) == ({}, {})


def test_a_file_that_is_gone_or_says_less_is_no_error(tmp_path: Path) -> None:
    memory = written(tmp_path, V2 | {"memory.stat": "anon 700\ninactive_file many\n"})
    assert memory.used() == {(): 900.0}
    (tmp_path / "memory.current").unlink()
    assert memory.used() == {}
