{{/*
What must hold between settings: the schema checks each by itself. The service has the same rules and would refuse to
start; here a wrong value fails before anything is installed. All problems are told at once.
*/}}
{{- define "crml.checks" -}}
{{- $settings := include "crml.effective" . | fromJson -}}
{{- $problems := list -}}
{{- range $part := list "crml.checks.kafka" "crml.checks.timing" "crml.checks.targets" "crml.checks.tenants" "crml.checks.topics" "crml.checks.chart" "crml.checks.schedules" -}}
{{- range $line := splitList "\n" (include $part (dict "root" $ "settings" $settings)) -}}
{{- with trim $line -}}
{{- $problems = append $problems . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n%d problem(s) in the values:\n  - %s\n" (len $problems) (join "\n  - " $problems)) -}}
{{- end -}}
{{- end -}}

{{- define "crml.checks.kafka" -}}
{{- $kafka := .settings.kafka }}
{{- $values := .root.Values }}
{{- range $server := $kafka.bootstrap_servers }}
{{- if not (regexMatch "^(\\[[0-9A-Fa-f:.]+(%[\\w.-]+)?\\]|[\\w.-]+):[0-9]{1,5}$" $server) }}
settings.kafka.bootstrap_servers: found {{ $server | quote }}; expected host:port, such as broker-1:9092 or [fd00::1]:9092
{{- end }}
{{- end }}
{{- if gt (mulf 3 $kafka.heartbeat_interval) (float64 $kafka.session_timeout) }}
settings.kafka: heartbeat_interval ({{ $kafka.heartbeat_interval }} s) must be at most a third of session_timeout ({{ $kafka.session_timeout }} s)
{{- end }}
{{- if ne (empty $kafka.ssl_cert_file) (empty $kafka.ssl_key_file) }}
settings.kafka: ssl_cert_file and ssl_key_file go together
{{- end }}
{{- $anySecret := or $values.existingSecret $values.extraEnv $values.extraEnvFrom }}
{{- $password := or $anySecret $kafka.sasl_password_file (hasKey $values.secretEnv "CRML_KAFKA__SASL_PASSWORD") }}
{{- $user := or $anySecret $kafka.sasl_username (hasKey $values.secretEnv "CRML_KAFKA__SASL_USERNAME") }}
{{- if and (hasPrefix "SASL" $kafka.security_protocol) (has $kafka.sasl_mechanism (list "PLAIN" "SCRAM-SHA-256" "SCRAM-SHA-512")) (not (and $user $password)) }}
settings.kafka: {{ $kafka.sasl_mechanism }} needs sasl_username, and sasl_password_file or CRML_KAFKA__SASL_PASSWORD from existingSecret or secretEnv
{{- end }}
{{- include "crml.checks.oauth" (dict "kafka" $kafka "secret" (or $anySecret (hasKey $values.secretEnv "CRML_KAFKA__OAUTH__CLIENT_SECRET"))) }}
{{- if and (or $values.kafkaTls.caSecret $values.kafkaTls.clientSecret) (not (hasSuffix "SSL" $kafka.security_protocol)) }}
kafkaTls: of no use with settings.kafka.security_protocol {{ $kafka.security_protocol }}; set SSL or SASL_SSL
{{- end }}
{{- end -}}

{{- define "crml.checks.oauth" -}}
{{- $kafka := .kafka }}
{{- $bearer := and (hasPrefix "SASL" $kafka.security_protocol) (eq $kafka.sasl_mechanism "OAUTHBEARER") }}
{{- if and $bearer (not $kafka.oauth) }}
settings.kafka: oauth.provider is needed for OAUTHBEARER: where do tokens come from?
{{- end }}
{{- with $kafka.oauth }}
{{- if not $bearer }}
settings.kafka: oauth is for sasl_mechanism OAUTHBEARER with a SASL protocol; set both, or leave oauth out
{{- end }}
{{- $own := dict "msk_iam" (list "region" "role_arn" "external_id" "session_name" "sts_endpoint_url") "file" (list "token_file") "client_credentials" (list "token_url" "client_id" "client_secret_file" "scope" "audience" "ca_file" "allow_plain_http") }}
{{- $needed := dict "msk_iam" (list "region") "file" (list "token_file") "client_credentials" (list "token_url" "client_id") }}
{{- $oauth := . }}
{{- range index $needed .provider }}
{{- if not (index $oauth .) }}
settings.kafka.oauth: {{ . }} is needed for {{ $oauth.provider }}
{{- end }}
{{- end }}
{{- range $member, $_ := $oauth }}
{{- if and (ne $member "provider") (not (has $member (index $own $oauth.provider))) }}
settings.kafka.oauth: {{ $member }} is not for {{ $oauth.provider }}; its settings are: {{ index $own $oauth.provider | join ", " }}
{{- end }}
{{- end }}
{{- if and (eq .provider "client_credentials") (not .client_secret_file) (not $.secret) }}
settings.kafka.oauth: client_secret is needed for client_credentials: client_secret_file, or CRML_KAFKA__OAUTH__CLIENT_SECRET from existingSecret or secretEnv
{{- end }}
{{- if and .external_id (not .role_arn) }}
settings.kafka.oauth: external_id is of no use without role_arn
{{- end }}
{{- range $member := list "token_url" "sts_endpoint_url" }}
{{- with index $oauth $member }}
{{- if not (regexMatch "^https?://[^/\\s]+" .) }}
settings.kafka.oauth: {{ $member }} must be a URL such as https://host/path
{{- end }}
{{- end }}
{{- end }}
{{- if and (hasPrefix "http:" (.token_url | default "")) (not .allow_plain_http) (not (regexMatch "^http://(localhost|127\\.[0-9.]+|\\[::1\\])(:|/|$)" .token_url)) }}
settings.kafka.oauth: token_url is plain http beyond this machine: use https, or set allow_plain_http
{{- end }}
{{- end }}
{{- end -}}

{{- define "crml.checks.timing" -}}
{{- $timing := .settings.timing }}
{{- if le (float64 $timing.settle) (float64 $timing.call_window) }}
settings.timing: settle ({{ $timing.settle }} s) must be longer than call_window ({{ $timing.call_window }} s)
{{- end }}
{{- if lt (float64 $timing.retry_cap) (float64 $timing.retry_base) }}
settings.timing: retry_cap must not be below retry_base
{{- end }}
{{- end -}}

{{- define "crml.checks.targets" -}}
{{- $settings := .settings }}
{{- $names := keys $settings.targets | sortAlpha }}
{{- if not (has $settings.default_target $names) }}
settings.default_target is {{ $settings.default_target | quote }}, which is not among the targets: {{ join ", " $names }}
{{- end }}
{{- range $name, $target := $settings.targets }}
{{- $cap := $target.retry_cap | default $settings.timing.retry_cap }}
{{- $base := $target.retry_base | default $settings.timing.retry_base }}
{{- if and (or $target.retry_cap $target.retry_base) (lt (float64 $cap) (float64 $base)) }}
settings.targets.{{ $name }}: retry_cap ({{ $cap }} s) must not be below retry_base ({{ $base }} s)
{{- end }}
{{- range $member := list "endpoint_url" "sts_endpoint_url" }}
{{- with index $target $member }}
{{- if not (regexMatch "^https?://[^/\\s]+" .) }}
settings.targets.{{ $name }}.{{ $member }}: found {{ . | quote }}; expected a URL such as https://host:port
{{- else }}
{{- $host := regexReplaceAll ":[0-9]+$" (urlParse .).host "" }}
{{- $here := regexMatch "^(localhost|.+\\.localhost|127\\.[0-9.]+|\\[::1\\])$" $host }}
{{- if and (hasPrefix "http:" .) (not $here) (not $target.allow_plain_http) }}
settings.targets.{{ $name }}.{{ $member }} is plain http beyond this machine: use https, or set allow_plain_http
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- range $member := list "external_id" "source_identity" "session_tags" "tenant_tag" "command_tag" }}
{{- if and (index $target $member) (not $target.role_arn) }}
settings.targets.{{ $name }}: {{ $member }} is of no use without role_arn
{{- end }}
{{- end }}
{{- $keys := keys $target.session_tags | sortAlpha }}
{{- range $member := list "tenant_tag" "command_tag" }}
{{- with index $target $member }}
{{- $keys = append $keys . }}
{{- if not $target.session_per_command }}
settings.targets.{{ $name }}: {{ $member }} needs session_per_command: a shared session serves many commands
{{- end }}
{{- end }}
{{- end }}
{{- $folded := list }}
{{- range $keys }}
{{- $folded = append $folded (lower .) }}
{{- if hasPrefix "aws:" (lower .) }}
settings.targets.{{ $name }}: session tags must not begin with aws:, found {{ . }}
{{- end }}
{{- end }}
{{- if ne (len $folded) (len ($folded | uniq)) }}
settings.targets.{{ $name }}: session tags are told apart without regard to case; two of {{ join ", " $keys }} are the same
{{- end }}
{{- if gt (len $keys) 50 }}
settings.targets.{{ $name }}: a session has at most 50 tags, found {{ len $keys }}
{{- end }}
{{- range $target.transitive_tags }}
{{- if not (has . $keys) }}
settings.targets.{{ $name }}: transitive_tags has {{ . }}, which is no session tag; known: {{ join ", " $keys | default "none" }}
{{- end }}
{{- end }}
{{- if and $target.endpoint_url (or $target.fips $target.dualstack) }}
settings.targets.{{ $name }}: endpoint_url excludes fips and dualstack
{{- end }}
{{- end }}
{{- end -}}

