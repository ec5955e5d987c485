{{/* The settings: as they are written for the service, and as they will be in force (with the model's defaults). */}}

{{- define "crml.tlsFolder" -}}/etc/cleanrooms-ml-service/kafka{{- end -}}

{{/* JSON, which is YAML: numbers stay as they are, where toYaml would write 1e+06. */}}
{{- define "crml.settings" -}}
{{- $settings := deepCopy .Values.settings -}}
{{- $kafka := $settings.kafka -}}
{{- with .Values.kafkaTls -}}
{{- $folder := include "crml.tlsFolder" $ -}}
{{- if .caSecret -}}
{{- $_ := set $kafka "ssl_ca_file" (printf "%s/ca/%s" $folder .caKey) -}}
{{- end -}}
{{- if .clientSecret -}}
{{- $_ := set $kafka "ssl_cert_file" (printf "%s/client/%s" $folder .certKey) -}}
{{- $_ := set $kafka "ssl_key_file" (printf "%s/client/%s" $folder .privateKey) -}}
{{- end -}}
{{- end -}}
{{- $settings | toPrettyJson -}}
{{- end -}}

{{- define "crml.model" -}}
{{- .Files.Get "files/settings.json" -}}
{{- end -}}

{{- define "crml.effective" -}}
{{- $model := include "crml.model" . | fromJson -}}
{{- $given := include "crml.settings" . | fromJson -}}
{{- $settings := mustMergeOverwrite (deepCopy $model.defaults) $given -}}
{{- range $name, $target := $given.targets -}}
{{- $_ := set $settings.targets $name (mustMergeOverwrite (deepCopy $model.target) ($target | default dict)) -}}
{{- end -}}
{{- range $name, $tenant := $given.tenants -}}
{{- $_ := set $settings.tenants $name (mustMergeOverwrite (deepCopy $model.tenant) ($tenant | default dict)) -}}
{{- end -}}
{{- if and (not $given.default_target) (eq (len $settings.targets) 1) -}}
{{- $_ := set $settings "default_target" (keys $settings.targets | first) -}}
{{- end -}}
{{- range $name := list "commands" "replies" "events" "dead_letters" "jobs" "changes" "resources" -}}
{{- if not (index $settings.topics $name) -}}
{{- $_ := set $settings.topics $name (printf "%s.%s" $settings.topics.prefix ($name | replace "_" "-")) -}}
{{- end -}}
{{- end -}}
{{- $settings | toJson -}}
{{- end -}}

{{/* Pairs of a commands topic and its changelog, one for each tenant. */}}
{{- define "crml.sources" -}}
{{- $settings := . -}}
{{- $pairs := list -}}
{{- range $name, $tenant := $settings.tenants -}}
{{- $own := printf "%s.%s" $settings.topics.prefix $name -}}
{{- $plain := eq $name "default" -}}
{{- $commands := $tenant.commands | default (ternary $settings.topics.commands (printf "%s.commands" $own) $plain) -}}
{{- $jobs := $tenant.jobs | default (ternary $settings.topics.jobs (printf "%s.jobs" $own) $plain) -}}
{{- $pairs = append $pairs (list $commands $jobs) -}}
{{- else -}}
{{- $pairs = append $pairs (list $settings.topics.commands $settings.topics.jobs) -}}
{{- end -}}
{{- $pairs | toJson -}}
{{- end -}}

{{/* Ports of a list of host:port. */}}
{{- define "crml.kafkaPorts" -}}
{{- $ports := list -}}
{{- range .Values.settings.kafka.bootstrap_servers -}}
{{- $ports = append $ports (regexFind "[0-9]+$" . | int) -}}
{{- end -}}
{{- range .Values.networkPolicy.kafkaPorts -}}
{{- $ports = append $ports (int .) -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}

{{/* 443, and the ports of the endpoints that targets name, and of the one that gives tokens for Kafka. */}}
{{- define "crml.awsPorts" -}}
{{- $ports := list 443 -}}
{{- $settings := include "crml.effective" . | fromJson -}}
{{- $oauth := $settings.kafka.oauth | default dict -}}
{{- range $target := append (values $settings.targets) (dict "endpoint_url" $oauth.token_url "sts_endpoint_url" $oauth.sts_endpoint_url) -}}
{{- range $url := list $target.endpoint_url $target.sts_endpoint_url -}}
{{- if $url -}}
{{- $port := regexFind ":[0-9]+$" (urlParse $url).host | trimPrefix ":" -}}
{{- $ports = append $ports ($port | default (ternary "80" "443" (hasPrefix "http:" $url)) | int) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
