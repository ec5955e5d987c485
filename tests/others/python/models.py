"""Validates values by generated models: {"values": [[class, value]]} on standard input; the argument is the module."""

import importlib.util
import json
import sys
from typing import Any


def loaded(path: str) -> Any:
    found = importlib.util.spec_from_file_location("generated", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["generated"] = module
    found.loader.exec_module(module)
    return module


def problem(model: Any, value: Any) -> str:
    try:
        model.model_validate(value)
    except ValueError as error:
        return str(error)
    return ""


module = loaded(sys.argv[1])
values = json.load(sys.stdin)["values"]
json.dump([problem(getattr(module, name), value) for name, value in values], sys.stdout)