{{- define "crml.checks.tenants" -}}
{{- $settings := .settings }}
{{- $commands := (include "crml.model" .root | fromJson).commands }}
{{- range $name, $tenant := $settings.tenants }}
{{- range $target := $tenant.targets }}
{{- if not (hasKey $settings.targets $target) }}
settings.tenants.{{ $name }}.targets has {{ $target }}, not among the targets: {{ keys $settings.targets | sortAlpha | join ", " }}
{{- end }}
{{- end }}
{{- if and $tenant.default_target (not (has $tenant.default_target $tenant.targets)) }}
settings.tenants.{{ $name }}: default_target is {{ $tenant.default_target | quote }}, which is not among its targets
{{- end }}
{{- range $glob := $tenant.operations }}
{{- $pattern := printf "^%s$" ($glob | replace "." "\\." | replace "*" ".*" | replace "?" ".") }}
{{- $hits := list }}
{{- range $commands }}{{ if regexMatch $pattern . }}{{ $hits = append $hits . }}{{ end }}{{ end }}
{{- if not $hits }}
settings.tenants.{{ $name }}.operations: no command is called {{ $glob }}; known: {{ join ", " $commands }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $settings.tenants $settings.replies.allowed_topics }}
settings.replies.allowed_topics is for a service without tenants: set reply_topics of each tenant instead
{{- end }}
{{- end -}}

