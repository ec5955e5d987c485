{{/* What all pods of the chart share: the service's, the topics hook's and the test's. */}}

{{- define "crml.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ int .Values.runAs }}
runAsGroup: {{ int .Values.runAs }}
fsGroup: {{ int .Values.runAs }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "crml.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: {{ int .Values.runAs }}
runAsGroup: {{ int .Values.runAs }}
capabilities:
  drop: ["ALL"]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "crml.imageOf" -}}
image: {{ include "crml.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy | quote }}
terminationMessagePolicy: FallbackToLogsOnError # why it ended is in `kubectl describe pod`
{{- end -}}

{{/*
Variables: context, secret, member (whether it is a member of the group), run (whether it is a scheduled run), alone
(whether the secret has all that is secret), own (variables from Secrets, and plain ones in plain, before the chart's).
*/}}
{{- define "crml.env" -}}
{{- $values := .context.Values -}}
env:
  - name: CRML_SETTINGS
    value: /etc/cleanrooms-ml-service/settings.yaml
  {{- if .member }}
  - name: CRML_HTTP__HOST
    value: "::" # every address, of IPv6 and IPv4: the cluster may have either, or both
  - name: CRML_HTTP__PORT
    value: {{ $values.httpPort | int | quote }}
  - name: CRML_HTTP__PAGE_PORT # on 127.0.0.1: ids and sources concern those who may forward ports, not all who scrape
    value: {{ $values.pagePort | int | quote }}
  {{- if eq $values.kind "StatefulSet" }}
  - name: CRML_KAFKA__INSTANCE_ID
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  {{- end }}
  {{- range $name, $value := $values.otel }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  {{- end }}
  {{- if .run }}
  - name: JOB_NAME # made of the CronJob's name and of the time that the run was scheduled for
    valueFrom:
      fieldRef:
        fieldPath: metadata.labels['batch.kubernetes.io/job-name']
  {{- end }}
  {{- $plain := .plain | default dict }}
  {{- range $name, $value := $plain }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  {{- range $name, $from := merge (dict) (.own | default dict) (ternary (dict) $values.secretEnv (default false .alone)) }}
  {{- if not (hasKey $plain $name) }}
  - name: {{ $name }}
    valueFrom:
      secretKeyRef:
        name: {{ $from.name | quote }}
        key: {{ $from.key | quote }}
  {{- end }}
  {{- end }}
  {{- with $values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if or .secret $values.extraEnvFrom }}
envFrom:
  {{- with .secret }}
  - secretRef:
      name: {{ . | quote }}
  {{- end }}
  {{- with $values.extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "crml.mounts" -}}
volumeMounts:
  - name: settings
    mountPath: /etc/cleanrooms-ml-service/settings.yaml
    subPath: settings.yaml
    readOnly: true
  - name: tmp
    mountPath: /tmp
  {{- if .Values.kafkaTls.caSecret }}
  - name: kafka-ca
    mountPath: {{ include "crml.tlsFolder" . }}/ca
    readOnly: true
  {{- end }}
  {{- if .Values.kafkaTls.clientSecret }}
  - name: kafka-client
    mountPath: {{ include "crml.tlsFolder" . }}/client
    readOnly: true
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Volumes: context, settings (the ConfigMap's name), client (Secret with another client certificate). */}}
{{- define "crml.volumes" -}}
{{- $values := .context.Values -}}
volumes:
  - name: settings
    configMap:
      name: {{ .settings | quote }}
  - name: tmp
    emptyDir:
      sizeLimit: {{ $values.tmpSizeLimit | quote }}
  {{- with $values.kafkaTls.caSecret }}
  - name: kafka-ca
    secret:
      secretName: {{ . | quote }}
      defaultMode: 288
      items:
        - key: {{ $values.kafkaTls.caKey | quote }}
          path: {{ $values.kafkaTls.caKey | quote }}
  {{- end }}
  {{- with .client | default $values.kafkaTls.clientSecret }}
  - name: kafka-client
    secret:
      secretName: {{ . | quote }}
      defaultMode: 288
      items:
        - key: {{ $values.kafkaTls.certKey | quote }}
          path: {{ $values.kafkaTls.certKey | quote }}
        - key: {{ $values.kafkaTls.privateKey | quote }}
          path: {{ $values.kafkaTls.privateKey | quote }}
  {{- end }}
  {{- with $values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Where a pod may run, how it is isolated, and how it resolves names. */}}
{{- define "crml.placement" -}}
{{- with include "crml.pullSecrets" . | fromJsonArray }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- if not .Values.hostUsers }}
hostUsers: false
{{- end }}
{{- if ne .Values.dnsPolicy "ClusterFirst" }}
dnsPolicy: {{ .Values.dnsPolicy | quote }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "crml.spread" -}}
{{- if .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml .Values.topologySpreadConstraints | nindent 2 }}
{{- else if .Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range .Values.topologySpread.keys }}
  - topologyKey: {{ . | quote }}
    maxSkew: {{ $.Values.topologySpread.maxSkew | int }}
    whenUnsatisfiable: {{ $.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "crml.selector" $ | nindent 8 }}
        app.kubernetes.io/component: service
  {{- end }}
{{- end }}
{{- end -}}

{{- define "crml.probe" -}}
httpGet:
  path: {{ .path }}
  port: http
periodSeconds: {{ .times.periodSeconds | int }}
timeoutSeconds: {{ .times.timeoutSeconds | int }}
failureThreshold: {{ .times.failureThreshold | int }}
{{- end -}}

{{/* The service's pod, the same in a StatefulSet and a Deployment. */}}
{{- define "crml.template" -}}
metadata:
  # Without the chart's version: a new chart with the same pods restarts nothing.
  labels:
    {{- include "crml.selector" . | nindent 4 }}
    app.kubernetes.io/component: service
    {{- with merge (dict) .Values.podLabels .Values.commonLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/settings: {{ include "crml.settings" . | sha256sum | quote }}
    # Nothing is kept in /tmp; without this, the cluster autoscaler keeps a node for its sake.
    cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: "tmp"
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "crml.serviceAccountName" . | quote }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automountToken }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "crml.gracePeriod" . }}
  securityContext:
    {{- include "crml.podSecurity" . | nindent 4 }}
  {{- include "crml.placement" . | nindent 2 }}
  {{- include "crml.spread" . | nindent 2 }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: service
      {{- include "crml.imageOf" . | nindent 6 }}
      args: {{ prepend .Values.extraArgs "run" | toJson }}
      securityContext:
        {{- include "crml.containerSecurity" . | nindent 8 }}
      {{- include "crml.env" (dict "context" . "secret" .Values.existingSecret "member" true) | nindent 6 }}
      ports:
        - name: http
          containerPort: {{ .Values.httpPort | int }}
          protocol: TCP
      startupProbe:
        {{- include "crml.probe" (dict "path" "/startupz" "times" .Values.probes.startup) | nindent 8 }}
      readinessProbe:
        {{- include "crml.probe" (dict "path" "/readyz" "times" .Values.probes.readiness) | nindent 8 }}
      livenessProbe:
        {{- include "crml.probe" (dict "path" "/livez" "times" .Values.probes.liveness) | nindent 8 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      {{- include "crml.mounts" . | nindent 6 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- include "crml.volumes" (dict "context" . "settings" (include "crml.fullname" .)) | nindent 2 }}
{{- end -}}

{{/*
A pod that runs one command and ends: context, secret, account, settings, command; if wanted args (behind the command),
entry (another program instead of the command), commands (ConfigMap of a schedule's), resources, alone, own, plain and
client as above.
*/}}
{{- define "crml.once" -}}
serviceAccountName: {{ .account | quote }}
automountServiceAccountToken: {{ .context.Values.serviceAccount.automountToken }}
enableServiceLinks: false
restartPolicy: Never
securityContext:
  {{- include "crml.podSecurity" .context | nindent 2 }}
{{- include "crml.placement" .context }}
containers:
  - name: {{ .command }}
    {{- include "crml.imageOf" .context | nindent 4 }}
    {{- if .entry }}
    command: {{ toJson .entry }}
    {{- else }}
    args: {{ prepend (.args | default list) .command | toJson }}
    {{- end }}
    securityContext:
      {{- include "crml.containerSecurity" .context | nindent 6 }}
    {{- include "crml.env" (dict "context" .context "secret" .secret "member" false "run" .commands "alone" .alone "own" .own "plain" .plain) | nindent 4 }}
    resources:
      {{- toYaml (.resources | default .context.Values.resources) | nindent 6 }}
    {{- include "crml.mounts" .context | nindent 4 }}
    {{- if .commands }}
      - name: commands
        mountPath: /etc/cleanrooms-ml-service/commands
        readOnly: true
    {{- end }}
{{- include "crml.volumes" (dict "context" .context "settings" .settings "client" .client) | nindent 0 }}
{{- with .commands }}
  - name: commands
    configMap:
      name: {{ . | quote }}
{{- end }}
{{- end -}}
