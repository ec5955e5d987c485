"""What to mend when AWS gives no credentials: by who refused and how."""

from typing import Any

import pytest
from botocore import exceptions
from botocore.parsers import ResponseParserError

from service.operator.diagnostics import hints
from service.operator.diagnostics.hints import NONE_FOUND, of_credentials
from service.settings import Target

ROLE = "arn:aws:iam::111122223333:role/crml"
PLAIN = Target(region="eu-west-1", role_arn=ROLE)
FULL = Target(
    region="eu-west-1", role_arn=ROLE, external_id="ours", session_tags={"team": "ads"}, source_identity="crml"
)


def refused(operation: str, code: str) -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            PLAIN,
            f"the trust policy of {ROLE} must allow sts:AssumeRole to the service, demanding no external id, as none is"
            " set",
        ),
        (
            FULL,
            f"the trust policy of {ROLE} must allow sts:AssumeRole and sts:TagSession and sts:SetSourceIdentity to"
            " the service with the external id that is set",
        ),
    ],
)
def test_a_trust_policy_must_allow_what_is_asked_for(target: Target, words: str) -> None:
    assert of_credentials(refused("AssumeRole", "AccessDenied"), target, {}).startswith(words)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ValidationError", "session_duration is above the role's maximum"),
        ("PackedPolicyTooLarge", "session_tags are too many or too long"),
        ("RegionDisabledException", "activate STS in this Region"),
        ("ExpiredToken", "the service's own credentials have expired"),
        ("InvalidClientTokenId", "the service's own credentials are not valid"),
        ("SomethingNew", "see AWS's message"),
    ],
)
def test_each_refusal_of_a_role_has_its_own_words(code: str, words: str) -> None:
    assert words in of_credentials(refused("AssumeRole", code), PLAIN, {})


def test_a_web_identity_is_named_as_far_as_it_is_known() -> None:
    error = refused("AssumeRoleWithWebIdentity", "AccessDenied")
    assert of_credentials(error, PLAIN, {}) == (
        "the trust policy of the role must allow sts:AssumeRoleWithWebIdentity to this service account"
    )
    assert "of arn:own must" in of_credentials(error, PLAIN, {"AWS_ROLE_ARN": "arn:own"})
    assert "OIDC provider" in of_credentials(refused("AssumeRoleWithWebIdentity", "InvalidIdentityToken"), PLAIN, {})


def test_an_agent_that_does_not_answer_is_the_nodes() -> None:
    for error in (
        exceptions.CredentialRetrievalError(provider="x", error_msg="y"),
        exceptions.MetadataRetrievalError(error_msg="y"),
    ):
        assert "the agent must run on this node" in of_credentials(
            error, PLAIN, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}
        )
        assert of_credentials(error, PLAIN, {}) == NONE_FOUND


@pytest.mark.parametrize("error", [refused("GetCallerIdentity", "AccessDenied"), ResponseParserError("html")])
def test_something_else_that_answers_for_sts(error: Exception) -> None:
    assert "check what answers for STS" in of_credentials(error, PLAIN, {})


@pytest.mark.parametrize("error", [exceptions.NoCredentialsError(), RuntimeError("expired")])
def test_without_credentials_somebody_must_give_them(error: Exception) -> None:
    assert of_credentials(error, PLAIN, {}) == NONE_FOUND


def test_every_code_of_a_call_can_be_written_out() -> None:
    for words in hints.CALLS.values():
        assert "{" not in words.format(action="cleanrooms-ml:x", where="https://host")


def _nothing_reached() -> list[BaseException]:
    said: dict[str, Any] = {"endpoint_url": "x", "proxy_url": "x", "error": "x"}
    return [
        TimeoutError(),
        exceptions.EndpointConnectionError(**said),
        exceptions.ConnectTimeoutError(**said),
        exceptions.ReadTimeoutError(**said),
        exceptions.ConnectionClosedError(**said),
        exceptions.ProxyConnectionError(**said),
        exceptions.SSLError(**said),
        exceptions.HTTPClientError(**said),
    ]


@pytest.mark.parametrize("error", _nothing_reached(), ids=lambda error: type(error).__name__)
def test_nothing_reached_is_a_matter_of_the_network(error: BaseException) -> None:
    assert "network to STS" in hints.of_credentials(error, Target(region="us-east-1"), {})
