"""Rules which the documentation states in words and the model does not, as a table of member -> rules.

A rule checks the parameters alone; rules that need other resources are in `operations`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.cleanroomsml import policy_language
from sandbox.cleanroomsml.assumptions import Assumptions
from sandbox.cleanroomsml.protocol import Problems

Params = Mapping[str, Any]
Rule = Callable[[Params, Assumptions], Problems]

MAXIMUM_TAGS: Final = 50
MAXIMUM_FEATURES: Final = 10
MAXIMUM_PERCENTAGE: Final = 100
_REQUIRED_COLUMNS: Final = ("USER_ID", "ITEM_ID", "TIMESTAMP")
_FEATURES: Final = ("CATEGORICAL_FEATURE", "NUMERICAL_FEATURE")


def tags(params: Params, _assume: Assumptions) -> Problems:
    """At most 50 tags, and none with the reserved prefix."""
    problems: Problems = []
    if len(params["tags"]) > MAXIMUM_TAGS:
        problems.append(("tags", f"Member must have at most {MAXIMUM_TAGS} tags"))
    if any(key.lower().startswith("aws:") for key in params["tags"]):
        problems.append(("tags", "Tag keys must not start with the reserved prefix aws:"))
    return problems


def training_data(params: Params, assume: Assumptions) -> Problems:
    """Exactly one column of each required type, unique names, and a bounded number of features."""
    at = "trainingData.1.member.inputConfig.schema"
    columns = params["trainingData"][0]["inputConfig"]["schema"]
    types = Counter(column["columnTypes"][0] for column in columns)
    problems: Problems = [
        (at, f"Schema must have exactly one {kind} column, found {types[kind]}")
        for kind in _REQUIRED_COLUMNS
        if types[kind] != 1 and assume.schema_columns == "exact"
    ]
    if len({column["columnName"].lower() for column in columns}) != len(columns):
        problems.append((at, "Column names must be unique"))
    if sum(types[kind] for kind in _FEATURES) > MAXIMUM_FEATURES:
        problems.append((at, f"Schema must have at most {MAXIMUM_FEATURES} feature columns"))
    return problems


def training_window(params: Params, assume: Assumptions) -> Problems:
    """The window must not be empty."""
    if assume.training_window == "free":
        return []
    start, end = params.get("trainingDataStartTime"), params.get("trainingDataEndTime")
    if start and end and start >= end:
        return [("trainingDataStartTime", "Member must be before trainingDataEndTime")]
    return []


def size_bins(params: Params, assume: Assumptions) -> Problems:
    """Unique bins; percentages between 1 and 100."""
    at, config = "audienceSizeConfig.audienceSizeBins", params["audienceSizeConfig"]
    bins = config["audienceSizeBins"]
    problems: Problems = []
    if len(set(bins)) != len(bins):
        problems.append((at, "Members must be unique"))
    if config["audienceSizeType"] == "PERCENTAGE" and max(bins) > MAXIMUM_PERCENTAGE and assume.percentages == "text":
        problems.append((at, f"Percentages must be between 1 and {MAXIMUM_PERCENTAGE}"))
    return problems


def seed(params: Params, assume: Assumptions) -> Problems:
    """Either S3 or SQL; SQL needs a collaboration and exactly one way to name the query."""
    audience = params["seedAudience"]
    sql = audience.get("sqlParameters")
    if assume.seed_sources == "one" and (sql is None) == (audience.get("dataSource") is None):
        return [("seedAudience", "Exactly one of dataSource and sqlParameters must be set")]
    problems: Problems = []
    if sql is None:
        if "sqlComputeConfiguration" in audience:
            problems.append(("seedAudience.sqlComputeConfiguration", "Member is allowed only with sqlParameters"))
        return problems
    if "collaborationId" not in params and assume.sql_collaboration == "required":
        problems.append(("collaborationId", "Member must not be null when seedAudience.sqlParameters is set"))
    if bool(sql.get("queryString")) == bool(sql.get("analysisTemplateArn")):
        at = "seedAudience.sqlParameters"
        problems.append((at, "Exactly one of queryString and analysisTemplateArn must be set"))
    return problems


def audience_size(params: Params, assume: Assumptions) -> Problems:
    """A percentage is between 1 and 100."""
    size = params["audienceSize"]
    if size["type"] == "PERCENTAGE" and size["value"] > MAXIMUM_PERCENTAGE and assume.percentages == "text":
        return [("audienceSize.value", f"Percentages must be between 1 and {MAXIMUM_PERCENTAGE}")]
    return []


def policy(params: Params, _assume: Assumptions) -> Problems:
    """The policy is a JSON object whose statements can be evaluated."""
    at = "configuredAudienceModelPolicy"
    return [(at, problem) for problem in policy_language.problems(params[at])]


RULES: Final[Mapping[str, Rule]] = {
    "tags": tags,
    "trainingData": training_data,
    "trainingDataEndTime": training_window,
    "audienceSizeConfig": size_bins,
    "seedAudience": seed,
    "audienceSize": audience_size,
    "configuredAudienceModelPolicy": policy,
}
"""Which rule a member's presence calls for, whatever the operation."""


def check(params: Params, assume: Assumptions) -> Problems:
    """List the rules broken by a request which already satisfies the model."""
    return [problem for member, rule in RULES.items() if member in params for problem in rule(params, assume)]
