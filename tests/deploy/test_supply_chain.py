"""The workflows as they stand: what is pushed is what was tested and scanned, and the chart names it; all is pinned."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
DOCKERFILES = sorted(
    path for path in ROOT.rglob("*Dockerfile") if not {".venv", ".cache", "node_modules"} & set(path.parts)
)
BUILDS = ("docker build", "buildx build", "buildah bud", "podman build", "build.sh", "make test-image")


@cache
def workflow(name: str) -> Any:
    return yaml.safe_load((ROOT / ".github" / "workflows" / f"{name}.yaml").read_text())


def steps(name: str, job: str) -> list[dict[str, Any]]:
    return list(workflow(name)["jobs"][job]["steps"])


def words(step: dict[str, Any]) -> str:
    return str(step.get("run", "")) + str(step.get("uses", ""))


def at(found: list[dict[str, Any]], wanted: str) -> int:
    """The number of the only step with these words."""
    [number] = [number for number, step in enumerate(found) if wanted in words(step)]
    return number


def recipe(target: str) -> str:
    """What make does for a target."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found, target
    return found[1]


def test_each_architecture_is_built_started_tested_and_scanned_on_a_machine_of_its_own() -> None:
    build = workflow("image")["jobs"]["build"]
    machines = {each["architecture"]: each["runner"] for each in build["strategy"]["matrix"]["include"]}
    assert machines == {"amd64": "ubuntu-24.04", "arm64": "ubuntu-24.04-arm"}
    assert build["runs-on"] == "${{ matrix.runner }}"
    assert "if" not in build
    found = steps("image", "build")
    tested, scanned, kept = at(found, "make test-image"), at(found, "trivy-action"), at(found, "upload-artifact")
    assert tested < scanned < kept
    assert found[scanned]["with"]["exit-code"] == "1"
    assert found[scanned]["with"]["scan-ref"].startswith(found[kept]["with"]["path"])
    assert not any("continue-on-error" in step or "if" in step for step in found)


def test_what_is_tested_is_taken_from_what_is_kept() -> None:
    made = recipe("test-image")
    built = made.index("build.sh service localhost/cleanroomsml-service:test")
    kept = made.index("keep.sh localhost/cleanroomsml-service:test .cache/image/service.oci.tar")
    assert built < kept < made.index("pytest -m image")
    script = (ROOT / "deploy/image/keep.sh").read_text()
    assert script.index("podman push") < script.index("podman untag") < script.index("podman pull")
    assert steps("image", "build")[-1]["with"]["path"] == ".cache/image"


def test_the_index_joins_the_kept_archives() -> None:
    join = workflow("image")["jobs"]["join"]
    assert join["needs"] == "build"
    found = steps("image", "join")
    assert "index.py index built/image-*/service.oci.tar" in words(found[at(found, "index.py")])
    assert join["outputs"]["digest"] == "${{ steps.index.outputs.digest }}"
    outputs = workflow("image")[True]["workflow_call"]["outputs"]  # YAML 1.1 reads `on` as true
    assert outputs["digest"]["value"] == "${{ jobs.join.outputs.digest }}"


def test_a_release_builds_nothing_and_pushes_the_tested_digest() -> None:
    jobs = workflow("release")["jobs"]
    assert jobs["image"]["uses"] == "./.github/workflows/image.yaml"
    assert {"image", "chart"} <= set(jobs["publish"]["needs"])
    text = "".join(words(step) for job in jobs.values() for step in job.get("steps", ()))
    assert not [word for word in BUILDS if word in text]
    assert jobs["publish"]["env"]["DIGEST"] == "${{ needs.image.outputs.digest }}"
    push = next(step["run"] for step in jobs["publish"]["steps"] if "skopeo copy" in step.get("run", ""))
    assert "--all --preserve-digests --digestfile pushed.txt oci:tested/index" in push
    assert '[ "$pushed" = "$DIGEST" ] ||' in push
    pushes = [step for job in jobs.values() for step in job.get("steps", ()) if "docker://" in words(step)]
    assert len(pushes) == 1


def test_the_chart_is_tested_with_the_image_and_names_its_digest() -> None:
    jobs = workflow("release")["jobs"]
    assert jobs["chart"]["with"] == {"image": "image-amd64"}
    assert jobs["chart"]["needs"] == "image"
    found = steps("chart", "test")
    assert "oci-archive:tested/service.oci.tar docker-daemon:cleanroomsml-service:test" in words(
        found[at(found, "kind load")]
    )
    assert at(found, "download-artifact") < at(found, "kind load") < at(found, "make test-chart")
    published = steps("release", "publish")
    package = words(published[at(published, "helm package")])
    assert package.index('digest: \\"$DIGEST\\"') < package.index("helm package") < package.index("helm push")
    assert at(published, "skopeo copy") < at(published, "cosign sign --yes --recursive") < at(published, "helm package")