{{- define "crml.checks.topics" -}}
{{- $settings := .settings }}
{{- $topics := $settings.topics }}
{{- $inner := list $topics.changes $topics.resources }}
{{- $names := list $topics.replies $topics.events $topics.dead_letters $topics.changes $topics.resources }}
{{- range include "crml.sources" $settings | fromJsonArray }}
{{- $inner = concat $inner . }}
{{- $names = concat $names . }}
{{- end }}
{{- $allowed := dict "settings.replies.allowed_topics" $settings.replies.allowed_topics }}
{{- range $name, $tenant := $settings.tenants }}
{{- $_ := set $allowed (printf "settings.tenants.%s.reply_topics" $name) $tenant.reply_topics }}
{{- $names = concat $names (list $tenant.replies $tenant.events $tenant.dead_letters | compact) }}
{{- end }}
{{- range $where, $given := $allowed }}
{{- range $given }}
{{- if has . $inner }}
{{ $where }} has {{ . }}: no place for replies, commands come from there or state is kept
{{- end }}
{{- end }}
{{- end }}
{{- if ne (len $names) (len ($names | uniq)) }}
settings: each topic needs a name of its own, two of {{ $names | sortAlpha | join ", " }} are the same
{{- end }}
{{- end -}}

{{- define "crml.checks.chart" -}}
{{- $values := .root.Values }}
{{- $needed := include "crml.gracePeriodNeeded" .root | int }}
{{- if lt (include "crml.gracePeriod" .root | int) $needed }}
terminationGracePeriodSeconds is {{ $values.terminationGracePeriodSeconds }}, must be at least {{ $needed }}: runtime.stop_deadline + kafka.transaction_timeout + 5
{{- end }}
{{- if gt (int $values.autoscaling.minReplicas) (int $values.autoscaling.maxReplicas) }}
autoscaling: minReplicas ({{ $values.autoscaling.minReplicas }}) is above maxReplicas ({{ $values.autoscaling.maxReplicas }})
{{- end }}
{{- if and (not $values.serviceAccount.create) (not $values.serviceAccount.name) $values.serviceAccount.annotations }}
serviceAccount.annotations are of no use: the chart makes no account; set create, or annotate the existing one
{{- end }}
{{- if and (eq $values.kind "Deployment") (or $values.updateStrategy.partition (eq $values.updateStrategy.type "OnDelete")) }}
updateStrategy: partition and OnDelete are for a StatefulSet, and kind is Deployment
{{- end }}
{{- if and (eq $values.dnsPolicy "None") (not (dig "nameservers" list $values.dnsConfig)) }}
dnsPolicy: None needs dnsConfig.nameservers
{{- end }}
{{- range $name := list "podMonitor" "serviceMonitor" }}
{{- $monitor := index $values.monitoring $name }}
{{- if gt (include "crml.checks.ms" $monitor.scrapeTimeout | int) (include "crml.checks.ms" $monitor.interval | int) }}
monitoring.{{ $name }}: scrapeTimeout ({{ $monitor.scrapeTimeout }}) must not be above interval ({{ $monitor.interval }})
{{- end }}
{{- end }}
{{- if and $values.monitoring.podMonitor.enabled $values.monitoring.serviceMonitor.enabled }}
monitoring: podMonitor and serviceMonitor would scrape everything twice; enable one
{{- end }}
{{- if eq (int $values.httpPort) (int $values.pagePort) }}
pagePort: {{ int $values.pagePort }} is httpPort, too; the page needs a port of its own
{{- end }}
{{- range $group, $given := dict "secretEnv" $values.secretEnv "repair.secretEnv" $values.repair.secretEnv "repair.env" $values.repair.env }}
{{- range $variable, $_ := $given }}
{{- if has $variable (list "CRML_SETTINGS" "CRML_HTTP__HOST" "CRML_HTTP__PORT" "CRML_HTTP__PAGE_PORT" "CRML_KAFKA__INSTANCE_ID") }}
{{ $group }}.{{ $variable }}: the chart sets it
{{- end }}
{{- end }}
{{- end }}
{{- range $variable, $_ := $values.repair.secretEnv }}
{{- if hasKey $values.repair.env $variable }}
repair: {{ $variable }} is in env and in secretEnv
{{- end }}
{{- end }}
{{- if and $values.repair.kafkaClientSecret (not $values.kafkaTls.clientSecret) }}
repair.kafkaClientSecret: of no use without kafkaTls.clientSecret
{{- end }}
{{- end -}}

