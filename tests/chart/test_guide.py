"""Every step of the install guide does what it says: without a cluster as far as that goes, and in one as it stands.

The namespace of the guide enforces `restricted`. Only declared values are substituted: brokers, AWS, image.
"""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import pytest
import yaml

from sandbox.kafka.broker import Broker, free_port
from sandbox.processes import Child
from tests.chart import guide, tools
from tests.chart.cluster import HELM, SERVICE_IMAGE, Cluster, CommandError, require_cluster, run
from tests.chart.guide import GUIDE, ROOT, RUN, SAMPLE, VALUES, Step, steps, substituted
from tests.chart.rendering import HELMS, Refused, one, pod_specs, template
from tests.chart.world import servers
from tests.support.command_line import CommandLine

PAGE = GUIDE.read_text(encoding="utf-8")
CREW, CHART, RELEASE, NAME = "crml", "helm/cleanrooms-ml-service", "crml", "crml-cleanrooms-ml-service"
PASSWORD = "CRML_KAFKA__SASL_PASSWORD="


def told(part: str, page: str = PAGE) -> list[Step]:
    return [step for step in steps(page) if step.part == part]


def said(*words: str) -> list[list[str]]:
    """The guide's commands that begin so, behind the flags of kubectl."""
    every = [command for step in told(RUN) for command in step.commands()]
    return [
        command for command in every if [word for word in command if word not in ("-n", CREW)][: len(words)] == [*words]
    ]


@pytest.fixture
def values(tmp_path: Path) -> Path:
    [step] = told(VALUES)
    file = tmp_path / "values.yaml"
    file.write_text(step.text)
    return file


