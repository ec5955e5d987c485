"""Groups of the chart's values: each is closed, and documented by attribute docstrings.

What Kubernetes itself defines (tolerations, affinity, ...) is passed on as it is: its own API checks it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Raw = dict[str, Any]
Text = dict[str, str]
Name = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", max_length=253)]
"""A name in Kubernetes, or nothing."""

LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
CHARTS_LABELS = (
    *(f"app.kubernetes.io/{name}" for name in ("name", "instance", "version", "component", "managed-by")),
    "helm.sh/chart",
)
"""Labels that the chart itself sets: a second one of a name is refused by some clusters, and selectors miss others."""
Labels = Annotated[
    dict[str, LabelValue],
    Field(
        json_schema_extra={
            "propertyNames": {
                "pattern": r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
                "not": {"enum": list(CHARTS_LABELS)},
            }
        }
    ),
]
"""Labels in Kubernetes, but for those that the chart sets."""

Label = Annotated[str, Field(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?)?$", max_length=63)]
"""A part of a name (RFC 1123), or nothing."""

ServiceName = Annotated[str, Field(pattern=r"^([a-z]([a-z0-9-]*[a-z0-9])?)?$", max_length=52)]
"""What a Service may be called (RFC 1035), and leaves room for what Kubernetes appends, or nothing."""

Key = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]*$")]
Variable = Annotated[str, Field(pattern=r"^CRML_[A-Z0-9_]+$")]
OtelVariable = Annotated[str, Field(pattern=r"^OTEL_[A-Z0-9_]+$")]
Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[int, Field(ge=1, le=100)]
Share = Annotated[str, Field(pattern=r"^[1-9][0-9]?%$")]
Quantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?([EPTGMK]i?|[mk])?$")]


class Part(BaseModel):
    """A group of values: named as Kubernetes does, closed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, alias_generator=to_camel, populate_by_name=True
    )


class Image(Part):
    """Where the image comes from."""

    registry: str = ""
    """Registry, and a path in it, to prepend to the name; `global.imageRegistry` wins over it."""
    repository: Annotated[str, Field(min_length=1)] = "cleanroomsml-service"
    """Its name; with the registry, if `registry` is not set."""
    tag: Annotated[str, Field(pattern=r"^[\w.-]*$")] = ""
    """Its tag; the chart's `appVersion` if not set."""
    digest: Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64})?$")] = ""
    """Its digest, `sha256:...`, which wins over the tag: what was tested is what runs."""
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """When it is pulled."""
    pull_secrets: list[Raw] = []
    """Secrets for the registry, `[{name: ...}]`; those of `global.imagePullSecrets` are added."""


class SecretKey(Part):
    """One key of a Secret."""

    name: Annotated[str, Field(min_length=1)]
    """The Secret."""
    key: Annotated[str, Field(min_length=1)]
    """The key in it."""


class KafkaTls(Part):
    """Certificates for Kafka from Secrets; they are mounted, and `settings.kafka.ssl_*_file` are set to them."""

    ca_secret: Name = ""
    """Secret with the certificate to trust, such as Strimzi's `<cluster>-cluster-ca-cert`."""
    ca_key: Key = "ca.crt"
    """Its key in the Secret."""
    client_secret: Name = ""
    """Secret with our client certificate and key (mTLS), such as cert-manager's or a Strimzi `KafkaUser`'s."""
    cert_key: Key = "tls.crt"
    """The certificate's key in the Secret; a `KafkaUser` has `user.crt`."""
    private_key: Key = "tls.key"
    """The private key's key in the Secret; a `KafkaUser` has `user.key`."""


class UpdateStrategy(Part):
    """How pods are replaced when the release changes."""

    type: Literal["RollingUpdate", "OnDelete"] = "RollingUpdate"
    """OnDelete: a pod is renewed when you delete it; for a StatefulSet."""
    partition: Natural = 0
    """Of a StatefulSet: pods with a lower number keep the old release, so with 2 replicas 1 is a canary."""
    max_unavailable: Positive | Share = 1
    """Of a Deployment: pods that may be missing meanwhile."""
    max_surge: Natural | Share = 0
    """Of a Deployment: pods that may be added meanwhile; each is a member of the group, so partitions move twice."""


class ServiceAccount(Part):
    """Who the pods are, to Kubernetes and to AWS."""

    create: bool = True
    """Whether the chart makes it."""
    name: Name = ""
    """Its name; the release's full name if not set."""
    labels: Labels = {}
    """Further labels of the account, and of the hook's."""
    annotations: Text = {}
    """IRSA: `eks.amazonaws.com/role-arn: arn:aws:iam::...`. Pod Identity needs none: associate the name with a role."""
    automount_token: bool = False
    """Whether pods get a token for the Kubernetes API. The service never calls it; IRSA and Pod Identity mount
    tokens of their own."""


