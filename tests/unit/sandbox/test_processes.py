"""Child processes: their environment, their end, and that nothing of their group is left."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.processes import ROOT, Child
from tests.support.process_groups import wait_gone


async def test_a_child_is_ended_by_force_when_it_will_not_stop(tmp_path: Path) -> None:
    stubborn = "import signal, sys, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    child = Child([sys.executable, "-c", stubborn], log=tmp_path / "log")
    while child.last_log() != "ready":  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    assert child.poll() is None
    await child.stop(0.1)
    assert child.poll() == -signal.SIGKILL
    await child.stop()
    wait_gone({child.pid})


async def test_a_child_s_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRML_FOREIGN", "x")
    code = "import os; print(os.environ.get('CRML_FOREIGN'), os.environ['GIVEN'], os.getcwd())"
    command, added = [sys.executable, "-c", code], {"GIVEN": "a b"}
    child = Child(command, log=tmp_path / "log", environment=added, without=["CRML_FOREIGN"])
    assert await child.wait_ended() == 0
    await child.stop()
    assert child.last_log() == f"None a b {ROOT}"


def python(code: str, log: Path, **more: object) -> Child:
    return Child([sys.executable, "-I", "-c", code], log=log, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("code", "expected"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", -9)])
async def test_how_a_child_ended(tmp_path: Path, code: str, expected: int) -> None:
    child = python(code, tmp_path / "log")
    assert await child.wait_ended() == expected
    assert child.poll() == expected
    await child.stop()


async def test_a_child_that_stops_when_asked_is_not_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, lambda *_: exit(5)); print('ready', flush=True); time.sleep(60)"
    child = python(code, tmp_path / "log")
    while child.last_log() != "ready":  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await child.stop()
    assert child.poll() == 5


async def test_stopping_takes_the_childs_own_children_along(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-I', '-S', '-c', 'import time; time.sleep(60)'])\n"
        "print('ready', flush=True); time.sleep(60)"
    )
    child = python(code, tmp_path / "log")
    while child.last_log() != "ready":  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await child.stop()
    wait_gone({child.pid})


async def test_a_cancelled_stop_still_leaves_nothing(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
    child = python(code, tmp_path / "log")
    while child.last_log() != "ready":  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    stopping = asyncio.create_task(child.stop())
    await asyncio.sleep(0.05)
    assert child.poll() is None
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    wait_gone({child.pid})


async def test_the_last_lines_of_both_outputs_are_its_log(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for n in range(40): print(n, flush=True)\n"
        "sys.stderr.write('wrong\\n'); sys.stderr.flush(); sys.stdout.buffer.write(b'\\xff\\n')"
    )
    child = python(code, tmp_path / "log")
    await child.wait_ended()
    await child.stop()
    assert child.last_log().splitlines() == [*map(str, range(27, 40)), "wrong", "\ufffd"]
    assert child.last_log(2) == "wrong\n\ufffd"


async def test_a_program_that_is_not_there_is_an_exit_code_with_words(tmp_path: Path) -> None:
    child = Child([str(tmp_path / "nothing")], log=tmp_path / "log", environment={"A": "b"})
    assert await child.wait_ended() == 127
    assert "nothing" in child.last_log()
    await child.stop()


def test_a_child_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from sandbox.processes import Child\n"
        f"child = Child(['/bin/sleep', '60'], log=Path({str(tmp_path / 'log')!r}))\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_gone({pid})
