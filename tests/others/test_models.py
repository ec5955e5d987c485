"""Models that others' programs generate of the AsyncAPI document: they compile, and take what the service publishes."""

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from schemas.docs import render
from tests.others import tools
from tests.others.verdict import settle

pytestmark = [pytest.mark.others, pytest.mark.timeout(300)]

_CODEGEN: Final = (
    "--input-file-type asyncapi --output-model-type pydantic_v2.BaseModel --use-title-as-name --formatters builtin"
)


def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(render.files()[f"{render.GENERATED}/asyncapi.yaml"])
    return found


def name(message: dict[str, Any]) -> str:
    """A class for a message's data."""
    return re.sub(r"(^|\W)(\w)", lambda found: found[2].upper(), message["name"]) + "Data"


def test_typescript(tmp_path: Path) -> None:
    given, file = document(), tmp_path / "models.ts"
    folder = tools.node()
    made = json.loads(tools.run("node", "models.js", file, cwd=folder, text=json.dumps(given)).stdout)
    said = tools.run("node_modules/.bin/tsc", "--strict", "--noEmit", "--target", "es2022", file, cwd=folder, ok=False)
    assert made["examples"] >= 40
    problems = said.stdout.splitlines()
    results = {f"model {number}": "" for number in range(made["models"])}
    results |= {f"example {number}": "" for number in range(made["examples"])}
    results |= {f"compiler {number}": problem for number, problem in enumerate(problems)}
    package = json.loads((tools.HERE / "node" / "package.json").read_text("utf-8"))["dependencies"]
    version = f"modelina {package['@asyncapi/modelina']}, typescript {package['typescript']}"
    settle("AsyncAPI to TypeScript", version, "models and examples, compiled strictly", results)


def test_python(tmp_path: Path) -> None:
    given, source, module = document(), tmp_path / "asyncapi.json", tmp_path / "models.py"
    messages = [message for message in given["components"]["messages"].values() if "payload" in message]
    for message in messages:
        message["payload"]["title"] = name(message)
    source.write_text(json.dumps(given), "utf-8")
    codegen = tools.python("datamodel-codegen")
    tools.run(codegen, "--input", source, "--output", module, *_CODEGEN.split())
    cases = [
        (f"{message['name']} {number}", name(message), example["payload"])
        for message in messages
        for number, example in enumerate(message.get("examples", ()))
        if "payload" in example
    ]
    asked = json.dumps({"values": [[model, value] for _, model, value in cases]})
    said = json.loads(tools.run(tools.python("python"), tools.HERE / "python" / "models.py", module, text=asked).stdout)
    results = {case: problem for (case, _, _), problem in zip(cases, said, strict=True)}
    version = tools.run(codegen, "--version").stdout.strip()
    settle("AsyncAPI to Python", f"datamodel-code-generator {version.split()[-1]}", "examples, validated", results)
