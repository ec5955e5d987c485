"""How a command of the sandbox ends: a line and an exit code, never a traceback."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import console
from sandbox.__main__ import COMMANDS, app


def raising(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (KeyboardInterrupt(), 130, ""),
        (SystemExit("sandbox: why"), 1, "sandbox: why"),
        (SystemExit(2), 2, ""),
        (SystemExit(None), 0, ""),
        (FileExistsError(17, "File exists", "/x"), 1, "File exists: '/x'"),
        (KeyError("film"), 70, "sandbox: unexpected error: KeyError at "),
    ],
)
def test_ends(capsys: pytest.CaptureFixture[str], error: BaseException, code: int, told: str) -> None:
    assert console.guarded(raising(error)) == code
    err = capsys.readouterr().err
    assert told in err
    assert len(err.splitlines()) <= 1


@pytest.mark.parametrize(
    "words",
    [
        *(
            ["serve", "--port", "65536"],
            ["serve", "--port", "-1"],
            ["serve", "--workers", "0"],
            ["kafka", "--port", "99999"],
        ),
        *(["serve", "--time-scale", "-1"], ["serve", "--pending", "nan"], ["serve", "--floor", "inf"]),
        *(["serve", "--quota-export-jobs", "0"], ["up", "--port", "99999"], ["up", "--kafka-port", "-1"], ["nonsense"]),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_refused_by_name(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert console.guarded(lambda: app(words)) == 2
    out, err = capsys.readouterr()
    assert words[-2 if len(words) > 1 else 0] in out + err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["serf"], "found the command 'serf'; expected perhaps serve. See python -m sandbox --help."),
        (
            ["x"],
            "found the command 'x'; expected one of demo, up, env, serve, load, kafka. See python -m sandbox --help.",
        ),
        (["serve", "--prt", "1"], "serve: found the option '--prt'; expected perhaps --port. See"),
        (["serve", "--port", "65536"], "serve: --port: found '65536'; expected a port, 0 to 65535. See"),
        (["serve", "--port", "http"], "serve: --port: found 'http'; expected a whole number. See"),
        (["serve", "--port"], "serve: --port: found no value; expected a whole number. See"),
        (["serve", "--port", "1", "--port", "2"], "serve: --port: found more than once; expected once. See"),
        (["serve", "x", "y"], "serve: found 'x y'; expected nothing more. See python -m sandbox serve --help."),
        (["serve", "--profile", "gcp"], "serve: --profile: found 'gcp'; expected one of demo, aws. See"),
        (["serve", "--workers", "0"], "serve: --workers: found '0'; expected a whole number of at least 1. See"),
        (["serve", "--floor", "inf"], "serve: --floor: found 'inf'; expected a number of at least 0. See"),
        (["serve", "--check-signatures=7"], "serve: --check-signatures: found '7'; expected yes or no. See"),
    ],
)
def test_a_wrong_command_line_is_one_line_with_found_expected_and_the_next_step(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert console.guarded(lambda: app(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m sandbox")
    assert err.endswith("--help.\n")
    assert err.count("\n") == 1
    assert said in err


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_each_option_whole_and_no_empty_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert console.guarded(lambda: app([name, "--help"])) == 0
    shown = capsys.readouterr().out
    assert "[default: ()]" not in shown
    assert "[default: False]" not in shown
    assert "--empty-" not in shown
    assert "130" not in shown.partition("Exit codes")[2]
    options = {option for each in app[name].assemble_argument_collection() for option in each.names if "--" in option}
    assert {option for option in options if option not in shown} == set()


def test_the_help_and_the_page_list_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    codes = [0, console.FAILED, console.USAGE, console.DEFECT, console.INTERRUPTED, console.PIPE]
    assert console.guarded(lambda: app(["--help"])) == 0
    _, _, listed = " ".join(capsys.readouterr().out.split()).partition("Exit codes: ")
    assert [int(each.split()[0]) for each in listed.split("; ")] == codes
    page = Path("docs/howto/use-the-sandbox.md").read_text(encoding="utf-8")
    table = page.partition("| exit code | meaning |")[2].partition("\n\n")[0]
    assert [int(line.split("|")[1]) for line in table.splitlines()[2:]] == codes


@pytest.mark.parametrize("option", ["--data-dir", "--request-log"])
def test_a_path_that_cannot_be_used_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" if option == "--data-dir" else tmp_path / "file" / "log"
    assert console.guarded(lambda: app(["serve", "--port", "0", option, str(path)])) == 1
    assert capsys.readouterr().err.startswith(f"sandbox: {path}: ")


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_an_address_that_cannot_be_listened_on_is_named(capsys: pytest.CaptureFixture[str], host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert console.guarded(lambda: app(["serve", "--host", host, "--port", port])) == 1
    said = capsys.readouterr().err
    if host == "127.0.0.1":
        assert said == f"Port {port} is taken; choose another one with --port, or stop what listens there\n"
    else:
        assert said.startswith(f"sandbox: cannot serve on {host}:{port}: ")


def test_a_reader_that_has_gone() -> None:
    command = f"{sys.executable} -m sandbox --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["/bin/bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout.split(), done.stderr) == (["141"], "")