class Probe(Part):
    """How long Kubernetes waits before it acts."""

    period_seconds: Positive
    """Time between probes."""
    timeout_seconds: Positive = 3
    """Time for an answer."""
    failure_threshold: Positive
    """Bad answers in a row before it acts."""


class Probes(Part):
    """Startup covers the restore; readiness never asks AWS; liveness is the event loop and the Kafka client."""

    startup: Probe = Probe(period_seconds=2, failure_threshold=450)
    """`/startupz`: the first partitions are restored. The default gives them 15 minutes."""
    readiness: Probe = Probe(period_seconds=5, failure_threshold=2)
    """`/readyz`: every partition held is being served; a halted one does not count, unless all are halted."""
    liveness: Probe = Probe(period_seconds=10, timeout_seconds=5, failure_threshold=3)
    """`/livez`: the event loop runs, and the Kafka client does not hang."""


class TopicsJob(Part):
    """A hook before install and upgrade: `python -m service topics` creates what is missing and verifies the rest."""

    enabled: bool = True
    """Whether it runs; without it, create the topics before the install, as the service refuses to start."""
    existing_secret: Name = ""
    """Secret of `CRML_...` variables for it, of a Kafka user that may create topics; `existingSecret` if not set."""
    service_account_name: Name = ""
    """An existing account for it; a hook's own with the annotations of `serviceAccount` if not set."""
    active_deadline_seconds: Positive = 120
    """Time for all its attempts."""
    backoff_limit: Natural = 3
    """Further attempts after the first."""
    resources: dict[Literal["requests", "limits"], dict[str, Quantity]] = {}
    """What its pod gets; `resources` if not set."""


class ScheduledCommand(Part):
    """One command of a schedule, as `send` reads it."""

    operation: Annotated[str, Field(min_length=1)]
    """Name of a command, such as `CreateAudienceModel`."""
    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = ""
    """End of its id, behind the run's name and a hyphen; its number if not set."""
    key: str = ""
    """Kafka key; the run's name if not set, so that the commands of a run are in order."""
    target: str = ""
    """Name of an AWS target; the default one if not set."""
    extensions: Raw = {}
    """CloudEvents extensions, such as `priority`."""
    data: Raw = {}
    """The API's request members; `${run}` stands for the run's name."""


class Schedule(Part):
    """Commands that are sent at times, by a CronJob that runs `python -m service send`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=40)]
    """Name of the schedule, part of the ids of its commands."""
    cron: Annotated[str, Field(min_length=1)]
    """When, as a CronJob's `schedule`."""
    time_zone: str = "Etc/UTC"
    """Whose time `cron` means."""
    commands: Annotated[list[ScheduledCommand], Field(min_length=1)]
    """What is sent, in this order."""
    suspend: bool = False
    """Whether no run is started."""
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Forbid"
    """What happens while the run before is still waiting for its commands."""
    starting_deadline_seconds: Positive = 3600
    """How late a missed run is started all the same."""
    wait: Annotated[str, Field(pattern=r"^([0-9]+[smhd]?)?$")] = ""
    """How long a run waits for the ends of its commands, such as `12h`: then the Job fails if one of them fails. It
    ends when they are sent if not set."""
    tenant: str = ""
    """Whose commands topic; needed if there are several tenants."""
    source: str = ""
    """CloudEvents source; `/schedules/<full name>/<name>` if not set."""
    existing_secret: Name = ""
    """Secret of `CRML_...` variables, of a Kafka user that may publish; `existingSecret` and `secretEnv` if not set."""
    kafka_client_secret: Name = ""
    """Secret with the client certificate and key of such a user; that of `kafkaTls` if not set."""
    service_account_name: Name = ""
    """An existing account; one of the chart's for all schedules, without rights, if not set."""
    backoff_limit: Natural = 3
    """Further attempts when Kafka can't be reached; a repeat sends the same ids."""
    successful_jobs_history_limit: Natural = 3
    """Jobs that are kept of runs that succeeded."""
    failed_jobs_history_limit: Natural = 3
    """Jobs that are kept of runs that failed."""


