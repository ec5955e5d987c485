"""What every shard is given: where each tenant hears from us, and whose topic it is."""

from service.runtime.context import OutputTopics, TenantTopics
from tests.support.clock import LoopClock
from tests.support.messages import COMMANDS
from tests.support.process import Options, make_context
from tests.support.recording_telemetry import Story

OWN = TenantTopics("films.replies", "films.events", "films.dead")


def topics(**own: TenantTopics) -> OutputTopics:
    return OutputTopics(
        changelogs={}, changes="changes", shared=TenantTopics("replies", "events", "dead"), source="s", own=own
    )


def test_a_tenant_hears_where_it_is_configured() -> None:
    assert topics(films=OWN).of("films") == OWN


def test_a_tenant_that_is_no_longer_configured_is_heard_by_all() -> None:
    assert topics(films=OWN).of("gone") == topics().of("") == TenantTopics("replies", "events", "dead")


def test_a_topic_is_its_tenants_and_any_other_the_default_ones() -> None:
    context = make_context(Story(), LoopClock(), Options(tenants=("films",)))
    assert context.tenant("cleanroomsml.films.commands") == "films"
    assert context.tenant(COMMANDS) == context.tenant("unknown") == ""
