"""Which account, Region and service a request is for, and which keys belong to whom."""

import pytest

from sandbox import SECRET
from sandbox.cleanroomsml.accounts import Accounts, Caller
from sandbox.cleanroomsml.options import AccessKey
from sandbox.cleanroomsml.persistence import InMemory

DEFAULT, ACCOUNT, OTHER = "123456789012", "111122223333", "444455556666"
GIVEN = AccessKey("AKIAGIVEN", "s3cret", ACCOUNT)


def header(key: str, service: str = "s3", region: str = "eu-west-1") -> dict[str, str]:
    scope = f"Credential={key}/20261127/{region}/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}


def assumed(key: str, secret: str, account: str = OTHER, session: str = "night@run") -> str:
    return (
        "<AssumeRoleResponse><AssumeRoleResult><Credentials>"
        f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>t</SessionToken>"
        "</Credentials><AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId>"
        f"<Arn>arn:aws:sts::{account}:assumed-role/reader/{session}</Arn></AssumedRoleUser>"
        "</AssumeRoleResult></AssumeRoleResponse>"
    )


class Kept(InMemory):
    """Persistence that keeps keys, for a process after this one."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, str, str]] = {}

    def access_keys(self):  # type: ignore[no-untyped-def]
        return iter(self.keys.values())

    def save_key(self, key: str, account: str, secret: str) -> None:
        self.keys[key] = (key, account, secret)


@pytest.mark.parametrize(
    ("key", "account", "secret"),
    [
        (ACCOUNT, ACCOUNT, SECRET),
        (GIVEN.key, GIVEN.account, GIVEN.secret),
        ("AKIAUNKNOWN", DEFAULT, None),
        ("12345678901", DEFAULT, None),
        ("1234567890123", DEFAULT, None),
        ("", DEFAULT, None),
    ],
    ids=["12 digits", "given", "unknown", "11 digits", "13 digits", "empty"],
)
def test_account_and_secret_of_a_key(key: str, account: str, secret: str | None) -> None:
    accounts = Accounts(DEFAULT, (GIVEN,))
    assert (accounts.of(key), accounts.secret_of(key)) == (account, secret)


def test_a_given_key_of_12_digits_belongs_to_the_account_named_with_it() -> None:
    accounts = Accounts(DEFAULT, (AccessKey(ACCOUNT, "own", OTHER),))
    assert (accounts.of(ACCOUNT), accounts.secret_of(ACCOUNT)) == (OTHER, "own")


def test_the_scope_is_read_from_the_header_or_from_a_presigned_url() -> None:
    accounts = Accounts(DEFAULT, (GIVEN,))
    expected = Caller(ACCOUNT, "eu-west-1", "s3")
    assert accounts.identify(header(GIVEN.key), {}) == expected
    query = {"X-Amz-Credential": f"{GIVEN.key}/20261127/eu-west-1/s3/aws4_request"}
    assert accounts.identify({}, query) == expected
    assert accounts.identify(header(GIVEN.key, "glue"), query) == Caller(ACCOUNT, "eu-west-1", "glue")


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, {}),
        ({"Authorization": "Basic eDp5"}, {}),
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=k/2026/eu-west-1/s3/aws4_request"}, {}),
        ({"Authorization": "AWS4-HMAC-SHA256 Credential=k/20261127/eu-west-1/s3"}, {}),
        ({}, {"X-Amz-Credential": "k/20261127/eu-west-1/s3/aws4_request/more"}),
    ],
)
def test_what_carries_no_scope_is_unsigned(headers: dict[str, str], query: dict[str, str]) -> None:
    assert Accounts(DEFAULT).identify(headers, query) is None


def test_the_keys_of_an_assumed_role_belong_to_the_roles_account_and_carry_the_session() -> None:
    accounts = Accounts(DEFAULT)
    accounts.learn(assumed("ASIAROLE", "made/+="), Caller(ACCOUNT, "eu-west-1", "sts"))
    assert (accounts.of("ASIAROLE"), accounts.secret_of("ASIAROLE")) == (OTHER, "made/+=")
    assert accounts.identify(header("ASIAROLE"), {}) == Caller(OTHER, "eu-west-1", "s3", "night@run")


@pytest.mark.parametrize(("caller", "account"), [(Caller(ACCOUNT, "eu-west-1", "iam"), ACCOUNT), (None, DEFAULT)])
def test_the_keys_of_a_user_belong_to_who_asked_for_them(caller: Caller | None, account: str) -> None:
    body = (
        "<CreateAccessKeyResponse><CreateAccessKeyResult><AccessKey><UserName>u</UserName>\n"
        "<AccessKeyId>AKIAUSER</AccessKeyId>\n<SecretAccessKey>one</SecretAccessKey>\n</AccessKey>"
        "</CreateAccessKeyResult></CreateAccessKeyResponse>"
    )
    accounts = Accounts(DEFAULT)
    accounts.learn(body, caller)
    assert (accounts.of("AKIAUSER"), accounts.secret_of("AKIAUSER")) == (account, "one")
    assert accounts.identify(header("AKIAUSER"), {}) == Caller(account, "eu-west-1", "s3")


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<Error><AccessKeyId>AKIAX</AccessKeyId></Error>",
        "<member><UserName>u</UserName><AccessKeyId>AKIAX</AccessKeyId><Status>Active</Status></member>",
        "<Credentials><AccessKeyId>AKIAX</AccessKeyId></Credentials><SecretAccessKey>s</SecretAccessKey>",
    ],
    ids=["empty", "an error that names a key", "a list of keys", "a secret outside"],
)
def test_an_answer_without_a_whole_pair_teaches_nothing(body: str) -> None:
    accounts = Accounts(DEFAULT)
    accounts.learn(body, Caller(ACCOUNT, "eu-west-1", "iam"))
    assert (accounts.of("AKIAX"), accounts.secret_of("AKIAX")) == (DEFAULT, None)


def test_issued_keys_outlive_the_process_and_end_with_a_reset() -> None:
    kept = Kept()
    Accounts(DEFAULT, (), kept).learn(assumed("ASIAROLE", "made"), None)
    after = Accounts(DEFAULT, (GIVEN,), kept)
    assert (after.of("ASIAROLE"), after.secret_of("ASIAROLE")) == (OTHER, "made")
    after.forget()
    assert (after.of("ASIAROLE"), after.secret_of("ASIAROLE")) == (DEFAULT, None)
    assert after.identify(header("ASIAROLE"), {}) == Caller(DEFAULT, "eu-west-1", "s3")
    assert after.secret_of(GIVEN.key) == GIVEN.secret, "given keys are the options', not a session's"


def test_an_issued_key_does_not_take_the_name_of_a_given_one() -> None:
    accounts = Accounts(DEFAULT, (GIVEN,))
    accounts.learn(assumed(GIVEN.key, "other"), None)
    assert (accounts.of(GIVEN.key), accounts.secret_of(GIVEN.key)) == (GIVEN.account, GIVEN.secret)
