"""The gate lets the contract grow, and stops every kind of break."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.docs import json_schemas
from schemas.docs.compatibility import breaks, published

Contract = dict[str, Any]
Edit = Callable[[Contract], None]


@pytest.fixture(scope="module")
def contract() -> Contract:
    found: Contract = json.loads(json.dumps(json_schemas.contract()))  # no part is shared
    return found


def _command(contract: Contract) -> Contract:
    found: Contract = contract["commands"]["CreateConfiguredAudienceModel"]["data"]
    return found


def _member(contract: Contract, name: str) -> Contract:
    found: Contract = _command(contract)["properties"][name]
    return found


def _reply(contract: Contract, kind: str = "failed") -> Contract:
    found: Contract = contract["replies"][kind]["data"]
    return found


def _event(contract: Contract) -> Contract:
    found: Contract = contract["events"]["audience-model"]["data"]
    return found


def _result(contract: Contract) -> Contract:
    found: Contract = contract["results"]["CreateAudienceModel"]["data"]["properties"]["result"]
    return found


def _set(place: Callable[[Contract], Contract], name: str, value: Any) -> Edit:
    def edit(contract: Contract) -> None:
        place(contract)[name] = value

    return edit


def _pop(place: Callable[[Contract], Contract], name: str) -> Edit:
    def edit(contract: Contract) -> None:
        del place(contract)[name]

    return edit


def _bins(contract: Contract) -> Contract:
    found: Contract = _member(contract, "audienceSizeConfig")["properties"]["audienceSizeBins"]
    return found


def _config(contract: Contract) -> Contract:
    return _member(contract, "audienceSizeConfig")


def _metrics(contract: Contract) -> Contract:
    return _member(contract, "sharedAudienceMetrics")


def _attributes(contract: Contract) -> Contract:
    found: Contract = contract["commands"]["GetAudienceModel"]["attributes"]
    return found


def _arn(contract: Contract) -> Contract:
    found: Contract = _member(contract, "audienceModelArn")["anyOf"][0]
    return found


def _member_of(name: str) -> Callable[[Contract], Contract]:
    return lambda contract: _member(contract, name)


def _properties(place: Callable[[Contract], Contract]) -> Callable[[Contract], Contract]:
    def find(contract: Contract) -> Contract:
        found: Contract = place(contract)["properties"]
        return found

    return find


def _reply_member(name: str) -> Callable[[Contract], Contract]:
    return lambda contract: _reply(contract)["properties"][name]


def _error(contract: Contract) -> Contract:
    found: Contract = _reply(contract)["properties"]["error"]
    return found


def _event_attributes(contract: Contract) -> Contract:
    found: Contract = contract["events"]["audience-model"]["attributes"]
    return found


BREAKS: dict[str, tuple[Edit, str]] = {
    "command: a member has become required": (
        lambda contract: _command(contract)["required"].append("description"),
        "commands.CreateConfiguredAudienceModel.data.description: required",
    ),
    "command: an optional member was removed": (
        _pop(_properties(_command), "description"),
        "commands.CreateConfiguredAudienceModel.data.description: removed",
    ),
    "command: another type": (_set(_member_of("name"), "type", "integer"), ".name: type"),
    "command: a narrower type": (_set(_member_of("minMatchingSeedSize"), "type", "string"), "Size: type"),
    "command: a value of an enumeration was removed": (
        lambda contract: _member(contract, "childResourceTagOnCreatePolicy")["enum"].pop(),
        "Policy: enum",
    ),
    "command: an open value was closed": (_set(_member_of("name"), "enum", ["a"]), ".name: enum"),
    "command: another pattern": (_set(_arn, "pattern", "^x$"), "Arn: pattern"),
    "command: a pattern where there was none": (_set(_bins, "pattern", "^x$"), "audienceSizeBins: pattern"),
    "command: a lower maximum": (_set(_member_of("minMatchingSeedSize"), "maximum", 1_000), "Size: maximum"),
    "command: a higher minimum": (_set(_member_of("minMatchingSeedSize"), "minimum", 26), "Size: minimum"),
    "command: a shorter text": (_set(_member_of("name"), "maxLength", 10), ".name: maxLength"),
    "command: a new least length": (_set(_member_of("description"), "minLength", 1), "description: minLength"),
    "command: fewer items": (_set(_bins, "maxItems", 3), "Bins: maxItems"),
    "command: a format where there was none": (_set(_member_of("name"), "format", "date-time"), ".name: format"),
    "command: narrower items": (lambda contract: _bins(contract)["items"].update(maximum=9), "Bins[]: maximum"),
    "command: narrower keys of a map": (
        lambda contract: _member(contract, "tags")["propertyNames"].update(maxLength=3),
        "tags.<name>: maxLength",
    ),
    "command: another exclusion": (_set(_member_of("name"), "not", {"pattern": "x"}), ".name: not"),
    "command: an exclusion where there was none": (_set(_bins, "not", {"maxItems": 2}), "Bins: not"),
    "command: unique items": (_set(_metrics, "uniqueItems", True), "Metrics: uniqueItems"),
    "command: one more condition": (_set(_command, "allOf", [{"required": ["tags"]}]), "Model.data: allOf"),
    "command: another condition": (
        lambda contract: _config(contract)["allOf"][0].update(then={"required": ["x"]}),
        "audienceSizeConfig: allOf",
    ),
    "command: keys of a map where there were none": (
        lambda contract: _bins(contract).update(propertyNames={"maxLength": 3}),
        "audienceSizeBins: propertyNames",
    ),
    "command: a keyword that the gate does not know": (_set(_bins, "minContains", 2), "Bins: minContains"),
    "reply: a keyword that the gate does not know": (_set(_reply_member("attempts"), "multipleOf", 2), "multipleOf"),
    "command: an attribute has become required": (
        lambda contract: _attributes(contract)["required"].append("time"),
        "attributes.time: required",
    ),
    "command: unknown attributes are refused": (
        _set(_attributes, "additionalProperties", False),
        "attributes: additionalProperties",
    ),
    "command: an attribute that is named now was let pass": (
        lambda contract: _attributes(contract)["properties"].update(mine={"type": "string", "maxLength": 9}),
        "attributes.mine: maxLength",
    ),
    "command: an attribute that is named no longer is judged as any other": (
        _pop(_properties(_attributes), "priority"),
        "attributes.priority: not",
    ),
    "command: gone": (_pop(lambda contract: contract["commands"], "GetAudienceModel"), "GetAudienceModel: removed"),
    "command: renamed": (_set(lambda contract: contract["commands"]["GetAudienceModel"], "type", "x"), "Model: type"),
    "reply: a member was removed": (_pop(_properties(_reply), "operation"), "failed.data.operation: removed"),
    "reply: no longer guaranteed": (lambda contract: _reply(contract)["required"].remove("error"), "error: required"),
    "reply: another type": (_set(_reply_member("attempts"), "type", "string"), "attempts: type"),
    "reply: a wider type": (_set(_reply_member("commandId"), "type", ["string", "null"]), "commandId: type"),
    "reply: an integer has become a number": (_set(_reply_member("attempts"), "type", "number"), "attempts: type"),
    "reply: deep inside": (lambda contract: _error(contract)["required"].remove("code"), "error.code: required"),
    "reply: deeper inside": (
        lambda contract: _error(contract)["properties"]["violations"]["items"]["properties"].pop("path"),
        "violations[].path: removed",
    ),
    "reply: another key": (_set(lambda contract: contract["replies"]["failed"], "key", "x"), "failed: key"),
    "reply: another kind for publishers that wait": (
        lambda contract: contract["replies"].update(postponed=contract["replies"]["failed"]),
        "postponed: closed-set",
    ),
    "reply: a kind is gone": (_pop(lambda contract: contract["replies"], "parked"), "parked: removed"),
    "result: a member was removed": (
        lambda contract: _result(contract)["properties"].pop("trainingDatasetArn"),
        "results.CreateAudienceModel.data.result.trainingDatasetArn: removed",
    ),
    "result: no longer guaranteed": (
        lambda contract: _result(contract)["required"].remove("status"),
        "status: required",
    ),
    "result: gone": (_pop(lambda contract: contract["results"], "TagResource"), "results.TagResource: removed"),
    "event: a member of the resource was removed": (
        lambda contract: _event(contract)["properties"]["resource"]["properties"].pop("kmsKeyArn"),
        "audience-model.data.resource.kmsKeyArn: removed",
    ),
    "event: a member was removed": (_pop(_properties(_event), "previousStatus"), "previousStatus: removed"),
    "event: no longer guaranteed": (lambda contract: _event(contract)["required"].remove("region"), "region: required"),
    "event: a closed set was widened": (
        lambda contract: _event_attributes(contract)["properties"]["specversion"].update(const="2.0"),
        "specversion: enum",
    ),
    "event: a closed set was opened": (
        lambda contract: _event_attributes(contract)["properties"]["sequencetype"].pop("const"),
        "sequencetype: enum",
    ),
    "event: another type name": (
        _set(lambda contract: contract["events"]["tags"], "type", "tags.changed"),
        "events.tags: type",
    ),
    "event: another key": (_set(lambda contract: contract["events"]["tags"], "key", "x"), "events.tags: key"),
    "event: gone": (_pop(lambda contract: contract["events"], "tags"), "events.tags: removed"),
    "dead letter: a header is gone": (
        lambda contract: contract["deadLetters"]["dead-letter"]["headers"]["properties"].pop("dlq_reason"),
        "dlq_reason: removed",
    ),
    "an older version": (_set(lambda contract: contract, "version", 0), "version: version"),
}

HARMLESS: dict[str, Edit] = {
    "command: a new optional member": _set(_properties(_command), "colour", {"type": "string"}),
    "command: no longer required": lambda contract: _command(contract)["required"].remove("name"),
    "command: a wider type": _set(_member_of("name"), "type", ["string", "integer"]),
    "command: an integer may be a number": _set(_member_of("minMatchingSeedSize"), "type", "number"),
    "command: a value more": lambda contract: _member(contract, "childResourceTagOnCreatePolicy")["enum"].append("X"),
    "command: an enumeration was opened": _pop(_member_of("childResourceTagOnCreatePolicy"), "enum"),
    "command: an exclusion was dropped": _pop(_member_of("name"), "not"),
    "command: items need not be unique": _pop(_bins, "uniqueItems"),
    "command: a condition was dropped": lambda contract: _config(contract)["allOf"].clear(),
    "command: a condition is explained": lambda contract: _config(contract)["allOf"][0].update({"$comment": "x"}),
    "reply: a condition more": lambda contract: _reply(contract).update(allOf=[{"required": ["error"]}]),
    "command: a pattern was dropped": _pop(_arn, "pattern"),
    "command: a higher maximum": _set(_member_of("minMatchingSeedSize"), "maximum", 10**9),
    "command: a lower minimum": _set(_member_of("minMatchingSeedSize"), "minimum", 1),
    "command: no maximum": _pop(_member_of("name"), "maxLength"),
    "command: another description": _set(_member_of("name"), "description", "other words"),
    "command: unknown members are let pass": _set(_command, "additionalProperties", True),
    "command: a new one": lambda contract: contract["commands"].update(New=contract["commands"]["TagResource"]),
    "reply: a new member": _set(_properties(_reply), "colour", {"type": "string"}),
    "reply: guaranteed by now": lambda contract: _error(contract)["required"].append("httpStatus"),
    "reply: a narrower type": _set(_reply_member("durationSeconds"), "type", "integer"),
    "reply: shorter": _set(_reply_member("commandId"), "maxLength", 10),
    "reply: a pattern": _set(_reply_member("commandId"), "pattern", "^x$"),
    "event: an open set was closed": _set(_properties(_event), "status", {"type": "string", "enum": ["ACTIVE"]}),
    "event: more examples": lambda contract: _event(contract)["properties"]["status"]["examples"].append("X"),
    "event: a new kind": lambda contract: contract["events"].update(new=contract["events"]["tags"]),
}


def _cases(table: dict[str, Any]) -> list[Any]:
    return [pytest.param(case, id=what.replace(" ", "-")) for what, case in table.items()]


def test_the_contract_is_compatible_with_itself(contract: Contract) -> None:
    assert list(breaks(contract, copy.deepcopy(contract))) == []


@pytest.mark.parametrize("case", _cases(BREAKS))
def test_a_break_is_found_and_named(contract: Contract, case: tuple[Edit, str]) -> None:
    edit, named = case
    fresh = copy.deepcopy(contract)
    edit(fresh)
    found = [str(one) for one in breaks(contract, fresh)]
    assert len(found) == 1, found
    assert named in found[0]


@pytest.mark.parametrize("case", _cases({what: edit for what, (edit, _) in BREAKS.items() if "version" not in what}))
def test_a_raised_version_permits_it(contract: Contract, case: Edit) -> None:
    fresh = copy.deepcopy(contract)
    case(fresh)
    fresh["version"] += 1
    assert list(breaks(contract, fresh)) == []


def test_an_alternative_may_be_added_and_not_removed(contract: Contract) -> None:
    plain = copy.deepcopy(contract)
    _command(plain)["properties"]["audienceModelArn"] = _arn(contract)
    assert [*breaks(plain, contract)] == []
    assert {one.rule for one in breaks(contract, plain)} == {"pattern", "not", "minLength"}


def test_a_part_of_all_may_gain_an_alternative_and_not_lose_one(contract: Contract) -> None:
    fewer = copy.deepcopy(contract)
    fewer["commands"]["TrackResource"]["data"]["allOf"][0]["anyOf"].pop()
    assert [*breaks(fewer, contract)] == []
    assert [one.rule for one in breaks(contract, fewer)] == ["allOf"]


def test_what_is_published_may_lose_an_alternative_and_not_gain_one(contract: Contract) -> None:
    chosen = copy.deepcopy(contract)
    status = _event(chosen)["properties"]["status"]
    status["anyOf"] = [{"type": "string"}, {"type": "integer"}]
    del status["type"]
    assert [*breaks(chosen, contract)] == []
    assert [one.rule for one in breaks(contract, chosen)] == ["type"]


@pytest.mark.parametrize("case", _cases(HARMLESS))
def test_growth_is_let_pass(contract: Contract, case: Edit) -> None:
    fresh = copy.deepcopy(contract)
    case(fresh)
    assert fresh != contract
    assert [str(one) for one in breaks(contract, fresh)] == []


def test_what_others_read_keeps_its_conditions(contract: Contract) -> None:
    before = copy.deepcopy(contract)
    _reply(before)["allOf"] = [{"required": ["error"]}]
    (found,) = breaks(before, contract)
    assert (found.path, found.rule, found.now) == ("replies.failed.data", "allOf", None)


def test_the_version_in_force_is_published_and_others_are_not() -> None:
    current = published()
    assert current is not None
    assert current["version"] == json_schemas.CONTRACT_VERSION
    assert published(json_schemas.CONTRACT_VERSION + 1) is None
