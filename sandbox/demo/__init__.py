"""`python -m sandbox demo`: the whole path once, as a newcomer meets it.

Kafka, the sandbox and the service are started as processes. Five commands go through Kafka at once, each naming what
the ones before it make. The audience is shown, and compared with people who are known to like the film.

`command` is where it begins. `story` says what is sent, `records` how, `timeline` what came back; `client` and
`service` do it, `run` joins them; `screen` shows it while it lasts, `calls` counts and `summary` reports at the end.
"""

from pathlib import Path

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


def demo_command(*, film: str = "Blade Runner", output: Path = Path("demo-output")) -> None:
    """Run everything once on this machine: Kafka, Clean Rooms ML, the service, five commands, an audience.

    The question is: who else will like this film? Half of those who liked it are the seed; the others, and all ratings
    of the film, stay hidden from the model, and are compared with the audience at the end.

    Args:
        film: Title of a MovieLens-100k film that at least 50 people liked, without its year: "Star Wars", "Fargo".
        output: Folder for the audience, the records and the service's log; files of an earlier run are replaced.
    """
    try:
        from sandbox.demo.command import demo

        code = demo(film, output)
    except KeyboardInterrupt:  # during the imports or a download; later it is a signal like others
        code = INTERRUPTED
    raise SystemExit(code)