@pytest.mark.chart
class TestWithoutACluster:
    """What can be known of a step by rendering, by a dry run, and by the command line's own parser."""

    def test_every_block_has_its_part(self) -> None:
        found = steps(PAGE)
        assert {step.section: 0 for step in found}.keys() == guide.PARTS.keys()
        assert len(found) == sum(map(len, guide.PARTS.values()))
        begins = {command[0] for step in told(RUN) for command in step.commands()}
        assert begins == {"kubectl", "helm"}

    def test_what_a_test_substitutes_is_in_the_guide(self) -> None:
        assert "example.com" not in substituted(PAGE, substitutes("198.51.100.7"))
        with pytest.raises(ValueError, match=r"does not have 'nowhere'"):
            substituted(PAGE, {"nowhere": ""})

    def test_the_namespace_enforces_restricted(self) -> None:
        [create], [label] = said("kubectl", "create", "namespace"), said("kubectl", "label")
        made = dry(*create[1:])
        words = ["label", "--local", "--filename", "-", "--output", "json", *label[4:]]
        labelled = json.loads(run(tools.kubectl(), *words, given=json.dumps(made)))
        assert label[2:4] == ["namespace", CREW]
        assert labelled["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"

    def test_the_secret_is_the_one_that_the_pods_read(self, values: Path) -> None:
        [create] = said("kubectl", "create", "secret")
        secret = dry(*create[1:])
        assert secret["metadata"]["namespace"] == CREW
        assert sorted(secret["data"]) == ["CRML_KAFKA__SASL_PASSWORD", "CRML_KAFKA__SASL_USERNAME"]
        for label, spec in pod_specs(tuple(template(4, values))):
            sources = [each["secretRef"]["name"] for each in spec["containers"][0]["envFrom"] if "secretRef" in each]
            assert secret["metadata"]["name"] in sources, label

    @pytest.mark.parametrize("major", HELMS)
    def test_kubernetes_would_accept_what_the_values_give(self, values: Path, major: int) -> None:
        import kubernetes_validate  # of requirements/chart.lock: this file is collected without it, too

        things = template(major, values)
        for thing in things:
            kubernetes_validate.validate(thing, "1.36", strict=True)
        assert one(things, "StatefulSet")["metadata"]["name"] == NAME
        image = one(things, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]["image"]
        [build, push] = [command for step in told(guide.IMAGE) for command in step.commands()]
        assert (build[3], push[2]) == (image, image)

    def test_wrong_values_are_refused_in_the_words_of_the_guide(self, values: Path) -> None:
        [step] = told(SAMPLE)
        command, _, printed = step.text.partition("\n")
        assert command.split()[:4] == ["$", "helm", "template", RELEASE]
        wrong = yaml.safe_load(values.read_text())
        del wrong["existingSecret"]
        wrong["settings"]["timing"] = {"settle": 1}
        values.write_text(yaml.safe_dump(wrong))
        for major in HELMS:
            with pytest.raises(Refused) as refused:
                template(major, values)
            lines = [line.rstrip() for line in str(refused.value).splitlines()]
            assert lines[: len(printed.splitlines())] == printed.splitlines()

    def test_helm_installs_it_so(self, values: Path) -> None:
        """A dry run of the guide's own words; Helm 3 would ask a cluster for it."""
        [install], [check], [uninstall] = said("helm", "install"), said("helm", "test"), said("helm", "uninstall")
        text = run(tools.helm(4), *in_folder(install[1:], values), "--dry-run=client")
        assert f"StatefulSet {NAME} in {CREW}." in text
        assert f"helm test {RELEASE} --namespace {CREW} --logs" in text
        assert " ".join(check) == f"helm test {RELEASE} --namespace {CREW} --logs"
        for command in (install, check, uninstall):
            assert command[2] == RELEASE
            assert command[command.index("--namespace") + 1] == CREW

    def test_the_first_command_is_one(
        self, values: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        [command] = said("kubectl", "exec")
        where, words = command[: command.index("--")], command[command.index("--") + 1 :]
        assert where == ["kubectl", "-n", CREW, "exec", f"{NAME}-0"]
        assert words[:3] == ["python", "-m", "service"]
        settings = one(template(4, values), "ConfigMap", NAME)["data"]["settings.yaml"]
        (values.parent / "settings.yaml").write_text(settings)
        monkeypatch.setenv("CRML_SETTINGS", str(values.parent / "settings.yaml"))
        monkeypatch.setenv("CRML_KAFKA__SASL_USERNAME", "crml")
        monkeypatch.setenv("CRML_KAFKA__SASL_PASSWORD", "x")
        ended = CommandLine(capsys)(*words[3:], "--dry-run")
        assert ended.code == 0, ended.err
        assert "first" in ended.out


@pytest.mark.chart
@pytest.mark.timeout(500)
async def test_every_step_with_processes_in_place_of_pods(tmp_path: Path) -> None:
    """The pods' own arguments, settings and Secret, against a real Kafka that wants the password, and the sandbox."""
    plain, password, controller, aws, http, page = (free_port() for _ in range(6))
    guided = substituted(PAGE, substitutes("127.0.0.1", password, aws))
    file = tmp_path / "values.yaml"
    file.write_text(told(VALUES, guided)[0].text)
    things = template(4, file)
    (tmp_path / "settings.yaml").write_text(one(things, "ConfigMap", NAME)["data"]["settings.yaml"])
    [create] = [command for step in told(RUN, guided) for command in step.commands() if "secret" in command]
    secret = {name: base64.b64decode(value).decode() for name, value in dry(*create[1:])["data"].items()}
    ports = {"CRML_HTTP__HOST": "127.0.0.1", "CRML_HTTP__PORT": str(http), "CRML_HTTP__PAGE_PORT": str(page)}
    variables = {**secret, **ports, "CRML_SETTINGS": str(tmp_path / "settings.yaml")}

    def begun(*words: str, more: Mapping[str, str] = MappingProxyType({})) -> Child:
        command = [sys.executable, "-m", *words]
        return Child(command, log=tmp_path / f"{words[0]}-{words[1]}.log", environment={**variables, **more})

    async def ended(*words: str) -> str:
        child = begun(*words)
        try:
            assert await child.wait_ended() == 0, child.last_log(60)
        finally:
            await child.stop()
        return child.log.read_text()

    def args(kind: str, name: str = "") -> list[str]:
        thing = one(things, kind, name)
        [container] = thing["spec"].get("template", thing)["spec"]["containers"]
        found: list[str] = container["args"]
        return found

    [first] = said("kubectl", "exec")
    config = servers.listeners("127.0.0.1", plain, password, controller, bind="127.0.0.1")
    async with Broker(plain, tmp_path / "kafka", config=config), AsyncExitStack() as processes:
        sandbox = begun("sandbox", "serve", "--port", str(aws), "--data-dir", str(tmp_path / "models"))
        processes.push_async_callback(sandbox.stop)
        await answers(f"http://127.0.0.1:{aws}/_sandbox/health", sandbox)
        assert "created  cleanroomsml.commands" in await ended("service", *args("Job", "-topics"))
        service = begun("service", *args("StatefulSet"), more={"CRML_KAFKA__INSTANCE_ID": f"{NAME}-0"})
        processes.push_async_callback(service.stop)
        await answers(f"http://127.0.0.1:{http}/readyz", service)
        assert "ready to run" in await ended("service", *args("Pod", "-check"))
        replies = await ended(*first[first.index("-m") + 1 :])
        assert "accepted" in replies
        assert "succeeded" in replies


async def answers(url: str, child: Child) -> None:
    """Waits for a good answer."""
    async with aiohttp.ClientSession() as session, asyncio.timeout(120):
        while True:
            assert child.poll() is None, child.last_log(60)
            with suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


@pytest.mark.cluster
@pytest.mark.timeout(900)
class TestInACluster:
    """The commands themselves, run by a shell, in the order of the guide."""

    def test_every_step_as_it_stands(self, world: Cluster, tmp_path: Path) -> None:
        page = substituted(PAGE, substitutes(world.address))
        folder = shell_folder(tmp_path)
        outputs: dict[str, str] = {}
        for step in steps(page):
            if step.part == VALUES:
                (folder / "values.yaml").write_text(step.text)
            elif step.part == RUN:
                outputs[step.section] = shell(folder, step.text)
        assert "ready to run" in outputs["4. Install (1 minute)"]
        assert "accepted" in outputs["5. The first command (1 minute)"]
        assert "succeeded" in outputs["5. The first command (1 minute)"]
        kinds = "statefulsets,services,configmaps,serviceaccounts,poddisruptionbudgets,networkpolicies"
        left = json.loads(run(tools.kubectl(), "-n", CREW, "get", kinds, "--output", "json"))["items"]
        assert [each["metadata"]["name"] for each in left if each["metadata"]["name"].startswith(NAME)] == []


@pytest.fixture
def world() -> Iterator[Cluster]:
    """Kafka, with a listener that wants a password, and the sandbox; the guide's own namespace does not exist yet."""
    require_cluster()
    made = Cluster()
    run(tools.kubectl(), "delete", "namespace", CREW, "--ignore-not-found", "--timeout=180s")
    made.prepare()
    yield made
    run(tools.kubectl(), "delete", "namespace", CREW, "--ignore-not-found", "--timeout=180s")
    made.remove()


def substitutes(address: str, kafka: int = servers.PASSWORD_PORT, aws: int = servers.AWS_PORT) -> dict[str, str]:
    """What the guide shows, and what a test has instead: one broker without TLS, the sandbox for AWS, a local image."""
    return {
        '["kafka-1.example.com:9096", "kafka-2.example.com:9096"]': f'["{address}:{kafka}"]\n    replication_factor: 1',
        "SASL_SSL": "SASL_PLAINTEXT",
        "SCRAM-SHA-512": "PLAIN",
        f"{PASSWORD}...": f"{PASSWORD}{servers.PASSWORD} --from-literal=AWS_ACCESS_KEY_ID=123456789012"
        " --from-literal=AWS_SECRET_ACCESS_KEY=sandbox",
        "region: eu-west-1": "region: eu-west-1"
        f"\n      endpoint_url: http://{address}:{aws}\n      allow_plain_http: true",
        '"111122223333"': '"123456789012"',
        "registry.example.com/cleanroomsml-service:0.1.0": SERVICE_IMAGE,
        "{registry: registry.example.com}": json.dumps(
            dict(zip(("repository", "tag"), SERVICE_IMAGE.rsplit(":", 1), strict=True))
        ),
    }


def dry(*words: str) -> dict[str, Any]:
    """What kubectl would create."""
    made: dict[str, Any] = json.loads(run(tools.kubectl(), *words, "--dry-run=client", "--output", "json"))
    return made


def in_folder(words: list[str], values: Path) -> list[str]:
    known = {CHART: str(ROOT / CHART), "values.yaml": str(values)}
    return [known.get(word, word) for word in words]


def shell_folder(folder: Path) -> Path:
    """A folder like the project's top, with the tools on its own path."""
    (folder / "helm").symlink_to(ROOT / "helm")
    (folder / "bin").mkdir()
    (folder / "bin" / "helm").symlink_to(tools.helm(HELM))
    (folder / "bin" / "kubectl").symlink_to(tools.kubectl())
    return folder


def shell(folder: Path, text: str) -> str:
    """What the lines print, run by a shell as they stand."""
    script = f'export PATH="{folder / "bin"}:$PATH"\n{text}'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"{text}: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout + done.stderr
