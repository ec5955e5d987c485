"""Entry point of the stand-in for apache/kafka: Kafka's properties come from ``KAFKA_`` variables, as in that image."""

import base64
import os
import subprocess
import uuid
from pathlib import Path

JAVA = ("/opt/java/bin/java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m", "-cp", "/opt/kafka/libs/*")
SERVER = Path("/tmp/server.properties")  # noqa: S108 - a container's own
QUIET = {"KAFKA_HEAP_OPTS", "KAFKA_OPTS"}


def main() -> None:
    """Format the storage, become Kafka."""
    given = {name: value for name, value in os.environ.items() if name.startswith("KAFKA_") and name not in QUIET}
    properties = {name.removeprefix("KAFKA_").lower().replace("_", "."): value for name, value in given.items()}
    properties["log.dirs"] = "/tmp/data"  # noqa: S108
    SERVER.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    options = ("format", "--ignore-formatted", "-t", cluster, "-c", str(SERVER))
    subprocess.run([*JAVA, "kafka.tools.StorageTool", *options], check=True)
    os.execv(JAVA[0], [*JAVA, "kafka.Kafka", str(SERVER)])  # noqa: S606


if __name__ == "__main__":
    main()
