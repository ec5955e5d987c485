"""The numbers on which the core's decisions depend, from the settings."""

from service import tenancy
from service.core.timing import Policy
from service.settings import Settings


def policy(settings: Settings) -> Policy:
    """The numbers for the core."""
    timing = settings.timing
    return Policy(
        call_window=timing.call_window,
        settle=timing.settle,
        search_delays=timing.search_delays,
        accepted_limit=timing.accepted_search_limit,
        search_limit=timing.search_limit,
        read_retry_limit=timing.read_retry_limit,
        write_retry_limit=timing.write_retry_limit,
        backoff_base=timing.retry_base,
        backoff_cap=timing.retry_cap,
        backoffs={
            name: (target.retry_base or timing.retry_base, target.retry_cap or timing.retry_cap)
            for name, target in settings.targets.items()
        },
        quota_retry=timing.quota_retry,
        retention=timing.retention,
        running_limits=timing.running_limit,
        targets={name: (facts.account, facts.region) for name, facts in tenancy.facts(settings).items()},
    )
