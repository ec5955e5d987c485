{{/* Names and labels. */}}

{{- define "crml.name" -}}
{{- default .Chart.Name .Values.nameOverride | include "crml.cut" -}}
{{- end -}}

{{/*
At most 52 characters: a StatefulSet's pods add their number, and the controller a revision of 11 characters. Letters,
digits and hyphens, a letter first, as a Service's name must be (RFC 1035): a release may be called `team.a` or `2nd`.
*/}}
{{- define "crml.fullname" -}}
{{- $name := include "crml.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- $full := ternary $release (printf "%s-%s" $release $name) (contains $name $release) -}}
{{- $full = ternary $full (printf "crml-%s" $full) (regexMatch "^[a-z]" $full) -}}
{{- include "crml.cut" $full -}}
{{- end -}}
{{- end -}}

{{- define "crml.cut" -}}
{{- regexReplaceAll "-+$" (trunc 52 .) "" -}}
{{- end -}}

{{/* A CronJob has at most 52 characters: its controller appends 11. */}}
{{- define "crml.repairName" -}}
{{- printf "%s-repair" (regexReplaceAll "-+$" (include "crml.fullname" . | trunc 45) "") -}}
{{- end -}}

{{/* What selectors may name: it never changes. */}}
{{- define "crml.selector" -}}
app.kubernetes.io/name: {{ include "crml.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "crml.ownLabels" -}}
{{ include "crml.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{- define "crml.labels" -}}
{{ include "crml.ownLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "crml.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* Metadata of an object: context, name (all of it), component, labels and annotations (dicts), another namespace. */}}
{{- define "crml.metadata" -}}
name: {{ .name | quote }}
namespace: {{ .namespace | default (include "crml.namespace" .context) | quote }}
labels:
  {{- include "crml.ownLabels" .context | nindent 2 }}
  app.kubernetes.io/component: {{ .component | quote }}
  {{- range $key, $value := merge (dict) (.labels | default dict) (.context.Values.commonLabels | default dict) }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .context.Values.commonAnnotations }}
annotations:
  {{- range $key, $value := . }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "crml.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "crml.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "crml.image" -}}
{{- $image := .Values.image -}}
{{- $registry := dig "imageRegistry" "" (.Values.global | default dict) | default $image.registry -}}
{{- $name := $image.repository -}}
{{- with $registry -}}
{{- $name = printf "%s/%s" (trimSuffix "/" .) $name -}}
{{- end -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name ($image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* Names of Secrets for the registry: the image's own and a parent chart's, which may be names or {name: ...}. */}}
{{- define "crml.pullSecrets" -}}
{{- $names := list -}}
{{- range concat .Values.image.pullSecrets (dig "imagePullSecrets" list (.Values.global | default dict) | default list) -}}
{{- $names = append $names (ternary . (dig "name" "" (ternary dict . (kindIs "string" .))) (kindIs "string" .)) -}}
{{- end -}}
{{- $names | compact | uniq | toJson -}}
{{- end -}}

{{/* Time for a clean stop, and for the broker to end a transaction that was cut off. */}}
{{- define "crml.gracePeriodNeeded" -}}
{{- $settings := include "crml.effective" . | fromJson -}}
{{- add (ceil $settings.runtime.stop_deadline) (ceil $settings.kafka.transaction_timeout) 5 -}}
{{- end -}}

{{- define "crml.gracePeriod" -}}
{{- .Values.terminationGracePeriodSeconds | int | default (include "crml.gracePeriodNeeded" . | int) -}}
{{- end -}}

{{/* Under a scaler the number that runs is kept: an upgrade must not drop replicas, nor the switch to a scaler. */}}
{{- define "crml.replicas" -}}
{{- if .Values.autoscaling.enabled -}}
{{- $live := lookup "apps/v1" .Values.kind (include "crml.namespace" .) (include "crml.fullname" .) -}}
{{- $now := dig "spec" "replicas" 0 ($live | default dict) | int -}}
{{- max (int .Values.autoscaling.minReplicas) (min $now (int .Values.autoscaling.maxReplicas)) -}}
{{- else -}}
{{- .Values.replicas -}}
{{- end -}}
{{- end -}}

{{/* A number of pods, or a percentage, which is text. */}}
{{- define "crml.pods" -}}
{{- ternary (. | quote) (. | toString) (kindIs "string" .) -}}
{{- end -}}

{{- define "crml.history" -}}
{{- if ne (int .Values.revisionHistoryLimit) 10 }}
revisionHistoryLimit: {{ .Values.revisionHistoryLimit | int }}
{{- end }}
{{- end -}}