{{/* Milliseconds of a duration such as 500ms, 30s or 1m. */}}
{{- define "crml.checks.ms" -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- mul (trimSuffix $unit . | int) (dict "ms" 1 "s" 1000 "m" 60000 | dig $unit 0) -}}
{{- end -}}

{{- define "crml.checks.schedules" -}}
{{- $full := include "crml.fullname" .root }}
{{- $commands := (include "crml.model" .root | fromJson).commands }}
{{- $tenants := keys .settings.tenants | sortAlpha }}
{{- $names := list }}
{{- range $schedule := .root.Values.schedules }}
{{- $name := printf "%s-%s" $full $schedule.name }}
{{- if has $schedule.name $names }}
schedules: two are called {{ $schedule.name }}
{{- end }}
{{- $names = append $names $schedule.name }}
{{- if has $schedule.name (list "topics" "check" "schedules" "dashboard" "headless" "repair") }}
schedules.{{ $schedule.name }}: the chart has an object of that name; choose another
{{- end }}
{{- if and $schedule.kafkaClientSecret (not $.root.Values.kafkaTls.clientSecret) }}
schedules.{{ $schedule.name }}.kafkaClientSecret: of no use without kafkaTls.clientSecret
{{- end }}
{{- if gt (len $name) 52 }}
schedules.{{ $schedule.name }}: {{ $name }} has {{ len $name }} characters, a CronJob's name at most 52; choose a shorter name, or set fullnameOverride
{{- end }}
{{- if or (and $schedule.tenant (not (has $schedule.tenant (append $tenants (ternary "default" "" (empty $tenants)))))) (and (gt (len $tenants) 1) (not $schedule.tenant)) }}
schedules.{{ $schedule.name }}.tenant: found {{ $schedule.tenant | default "" | quote }}; expected one of {{ join ", " $tenants | default "default" }}
{{- end }}
{{- $ids := list }}
{{- range $number, $command := $schedule.commands }}
{{- if not (has $command.operation $commands) }}
schedules.{{ $schedule.name }}: no command is called {{ $command.operation }}; known: {{ join ", " $commands }}
{{- end }}
{{- $id := $command.id | default (add1 $number | toString) }}
{{- if has $id $ids }}
schedules.{{ $schedule.name }}: two commands have the id {{ $id }}
{{- end }}
{{- $ids = append $ids $id }}
{{- end }}
{{- end }}
{{- end -}}