class Repair(Part):
    """A CronJob that never runs. An operator makes a Job of it, and runs repairs in its pod with `kubectl exec`."""

    enabled: bool = True
    """Whether it is made; it costs nothing until a Job is made of it."""
    existing_secret: Name = ""
    """Secret of variables for it: those of a Kafka user with the rights that `acls --component repair` lists, and AWS
    keys where pods get no role. `existingSecret` and the top-level `secretEnv` if not set: then it is the service to
    Kafka, and brokers with ACLs refuse repairs."""
    secret_env: dict[Variable, SecretKey] = {}
    """Single variables from other Secrets, such as the password of Strimzi's `KafkaUser`."""
    env: dict[Variable, str] = {}
    """Variables that are no secrets, such as `CRML_KAFKA__SASL_USERNAME`."""
    kafka_client_secret: Name = ""
    """Secret with the client certificate and key of such a user; that of `kafkaTls` if not set."""
    service_account_name: Name = ""
    """An existing account for it; one of its own if not set."""
    service_account_annotations: Text = {}
    """Annotations of its own account, such as IRSA's role; those of `serviceAccount` if not set."""
    active_seconds: Positive = 3600
    """How long the pod waits for commands before it ends by itself; the Job is removed a minute later."""
    resources: dict[Literal["requests", "limits"], dict[str, Quantity]] = {}
    """What its pod gets; `resources` if not set."""


class Pdb(Part):
    """How many pods a drain may take at once."""

    enabled: bool = True
    """Whether it is made."""
    max_unavailable: Positive | Share = 1
    """Pods, or a percentage; not 0, which would block every drain."""


class Hpa(Part):
    """Scaling by CPU, by the cluster's metrics server."""

    target_cpu_utilization: Percent = 70
    """Average of the CPU request at which a replica more is wanted."""
    extra_metrics: list[Raw] = []
    """Further entries of `spec.metrics`."""


class Lag(Part):
    """Group lag as a second trigger for KEDA; CPU stays the first."""

    enabled: bool = False
    """Whether to scale on lag: it only adds replicas."""
    threshold: Positive = 1000
    """Records behind, for each replica."""
    authentication_ref: Raw = {}
    """KEDA's `TriggerAuthentication` for Kafka, `{name: ...}`."""


class Keda(Part):
    """Scaling by KEDA instead of a plain HPA."""

    enabled: bool = False
    """Whether a ScaledObject is made instead of an HPA."""
    cooldown_period: Positive = 600
    """Seconds of KEDA's cool-down."""
    lag: Lag = Lag()
    """Group lag as a second trigger."""
    extra_triggers: list[Raw] = []
    """Further triggers."""


class Autoscaling(Part):
    """More replicas under load; never below the floor, as running jobs must be polled."""

    enabled: bool = False
    """Whether replicas follow the load."""
    min_replicas: Positive = 2
    """The floor: never zero."""
    max_replicas: Positive = 4
    """The ceiling; more than twice the partitions of all commands topics idle."""
    scale_down_stabilization_seconds: Natural = 600
    """How long load must be low before a replica goes: each change moves partitions."""
    hpa: Hpa = Hpa()
    """By CPU."""
    keda: Keda = Keda()
    """By KEDA."""


class NetworkPolicy(Part):
    """Default-deny, but for what the service needs; ports are read off the settings."""

    enabled: bool = True
    """Whether it is made."""
    metrics_from: list[Raw] = []
    """Who may read probes, metrics and the fleet page, as `from` entries; only the node if empty."""
    dns_to: list[Raw] = [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},
        {"ipBlock": {"cidr": "169.254.20.10/32"}},
    ]
    """Where DNS is, as `to` entries: the cluster's DNS, and NodeLocal DNSCache at its usual address. Name another
    address of yours, such as one of IPv6."""
    kafka_to: list[Raw] = []
    """Where Kafka is, as `to` entries; anywhere, at the ports of `bootstrap_servers`, if empty."""
    kafka_ports: list[Port] = []
    """Further ports of brokers, if they advertise others than `bootstrap_servers` names."""
    aws_to: list[Raw] = []
    """Where AWS's endpoints are, as `to` entries; anywhere but link-local addresses, at 443, if empty."""
    pod_identity: bool = True
    """Whether the EKS Pod Identity agent may be reached."""
    otlp_to: list[Raw] = []
    """Where the collector of traces is, as `to` entries; anywhere, at `otlpPorts`, if empty. Only with
    `settings.tracing.enabled`."""
    otlp_ports: list[Port] = [4318]
    """Ports of the collector."""
    extra_egress: list[Raw] = []
    """Further egress rules, such as for a proxy."""
    extra_ingress: list[Raw] = []
    """Further ingress rules."""


