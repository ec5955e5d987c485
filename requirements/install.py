"""Install a lock file with pip, and say meanwhile how far it is: ``python requirements/install.py FILE``.

pip alone says either nothing for a minute or four lines for each package. On a terminal one line counts; elsewhere, as
in CI, every tenth package has a line. What pip writes is shown if it fails.
"""

import re
import subprocess
import sys
from collections import deque
from pathlib import Path

_TAIL = 40
_WIDTH = 78
_STEP = 10


def main(lock: str) -> int:
    """Returns pip's exit code."""
    wanted = len(re.findall(r"^[A-Za-z0-9._-]+(\[[^\]]*\])?==", Path(lock).read_text(encoding="utf-8"), re.MULTILINE))
    options = ["--disable-pip-version-check", "--require-hashes", "--progress-bar", "off"]
    command = [sys.executable, "-m", "pip", "install", *options, "-r", lock]
    live, seen, tail = sys.stderr.isatty(), 0, deque[str](maxlen=_TAIL)
    sys.stderr.write(f"Installing {wanted} packages of {lock} (once; about a minute)\n")
    with subprocess.Popen(  # noqa: S603 - pip, and a file that the Makefile names
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        for line in pip.stdout or ():
            tail.append(line)
            if line.startswith("Collecting "):
                seen += 1
                _say(f"  {min(seen, wanted)} of {wanted}: {line.split()[1]}", live, worth=seen % _STEP == 0)
            elif line.startswith("Installing "):
                _say(f"  unpacking {wanted} packages; this is about half of the time", live)
    if live:
        _say("", live)
        sys.stderr.write("\r")
    if pip.returncode:
        sys.stderr.write("".join(tail))
    return pip.returncode


def _say(text: str, live: bool, *, worth: bool = True) -> None:
    """Writes over the line on a terminal; elsewhere adds a line, if it is worth one."""
    if not live and worth:
        sys.stderr.write(f"{text}\n")
    if live:
        sys.stderr.write(f"\r{text:<{_WIDTH}}")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