def test_what_was_pushed_is_started_on_both_architectures_before_it_is_announced() -> None:
    jobs = workflow("release")["jobs"]
    assert jobs["start"]["strategy"]["matrix"]["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    [step] = jobs["start"]["steps"]
    assert step["env"]["DIGEST"] == "${{ needs.image.outputs.digest }}"
    assert 'cleanroomsml-service@$DIGEST" --version' in step["run"]
    assert {"publish", "start"} <= set(jobs["notes"]["needs"])


def test_bills_of_materials_and_provenance_are_attested_and_attached() -> None:
    found = steps("release", "publish")
    provenance = found[at(found, "attest-build-provenance")]
    assert provenance["with"]["subject-digest"] == "${{ env.DIGEST }}"
    bills = [step["with"] for step in found if "attest-sbom" in words(step)]
    assert {bill["sbom-path"]: bill["subject-digest"] for bill in bills} == {
        f"tested/service-{name}.cdx.json": f"${{{{ needs.image.outputs.{name} }}}}" for name in ("amd64", "arm64")
    }
    assert all(one["push-to-registry"] for one in (provenance["with"], *bills))
    files = words(found[at(found, "mkdir release")])
    assert "tested/service-*.cdx.json" in files
    assert "service.provenance.sigstore.json" in files
    notes = steps("release", "notes")
    assert "release/*" in words(notes[at(notes, "gh release create")])
    assert at(notes, "download-artifact") < at(notes, "gh release create")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_and_rights_are_given_one_by_one(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert document["permissions"] == {}
    assert all("permissions" in job for job in document["jobs"].values())
    used = re.findall(r"uses: (\S+)(?: # (\S+))?", path.read_text())
    for action, version in used:
        assert action.startswith("./") or re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
        assert action.startswith("./") or re.fullmatch(r"v\d+\.\d+\.\d+", version), (
            f"{action}: Renovate reads the version"
        )


def test_images_are_built_on_one_base_by_digest() -> None:
    bases = {
        path.relative_to(ROOT): re.findall(r"^ARG BASE=(.+)$", path.read_text(), re.MULTILINE) for path in DOCKERFILES
    }
    assert len(bases) >= 4
    assert {tuple(found) for found in bases.values()} == {tuple(bases[Path("Dockerfile")])}
    [base] = bases[Path("Dockerfile")]
    assert re.fullmatch(r"python:3\.13-slim-trixie@sha256:[0-9a-f]{64}", base)
    for path in DOCKERFILES:
        for stage in re.findall(r"^FROM (\S+)", path.read_text(), re.MULTILINE):
            assert stage in {"${BASE}", "scratch"} or f"AS {stage}\n" in path.read_text(), (path, stage)


def test_libraries_are_a_layer_of_their_own_below_the_application() -> None:
    last = (ROOT / "Dockerfile").read_text().partition("FROM scratch AS service\n")[2]
    copied = re.findall(r"^(?:COPY|ADD|RUN) (.*)$", last, re.MULTILINE)
    assert copied == [
        "--from=service-libraries /root-of-libraries /",
        "--from=service-application /root-of-application /",
    ]
    stages = (ROOT / "Dockerfile").read_text()
    libraries = stages.partition("AS service-libraries\n")[2].partition("\nFROM ")[0]
    assert not re.search(r"^COPY (pyproject|schemas|service) ", libraries, re.MULTILINE)


def matched(patterns: list[str], path: str) -> bool:
    return any(re.search(pattern.strip("/"), path) for pattern in patterns)


def test_renovate_follows_everything_that_is_pinned() -> None:
    config = json.loads((ROOT / ".github/renovate.json").read_text())
    managers = set(config["enabledManagers"])
    assert {"dockerfile", "github-actions", "helmv3", "helm-values", "docker-compose", "pip_requirements"} <= managers
    for path in (ROOT / "requirements").glob("*.lock"):
        assert matched(config["pip_requirements"]["managerFilePatterns"], f"requirements/{path.name}"), path.name
    # Its own defaults, for the others: https://docs.renovatebot.com/modules/manager/
    for path in DOCKERFILES:
        assert re.search(r"(^|/|\.)Dockerfile$", path.relative_to(ROOT).as_posix())
    assert "vulnerabilityAlerts" in config
    [custom] = config["customManagers"]
    pattern = custom["matchStrings"][0].replace("(?<", "(?P<")
    installed = re.search(pattern, (ROOT / "Makefile").read_text())
    assert installed
    assert installed["depName"] == "github.com/rhysd/actionlint"


def test_how_to_report_a_flaw_is_said() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    assert "Report a vulnerability" in text
    for attached in (
        "service-amd64.cdx.json",
        "service-arm64.cdx.json",
        "service.provenance.sigstore.json",
        "SHA256SUMS",
    ):
        assert attached in text
