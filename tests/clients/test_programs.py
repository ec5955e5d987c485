"""Clients that are programs go through all 25 operations: JavaScript, the AWS CLI; in the long suite Java and Go."""

from pathlib import Path

import pytest

from tests.clients import programs
from tests.clients.harness import check, stage
from tests.clients.players import play_cli

OLDER = "sqlComputeConfiguration"
"""SDKs that have come to their end do not know the newest members."""
QUOTA = ("quotaName", "quotaValue")
"""Members of an error, which not every SDK hands out."""

clients = pytest.mark.clients


@clients
@pytest.mark.timeout(600)
def test_javascript_v2(served_url: str) -> None:
    programs.need("node", "npm")
    folder = programs.workplace("javascript-v2")
    programs.install(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", creates="node_modules/aws-sdk")
    given = stage("JavaScript v2", served_url, OLDER)
    check(given, programs.run(given, "node", "run.js", folder=folder))


@clients
@pytest.mark.timeout(600)
async def test_aws_cli(served_url: str, tmp_path: Path) -> None:
    aws = programs.aws_cli()
    given = stage("AWS CLI", served_url, *QUOTA)
    check(given, await play_cli(given, aws, tmp_path))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_java_v2(served_url: str) -> None:
    programs.need("java", "mvn")
    folder = programs.workplace("java")
    goals = ["package", "dependency:copy-dependencies", "-DoutputDirectory=target/lib"]
    programs.install(folder, "mvn", "-B", "-q", *goals, creates="target/lib")
    given = stage("Java v2", served_url, "properties")
    check(given, programs.run(given, "java", "-cp", "target/classes:target/lib/*", "example.Run", folder=folder))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_go_v1(served_url: str) -> None:
    programs.need("go")
    folder = programs.workplace("go")
    programs.install(folder, "go", "build", "-o", "client", ".", creates="client")
    given = stage("Go v1", served_url, OLDER, *QUOTA)
    check(given, programs.run(given, "./client", folder=folder))
