"""The child process that is S3, Glue, IAM and STS: a moto server on a free loopback port.

It prints its port, then serves until its standard input ends, which the kernel sees to even when the parent is killed.
Its argument is the file in which its contents outlive it; without one they don't.
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler
from werkzeug.serving import make_server

_PRELOADED = ("s3", "glue", "iam", "sts")


def _follow(stream: IO[bytes]) -> None:
    stream.read()
    os._exit(0)


def _preload(application: DomainDispatcherApplication) -> None:
    """Import the services that will be used, so that the first request does not wait for it."""
    for service in _PRELOADED:
        scope = f"AWS4-HMAC-SHA256 Credential=x/20240101/us-east-1/{service}/aws4_request, x"
        application.get_application({"HTTP_AUTHORIZATION": scope, "PATH_INFO": "/", "HTTP_HOST": "127.0.0.1"})


def _find_package() -> None:
    """This file is run as a script, so the package is not on the path by itself."""
    sys.path.append(str(Path(__file__).resolve().parents[2]))


def main() -> None:
    """Serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_follow, args=(sys.stdin.buffer,), name="follow-parent", daemon=True).start()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    _find_package()
    from sandbox.moto.containment import Contained, created
    from sandbox.moto.journal import Recorded

    application = DomainDispatcherApplication(created)
    _preload(application)
    contained = Contained(application)
    served: Any = Recorded(contained, Path(sys.argv[1])) if len(sys.argv) > 1 else contained
    server = make_server("127.0.0.1", 0, served, threaded=True, request_handler=MotoRequestHandler)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
