"""Runs the fuzz target for a while, in a process of its own; `make fuzz` installs what it needs."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.seeds import write

SECONDS = int(os.environ.get("FUZZ_SECONDS", "60"))


def test_the_seeds_are_many_and_short(tmp_path: Path) -> None:
    count = write(tmp_path)
    assert count > 100
    assert len(list(tmp_path.iterdir())) == count


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed: make fuzz")
def test_fuzzing_finds_nothing(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    write(corpus)
    options = [
        f"-max_total_time={SECONDS}",
        "-max_len=16384",
        "-timeout=5",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.target", *options, f"-artifact_prefix={tmp_path}/", str(corpus)],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS + 90,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "stat::number_of_executed_units" in done.stderr
