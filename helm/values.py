"""The chart's values, as one model: its schema, values.yaml and the README's table are generated from it."""

from typing import Literal

from helm.parts import (
    Autoscaling,
    Image,
    KafkaTls,
    Label,
    Labels,
    Monitoring,
    Name,
    Natural,
    NetworkPolicy,
    OtelVariable,
    Part,
    Pdb,
    Port,
    Positive,
    Probes,
    Quantity,
    Raw,
    Repair,
    Resources,
    Schedule,
    SecretKey,
    ServiceAccount,
    ServiceName,
    Text,
    TopicsJob,
    TopologySpread,
    UpdateStrategy,
    Variable,
)
from service.settings import Settings


class Values(Part):
    """Everything that may be set."""

    settings: Settings
    """The service's own settings, as in its YAML file; [docs/settings.md](../../docs/settings.md) lists them.
    `kafka.bootstrap_servers` and one of `targets` are required. Secrets are not settings: see `existingSecret`."""
    existing_secret: Name = ""
    """Secret whose keys are variables: `CRML_KAFKA__SASL_PASSWORD`, `AWS_ACCESS_KEY_ID`, ... All are given to the
    pods. Variables win over settings."""
    secret_env: dict[Variable, SecretKey] = {}
    """Single variables from other Secrets: `CRML_KAFKA__SASL_PASSWORD: {name: my-kafka-user, key: password}`."""
    kafka_tls: KafkaTls = KafkaTls()
    """Certificates for Kafka, from Secrets."""
    image: Image = Image()
    """Where the image comes from."""
    kind: Literal["StatefulSet", "Deployment"] = "StatefulSet"
    """StatefulSet: a pod's name is its static membership, so that a restart moves no partition. Deployment: no
    stable names, every restart moves partitions."""
    replicas: Positive = 2
    """Pods, unless they follow the load. More than twice the partitions of all commands topics idle."""
    update_strategy: UpdateStrategy = UpdateStrategy()
    """How pods are replaced when the release changes."""
    revision_history_limit: Natural = 10
    """Old revisions that are kept for `kubectl rollout undo`."""
    autoscaling: Autoscaling = Autoscaling()
    """More replicas under load."""
    topics_job: TopicsJob = TopicsJob()
    """Creates the topics before install and upgrade."""
    schedules: list[Schedule] = []
    """Commands that are sent at times: each `{name, cron, timeZone, commands, ...}` becomes a CronJob; see
    [schedules](#schedules)."""
    repair: Repair = Repair()
    """A pod to repair from, with an identity of its own; see [repairs](#repairs)."""
    service_account: ServiceAccount = ServiceAccount()
    """Who the pods are."""
    resources: Resources = Resources()
    """What a pod gets."""
    termination_grace_period_seconds: Natural = 0
    """Time to stop; 0: as long as a clean stop and the end of a transaction may take, and 5 s
    (`runtime.stop_deadline` + `kafka.transaction_timeout` + 5). Less is refused."""
    probes: Probes = Probes()
    """How long Kubernetes waits before it acts."""
    http_port: Port = 8080
    """Port of probes and metrics."""
    page_port: Port = 8081
    """Port of the fleet page, within the pod only: `kubectl port-forward` reaches it, the network does not."""
    pod_disruption_budget: Pdb = Pdb()
    """How many pods a drain may take at once."""
    network_policy: NetworkPolicy = NetworkPolicy()
    """Default-deny, but for what is needed."""
    monitoring: Monitoring = Monitoring()
    """Metrics, alerts, dashboard."""
    topology_spread: TopologySpread = TopologySpread()
    """Replicas apart from each other."""
    topology_spread_constraints: list[Raw] = []
    """Constraints as Kubernetes takes them, instead of `topologySpread`."""
    priority_class_name: Name = ""
    """Priority of the pods."""
    node_selector: Text = {}
    """Labels of nodes."""
    tolerations: list[Raw] = []
    """Taints that pods tolerate."""
    affinity: Raw = {}
    """Affinity of pods."""
    runtime_class_name: Name = ""
    """RuntimeClass of all pods, such as one of gVisor."""
    host_users: bool = True
    """Whether pods use the node's user namespace; false gives each its own, where nodes support it."""
    dns_policy: Literal["ClusterFirst", "Default", "None"] = "ClusterFirst"
    """How pods resolve names; `None`: by `dnsConfig` alone."""
    dns_config: Raw = {}
    """Name servers, search domains and options of all pods. `networkPolicy.dnsTo` must let the servers be reached."""
    host_aliases: list[Raw] = []
    """Entries in `/etc/hosts` of all pods, such as for brokers behind a private endpoint: `{ip, hostnames: [...]}`."""
    tmp_size_limit: Quantity = "64Mi"
    """Size of `/tmp`, an emptyDir; the service itself writes nothing."""
    run_as: Positive = 65532
    """User and group of the process; the image's own by default."""
    extra_args: list[str] = []
    """Further words of the service's command line, behind `run`."""
    otel: dict[OtelVariable, str] = {}
    """Standard variables of OpenTelemetry, for `settings.tracing`: `OTEL_EXPORTER_OTLP_ENDPOINT: http://collector:4318`.
    Headers with a token belong in `existingSecret`."""
    extra_env: list[Raw] = []
    """Further variables, as Kubernetes takes them."""
    extra_env_from: list[Raw] = []
    """Further sources of variables."""
    extra_volumes: list[Raw] = []
    """Further volumes."""
    extra_volume_mounts: list[Raw] = []
    """Where they are mounted."""
    init_containers: list[Raw] = []
    """Containers that run before the service, in its pods."""
    extra_containers: list[Raw] = []
    """Containers beside the service, in its pods, such as a proxy."""
    extra_objects: list[Raw | str] = []
    """Further objects of the release, such as an `ExternalSecret`. Templates in them are rendered, in text that is not
    yet YAML too."""
    pod_labels: Labels = {}
    """Further labels of pods."""
    pod_annotations: Text = {}
    """Further annotations of pods."""
    common_labels: Labels = {}
    """Further labels of every object."""
    common_annotations: Text = {}
    """Further annotations of every object."""
    name_override: Label = ""
    """Instead of the chart's name: lower-case letters, digits, hyphens."""
    fullname_override: ServiceName = ""
    """Instead of release and chart name: lower-case letters, digits and hyphens, starting with a letter, at most 52."""
    namespace_override: Label = ""
    """Namespace of the objects, if it is not the release's: for a parent chart that has several."""
