"""The page of the reference's walk agrees with the contract as it is now, and the walk sees a difference."""

import re

import pytest

from schemas.operations import OPERATIONS
from tests.others.walk import PAGE, contracted, differences, documented

ROWS = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))

REFERENCE = """deleteAudienceModel(params = {}, callback) ⇒ AWS.Request

var params = {
  audienceModelArn: 'STRING_VALUE', /* required */
};

Parameters:

  • params (Object) (defaults to: {})
    • audienceModelArn — (String)

      The ARN.

    • force — (map)

      Invented.

      • whyrequired — (Integer)

Callback (callback):

    • data (Object)

      Nothing.
"""


def test_every_operation_has_a_row() -> None:
    assert set(ROWS) == set(OPERATIONS)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_a_row_counts_what_the_contract_has(name: str) -> None:
    requested, responded, different = ROWS[name].split(" | ")
    ours = contracted(name)
    for side, count in (("request", requested.split(",")[0]), ("response", responded)):
        newer = re.findall(rf"{side}: `([\w.]+)` is not in the reference", different)
        assert len(getattr(ours, side).types) == int(count) + len(newer)
        assert set(newer) <= getattr(ours, side).types.keys()


def test_a_difference_is_seen() -> None:
    found = documented(REFERENCE)["DeleteAudienceModel"]
    assert list(differences(found, contracted("DeleteAudienceModel"))) == [
        "request: `force` is only in the reference",
        "request: `force.why` is only in the reference",
        "request: whether `force.why` is required",
    ]
