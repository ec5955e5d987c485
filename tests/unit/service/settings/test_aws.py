"""Addresses in the settings: what can be called is taken, anything else refused by name with the remedy."""

import itertools

import pytest
from botocore.utils import is_valid_uri
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from service.settings.aws import address_fault, is_exposed
from service.settings.base import is_ipv6
from tests.unit.service.settings.test_model import refused, settings

SCHEMES = {
    "https://": "",
    "http://": "",
    "HTTPS://": "",
    **dict.fromkeys(("", "ftp://", "://", "//"), "begin"),
    "https:": "host",
}
USERS = {"": "", **dict.fromkeys(("u@", "u:canary@", "@", "a@b@"), "user name")}
HOSTS = {
    **dict.fromkeys(
        ("h", "localhost", "a.b-c.example", "a.b.", "10.0.0.1", "x" * 63, "9a", "xn--bcher-kva.example"), ""
    ),
    **dict.fromkeys(("[::1]", "[fd00::1]", "[::ffff:10.0.0.1]"), ""),
    **dict.fromkeys(
        ("", ".", "a..b", "-a", "a-", "x" * 64, ".a", "10.0.0.256", "1.2.3", "a*b", "a\\b", "h" + ".h" * 127), "host"
    ),
    **dict.fromkeys(("[b]", "[::1", "::1]", "[]", "[::1]x", "x[::1]", "[1.2.3.4]", "[::1][::1]", "[g::]"), "IPv6"),
    **dict.fromkeys(("xn--a", "xn--zz--zz", "a.XN--A", "xn--a.example.", "xn--" + "a" * 59), "xn--"),
    **dict.fromkeys(("a b", "\u00e4.example", "a\tb", "a\x00", "\uff11"), "ASCII"),
}
PORTS = {
    **dict.fromkeys(("", ":1", ":65535", ":08080"), ""),
    **dict.fromkeys((":", ":0", ":65536", ":99999", ":a", ":-1", ":+1", ":1:2", ":8080x", ":1.5"), "port"),
}
PATHS = {"": "", "/": "", "/a/b": "", "/a b": "ASCII", "/\u00e9": "ASCII"}
QUERIES = {"": "", "?": "query", "?a=1": "query"}
FRAGMENTS = {"": "", "#": "fragment", "#f": "fragment"}
PARTS = (SCHEMES, USERS, HOSTS, PORTS, PATHS, QUERIES, FRAGMENTS)
ALONE = [
    ("".join(each if parts is one else next(iter(parts)) for parts in PARTS), said)
    for one in PARTS
    for each, said in one.items()
]


@pytest.mark.parametrize(("url", "said"), ALONE, ids=ascii)
def test_each_fault_alone_is_named(url: str, said: str) -> None:
    fault = address_fault(url, of_aws=True)
    assert bool(fault) == bool(said), fault
    assert said in fault.partition(", ")[2]
    assert not fault or fault.startswith("a URL such as https://host:port, ")
    assert "canary" not in fault


@given(st.tuples(*(st.sampled_from(list(parts)) for parts in PARTS)), st.booleans())
def test_an_address_is_taken_if_all_its_parts_are_right(chosen: tuple[str, ...], of_aws: bool) -> None:
    url = "".join(chosen)
    fault = address_fault(url, of_aws=of_aws)
    right = not any(parts[each] for parts, each in zip(PARTS, chosen, strict=True))
    assert bool(fault) != right, (url, fault)


@given(st.text("htps:/[]@?#.-_%xn1\u00e4 \t", max_size=24).map("http://".__add__) | st.text(max_size=20))
def test_what_is_taken_can_be_called(url: str) -> None:
    if not address_fault(url, of_aws=True):
        assert is_valid_uri(url), "AWS's SDK would refuse it when it is called"
    if not address_fault(url, user=True, query=True):
        assert URL(url).host
        assert 1 <= (URL(url).port or 0) <= 65_535


def test_what_each_kind_of_address_may_have() -> None:
    assert not address_fault("http://u:p@proxy_1:3128/", user=True, path=False)
    assert "without a path" in address_fault("http://proxy/p", user=True, path=False)
    assert not address_fault("https://idp/token?p=policy", query=True)
    assert "without '_'" in address_fault("http://aws_sandbox:4599", of_aws=True)


BAD = (
    "https://h:99999",
    "https://h:0",
    "https://h?x=1",
    "https://h#f",
    "https://a b",
    "h:80",
    "https://",
    "https://[b]:9",
)


@pytest.mark.parametrize("name", ["ENDPOINT_URL", "STS_ENDPOINT_URL", "PROXY"])
@pytest.mark.parametrize("url", BAD)
def test_settings_name_the_address_and_the_remedy(name: str, url: str) -> None:
    message = refused(None, **{f"CRML_TARGETS__A__{name}": url})
    assert f"targets.a.{name.lower()}: found " in message
    assert f"CRML_TARGETS__A__{name}; expected: a URL such as https://host:port, " in message


@pytest.mark.parametrize("name", ["ENDPOINT_URL", "STS_ENDPOINT_URL", "PROXY"])
def test_a_user_name_is_never_repeated(name: str) -> None:
    assert "canary" not in refused(None, **{f"CRML_TARGETS__A__{name}": "https://user:canary@host:99999/"})


def test_a_proxy_may_have_a_user_name() -> None:
    proxy = settings(CRML_TARGETS__A__PROXY="http://u:p@proxy_1:3128").targets["a"].proxy
    assert proxy is not None
    assert proxy.get_secret_value() == "http://u:p@proxy_1:3128"


def test_what_cannot_be_read_counts_as_exposed() -> None:
    assert is_exposed("http://[::1")
    assert not is_exposed("http://[::1]:1")


@pytest.mark.parametrize("host", ["b", "a:b:c", "1.2.3.4", "::g", "1::2::3", "12345::", ":::", "fe80::1%"])
def test_brackets_of_a_broker_hold_an_ipv6_address(host: str) -> None:
    assert not is_ipv6(host)
    for text in (f"[{host}]:9092", f"[{host}]", f"a:1,[{host}]:2"):
        assert "kafka.bootstrap_servers: found" in refused(CRML_KAFKA__BOOTSTRAP_SERVERS=text)


@pytest.mark.parametrize("ignored", ["true", "True", " TRUE\n"])
def test_endpoints_of_the_environment_are_ignored_where_aws_says_so(ignored: str) -> None:
    url = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    own = settings(**url, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=ignored).targets["default"]
    assert own.endpoint_url is None
    for other in ("false", "", "yes", "1"):  # AWS's SDKs take nothing but true
        assert (
            settings(**url, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=other).targets["default"].endpoint_url
            == url["AWS_ENDPOINT_URL"]
        )
    given = settings(CRML_TARGETS__A__ENDPOINT_URL="http://127.0.0.1:2", AWS_IGNORE_CONFIGURED_ENDPOINT_URLS="true")
    assert given.targets["a"].endpoint_url == "http://127.0.0.1:2"


def test_all_faults_together_are_one_message() -> None:
    for chosen in itertools.product(("ftp://",), ("u@",), ("", "a b"), (":0",), ("/",), ("?q",), ("#f",)):
        assert address_fault("".join(chosen)).count("a URL such as") == 1
