"""Every knob of the sandbox: type, default, unit, one sentence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from sandbox.cleanroomsml.assumptions import Assumptions

Profile = Literal["demo", "aws"]
MINIMUM_SIZES: Final[Mapping[str, tuple[int, int]]] = {"aws": (100_000, 1_000_000), "demo": (100, 1_000)}
"""Fewest users and records a training needs, by profile; `demo` admits MovieLens-100k."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things take at least, in seconds before scaling."""

    pending: float = 0.2
    """CREATE_PENDING and DELETE_PENDING last this long."""
    floor: float = 0.5
    """CREATE_IN_PROGRESS and DELETE_IN_PROGRESS last at least this long, or as long as the work does."""
    scale: float = 1.0
    """Multiplies both."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """AWS's published defaults, per account and Region."""

    audience_models: int = 2
    """Audience models pending or in progress."""
    generation_jobs: int = 10
    """Audience generation jobs pending or in progress."""
    export_jobs: int = 20
    """Audience export jobs pending or in progress."""
    exports_per_generation_job: int = 25
    """Audience export jobs of one generation job that have not failed."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A key pair and the account it belongs to."""

    key: str
    secret: str = field(repr=False)
    account: str

    @classmethod
    def parse(cls, text: str) -> "AccessKey":
        """Read `KEY:SECRET:ACCOUNT`.

        Raises:
            ValueError: It has another form; the message does not repeat the secret.
        """
        key, secret, account = [*text.split(":", 2), "", ""][:3]
        if not (key and secret and re.fullmatch(r"[0-9]{12}", account)):
            raise ValueError(f"access key {key!r}: expected KEY:SECRET:ACCOUNT with an account of 12 digits")
        return cls(key, secret, account)


@dataclass(frozen=True, slots=True)
class Options:
    """One sandbox."""

    host: str = "127.0.0.1"
    """Address to listen on; the admin endpoints are unprotected, so keep it on loopback."""
    port: int = 4599
    """Port to listen on; 0 picks a free one."""
    profile: Profile = "demo"
    """`aws` enforces the real minimum sizes of training data, `demo` lowers them."""
    assume: Assumptions = field(default_factory=Assumptions)
    """What is assumed where AWS documents nothing."""
    timing: Timing = field(default_factory=Timing)
    """Durations of lifecycle states."""
    quotas: Quotas = field(default_factory=Quotas)
    """Concurrency quotas."""
    workers: int = 1
    """Processes that train, generate and export."""
    random_seed: int = 7
    """Makes results repeatable, byte for byte."""
    default_account: str = "123456789012"
    """The account of access keys that are neither 12 digits nor came from AssumeRole."""
    request_log: Path | None = None
    """File to which each request is appended as a JSON line; none by default."""
    data_dir: Path | None = None
    """Where everything is kept, and found again by the next start; by default nothing outlives the sandbox."""
    access_keys: tuple[AccessKey, ...] = ()
    """Key pairs that belong to chosen accounts."""
    check_signatures: bool = False
    """Whether requests without a valid SigV4 signature are refused."""
    jobs_module: str = "sandbox.jobs.worker"
    """Module that does the work; tests name a faster one."""

    @property
    def minimum_sizes(self) -> tuple[int, int]:
        """Fewest users, fewest records."""
        return MINIMUM_SIZES[self.profile]
