"""Every way into Kafka, on a real one; and what `check` says of somebody who is not let in."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from service.operator.access.kafka_acls import acls
from service.operator.diagnostics.checks import check_kafka
from service.settings import load
from tests.acceptance.canaries import leaks
from tests.acceptance.harness import ServiceProcess
from tests.secured.authority import KEY_PASSWORD, Authority, Issuer
from tests.secured.clients import Environment, environment, made, privileged
from tests.secured.fortress import MTLS, OAUTH, Fortress
from tests.support.sandbox_account import World

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

SUBJECT = "crml-tokens"
CLIENT_SECRET = "canary-client-secret"


async def _wrong(variables: Environment) -> list[str]:
    return [line.message for line in await check_kafka(load(environ=variables)) if not line.ok]


def _granted(fortress: Fortress, variables: Environment) -> Environment:
    """With the rights that the settings themselves say."""
    fortress.grant(row for row in acls(load(environ=variables)) if row.component == "service")
    return variables


def _without(variables: Environment, *words: str) -> Environment:
    return {name: value for name, value in variables.items() if not any(word in name for word in words)}


def _mtls(fortress: Fortress, prefix: str, certificate: Path, key: Path) -> Environment:
    return {
        **_without(environment(fortress, "x", prefix, MTLS), "SASL"),
        "CRML_KAFKA__SECURITY_PROTOCOL": "SSL",
        "CRML_KAFKA__SSL_CERT_FILE": str(certificate),
        "CRML_KAFKA__SSL_KEY_FILE": str(key),
        "CRML_KAFKA__SSL_KEY_PASSWORD": KEY_PASSWORD,
        "CRML_KAFKA__PRINCIPAL": f"User:CN={certificate.stem}",
    }


def _tokens(fortress: Fortress, prefix: str, provider: str, **oauth: str) -> Environment:
    return {
        **_without(environment(fortress, "x", prefix, OAUTH), "USERNAME", "PASSWORD"),
        "CRML_KAFKA__SASL_MECHANISM": "OAUTHBEARER",
        "CRML_KAFKA__PRINCIPAL": f"User:{SUBJECT}",
        "CRML_KAFKA__OAUTH__PROVIDER": provider,
        **{f"CRML_KAFKA__OAUTH__{name}": value for name, value in oauth.items()},
    }


@asynccontextmanager
async def _endpoint(authority: Authority, issuer: Issuer, given: list[str] | None = None) -> AsyncIterator[str]:
    """A token endpoint by https, which wants the client secret, and notes what it has given."""
    noted = given if given is not None else []

    async def give(request: web.Request) -> web.Response:
        form = parse_qs(await request.text())
        if request.headers.get("Authorization") != "Basic Y3JtbDpjYW5hcnktY2xpZW50LXNlY3JldA==":
            return web.json_response({"error": "invalid_client"}, status=401)
        token = issuer.token(SUBJECT, scope=form["scope"][0])
        noted.append(token)
        return web.json_response({"access_token": token, "expires_in": 300, "token_type": "Bearer"})

    app = web.Application()
    app.router.add_post("/token", give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("issuer"))
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}/token"
    finally:
        await runner.cleanup()


async def test_mtls(fortress: Fortress) -> None:
    certificate, key = fortress.authority.issue("crml-mtls", password=KEY_PASSWORD)
    variables = _mtls(fortress, made(fortress, "mtls"), certificate, key)
    right = "Write on topic mtls.events is missing for User:CN=crml-mtls; grant it with: kafka-acls.sh"
    fortress.grant(
        row for row in acls(load(environ=variables)) if row.component == "service" and "events" not in row.name
    )
    assert any(message.startswith(right) for message in await _wrong(variables))
    assert await _wrong(_granted(fortress, variables)) == []


async def test_scram_with_the_password_in_a_file(fortress: Fortress, tmp_path: Path) -> None:
    variables = privileged(fortress, "service", made(fortress, "scram"))
    file = tmp_path / "password"
    file.write_text(variables.pop("CRML_KAFKA__SASL_PASSWORD") + "\n")
    assert await _wrong({**variables, "CRML_KAFKA__SASL_PASSWORD_FILE": str(file)}) == []


async def test_tokens_of_an_endpoint(fortress: Fortress) -> None:
    made(fortress, "tokens")
    async with _endpoint(fortress.authority, fortress.issuer) as url:
        ca = str(fortress.authority.file)
        client = {
            "TOKEN_URL": url,
            "CLIENT_ID": "crml",
            "CLIENT_SECRET": CLIENT_SECRET,
            "SCOPE": "kafka",
            "CA_FILE": ca,
        }
        variables = _tokens(fortress, "tokens", "client_credentials", **client)
        assert await _wrong(_granted(fortress, variables)) == []
        (told,) = await _wrong({**variables, "CRML_KAFKA__OAUTH__CLIENT_SECRET": "wrong"})
        assert "can't be shown a token: token endpoint" in told
        assert "HTTP 401 invalid_client; check client_id and client_secret" in told
        (told,) = await _wrong(_without(variables, "OAUTH__CA_FILE"))
        assert "certificate verify failed" in told


async def test_no_token_and_no_client_secret_in_the_log(fortress: Fortress, world: World, tmp_path: Path) -> None:
    made(fortress, "quiet")
    given: list[str] = []
    async with _endpoint(fortress.authority, fortress.issuer, given) as url:
        client = {"TOKEN_URL": url, "CLIENT_ID": "crml", "CLIENT_SECRET": CLIENT_SECRET, "SCOPE": "kafka"}
        variables = _tokens(fortress, "quiet", "client_credentials", **client, CA_FILE=str(fortress.authority.file))
        running = ServiceProcess(
            {
                **_granted(fortress, variables),
                "AWS_ENDPOINT_URL": world.url,
                "AWS_ACCESS_KEY_ID": world.account,
                "AWS_SECRET_ACCESS_KEY": "canary-aws-secret-key",
                "CRML_LOG__LEVEL": "debug",
            },
            tmp_path / "service.log",
        )
        running.start()
        await running.ready(90)
        assert await running.terminate(60) == 0
        running.environment = {**running.environment, "CRML_KAFKA__OAUTH__CLIENT_SECRET": "canary-wrong-secret"}
        done = await asyncio.to_thread(running.command, "run")
    assert done.returncode == 3
    assert "HTTP 401 invalid_client" in done.stdout
    assert given
    proofs = {part for token in given for part in token.split(".")[1:]}
    log = running.log.read_text() + done.stdout + done.stderr
    assert leaks(log, [CLIENT_SECRET, "canary-wrong-secret", "canary-aws-secret-key", *proofs]) == []


async def test_tokens_of_a_file(fortress: Fortress, tmp_path: Path) -> None:
    made(fortress, "files")
    file = tmp_path / "token"
    variables = _tokens(fortress, "files", "file", TOKEN_FILE=str(file))
    file.write_text(fortress.issuer.token(SUBJECT))
    assert await _wrong(_granted(fortress, variables)) == []
    forged, other_audience = Issuer(tmp_path).token(SUBJECT), fortress.issuer.token(SUBJECT, aud="somebody-else")
    for token in (forged, other_audience):
        file.write_text(token)
        (told,) = await _wrong(variables)
        assert "refuses our token: check kafka.oauth" in told
        assert "invalid_token" in told
        assert token not in told
    file.write_text(fortress.issuer.token(SUBJECT, iat=time.time() - 100, exp=time.time() - 50))
    (told,) = await _wrong(variables)
    assert "the token expired 5" in told


async def test_whoever_is_not_let_in_is_told_why(fortress: Fortress, tmp_path: Path) -> None:
    good = privileged(fortress, "service", made(fortress, "strange"))
    stranger = Authority(tmp_path, "a stranger")
    strange = _mtls(fortress, "strange", *stranger.issue("stranger", password=KEY_PASSWORD))
    wrong = {
        "refuses user strange-service: check sasl_username and sasl_password": {
            **good,
            "CRML_KAFKA__SASL_PASSWORD": "canary-wrong",
        },
        "does not offer sasl_mechanism PLAIN": {**good, "CRML_KAFKA__SASL_MECHANISM": "PLAIN"},
        "shows a certificate that is not to be trusted: unable to get local issuer certificate; check ssl_ca_file": {
            **good,
            "CRML_KAFKA__SSL_CA_FILE": str(stranger.file),
        },
        "certificate that is not to be trusted: Hostname mismatch": {
            **good,
            "CRML_KAFKA__BOOTSTRAP_SERVERS": good["CRML_KAFKA__BOOTSTRAP_SERVERS"].replace("127.0.0.1", "localhost"),
        },
        "check security_protocol": {**_without(good, "SASL", "SSL"), "CRML_KAFKA__SECURITY_PROTOCOL": "PLAINTEXT"},
        "check security_protocol, ssl_cert_file and ssl_key_file": strange,
        "ssl_cert_file": _without(strange, "CERT_FILE", "KEY_FILE", "KEY_PASSWORD"),
    }
    for told, variables in wrong.items():
        (message,) = await _wrong(variables)
        assert message.startswith("no broker accepts the connection: "), message
        assert told in message
        assert "canary" not in message