class Monitor(Part):
    """How the Prometheus operator finds the metrics."""

    enabled: bool = False
    """Whether it is made; its CRD must be there."""
    interval: Annotated[str, Field(pattern=r"^[0-9]+(ms|s|m)$")] = "30s"
    """Time between scrapes."""
    scrape_timeout: Annotated[str, Field(pattern=r"^([0-9]+(ms|s|m))?$")] = ""
    """Time for an answer, at most `interval`; Prometheus's own if not set."""
    honor_labels: bool = False
    """Whether labels of the metrics win over those of the target."""
    namespace: Label = ""
    """Where it is made, if the operator watches one namespace only; the release's own if not set."""
    labels: Labels = {}
    """Labels by which the operator selects it."""
    annotations: Text = {}
    """Annotations of it."""
    relabelings: list[Raw] = []
    """Changes to the target's labels, before a scrape."""
    metric_relabelings: list[Raw] = []
    """Changes to the metrics' labels, after a scrape."""


class Limits(Part):
    """Limits of alerts; `docs/runbooks` says what each one is about."""

    restarts: Positive = 3
    """CrashLoop: starts of one replica in 15 minutes."""
    failed_percent: Percent = 50
    """CommandsFailing: share of the commands ended in an hour that failed."""
    failed_at_least: Positive = 5
    """CommandsFailing: commands that must have failed in that hour."""
    lag_records: Positive = 1000
    """CommandsLag: records of a commands partition that are not consumed yet."""
    waiting_seconds: Positive = 3600
    """CommandWaiting: age of a command that waits, but for slots, other commands, AWS and repairs."""
    slot_wait_seconds: Positive = 14400
    """WaitingQueueOld: age of a command that waits for a concurrency slot."""
    budget_wait_seconds: Positive = 60
    """BudgetExhausted: wait of a call for the rate budget."""
    dirty_closes: Positive = 5
    """FencedLoop: shards that were closed dirty in 10 minutes."""
    poll_lag_seconds: Positive = 300
    """PollLag: delay of the most overdue poll."""
    unanswered_seconds: Positive = 300
    """TargetUnreachable: time without an answer of AWS."""
    certificate_days: Positive = 14
    """CertificateExpires: what the client certificate for Kafka has left."""
    credential_seconds: Positive = 300
    """CredentialsExpire: what a token or session has left without being renewed."""
    memory_percent: Percent = 90
    """MemoryHigh: part of the memory limit that is used."""


class Rules(Part):
    """Alerts, for the Prometheus operator; `alerts/` has them as a plain file."""

    enabled: bool = False
    """Whether a PrometheusRule is made; its CRD must be there."""
    labels: Labels = {}
    """Labels by which the operator selects it."""
    rule_labels: Text = {}
    """Labels of every alert, such as a team's."""
    disabled: list[str] = []
    """Alerts to leave out, by name."""
    limits: Limits = Limits()
    """Limits of the alerts."""
    runbook_base: Annotated[str, Field(pattern=r"^(https?://.+)?$")] = ""
    """Where your copy of `docs/runbooks` is, a URL; an alert's `runbook_url` is below it. Its path in the repository
    if not set."""


class Dashboard(Part):
    """The Grafana dashboard, as a ConfigMap for Grafana's sidecar."""

    enabled: bool = False
    """Whether it is made."""
    labels: Labels = {"grafana_dashboard": "1"}
    """Labels by which the sidecar finds it."""
    annotations: Text = {}
    """Such as the sidecar's folder."""


class Monitoring(Part):
    """Metrics, alerts, dashboard."""

    pod_monitor: Monitor = Monitor()
    """A PodMonitor."""
    service_monitor: Monitor = Monitor()
    """A ServiceMonitor; one of the two is enough."""
    prometheus_rule: Rules = Rules()
    """Alerts."""
    dashboard: Dashboard = Dashboard()
    """The dashboard."""


class TopologySpread(Part):
    """Replicas apart from each other, without refusing to run."""

    enabled: bool = True
    """Whether constraints are made."""
    keys: list[str] = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    """Node labels over which to spread."""
    when_unsatisfiable: Literal["ScheduleAnyway", "DoNotSchedule"] = "ScheduleAnyway"
    """What to do when it can't be."""
    max_skew: Positive = 1
    """Largest difference of pods between topology domains."""


class Resources(Part):
    """What a pod gets; `docs/sizing.md` says how much it needs."""

    requests: dict[str, Quantity] = {"cpu": "250m", "memory": "256Mi"}
    """Reserved."""
    limits: dict[str, Quantity] = {"memory": "1Gi"}
    """Never exceeded. No CPU limit: throttling delays heartbeats, and a late one costs partitions."""
