{{/* The pod of a component: (dict "root" $ "component" C "values" V "workload" W). */}}

{{- define "loki.pod" -}}
{{- $root := .root -}}
{{- $name := .component.name -}}
{{- $values := .values -}}
{{- $labels := include "loki.selectorLabels" (dict "root" $root "name" $name) | fromYaml -}}
{{- $secrets := (include "loki.secretNames" $root | fromYaml).secrets -}}
{{- $hasKafkaTls := and (ne $root.Values.mode "single") $root.Values.kafka.tls.enabled $root.Values.kafka.tls.existingSecret -}}
{{- $own := not (empty $values.config) -}}
{{- $isClaimed := and $values.persistence.enabled (eq .component.kind "StatefulSet") -}}
metadata:
  labels:
    {{- include "loki.labels" (dict "root" $root "name" $name) | nindent 4 }}
    {{- with .workload.zone }}
    zone: {{ . }}
    {{- end }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "loki.config" (dict "root" $root "config" $values.config) | sha256sum }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "loki.serviceAccountName" $root }}
  automountServiceAccountToken: {{ $root.Values.rbac.automountServiceAccountToken }}
  # Variables such as LOKI_PORT of a Service would be taken for flags.
  enableServiceLinks: false
  {{- include "loki.imagePullSecrets" $root | nindent 2 }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  securityContext:
    {{- toYaml $values.podSecurityContext | nindent 4 }}
  {{- with mergeOverwrite (deepCopy (default dict $root.Values.global.nodeSelector)) $values.nodeSelector .workload.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $values.affinity }}
  affinity:
    {{- toYaml $values.affinity | nindent 4 }}
  {{- else if eq $name "ingester" }}
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {{ toJson $labels }}}}
  {{- end }}
  {{- with $values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- range . }}
    {{- $added := dict "labelSelector" (dict "matchLabels" $labels) }}
    {{- if eq $.component.kind "Deployment" }}{{ $_ := set $added "matchLabelKeys" (list "pod-template-hash") }}{{ end }}
    - {{- toYaml (merge (deepCopy .) $added) | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- with $values.hostAliases }}
  hostAliases:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.initContainers }}
  initContainers:
    {{- include "loki.containers" (dict "root" $root "containers" .) | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .component.container }}
      image: {{ include "loki.image" (dict "root" $root "image" $values.image) }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args:
        - -target={{ .component.target }}
        - -config.file=/etc/loki/config/{{ $own | ternary $name "config" }}.yaml
        - -config.expand-env=true
        {{- if eq $name "ingester" }}
        - -ring.instance-zone=$(LOKI_ZONE)
        {{- end }}
        {{- with $values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if or $values.extraEnv (eq $name "ingester") }}
      env:
        {{- if eq $name "ingester" }}
        - name: LOKI_ZONE
          {{- if .workload.zone }}
          value: {{ .workload.zone }}
          {{- else }}
          valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
          {{- end }}
        {{- end }}
        {{- with $values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      {{- if or $secrets $values.extraEnvFrom }}
      envFrom:
        {{- range $secrets }}
        - secretRef: {name: {{ . }}}
        {{- end }}
        {{- with $values.extraEnvFrom }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- end }}
      ports:
        - {name: http, containerPort: 3100, protocol: TCP}
        - {name: grpc, containerPort: 9095, protocol: TCP}
        - {name: http-metrics, containerPort: 3101, protocol: TCP}
      {{- range $probe := list "startupProbe" "livenessProbe" "readinessProbe" "lifecycle" }}
      {{- with get $values $probe }}
      {{ $probe }}:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      resources:
        {{- toYaml $values.resources | nindent 8 }}
      securityContext:
        {{- toYaml $values.containerSecurityContext | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/loki/config, readOnly: true}
        - {name: overrides, mountPath: /etc/loki/overrides, readOnly: true}
        {{- if $hasKafkaTls }}
        - {name: kafka-tls, mountPath: /etc/loki/kafka-tls, readOnly: true}
        {{- end }}
        - {name: data, mountPath: /var/loki}
        - {name: tmp, mountPath: /tmp}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with $values.extraContainers }}
    {{- include "loki.containers" (dict "root" $root "containers" .) | nindent 4 }}
    {{- end }}
  volumes:
    - {name: config, configMap: {name: {{ include "loki.fullname" $root }}-config}}
    - {name: overrides, configMap: {name: {{ include "loki.fullname" $root }}-overrides}}
    {{- if $hasKafkaTls }}
    - {name: kafka-tls, secret: {secretName: {{ $root.Values.kafka.tls.existingSecret }}}}
    {{- end }}
    {{- if not $isClaimed }}
    - name: data
      {{- include "loki.scratch" $values.persistence | nindent 6 }}
    {{- end }}
    - {name: tmp, emptyDir: {sizeLimit: 1Gi}}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Containers by value; global.imageRegistry holds for their images too: it stands before what is no registry, and for what is one. */}}
{{- define "loki.containers" -}}
{{- $registry := .root.Values.global.imageRegistry -}}
{{- $containers := list -}}
{{- range .containers -}}
{{- $container := deepCopy . -}}
{{- if $registry -}}
{{- $first := first (splitList "/" .image) -}}
{{- $hasRegistry := and (contains "/" .image) (or (contains "." $first) (contains ":" $first) (eq $first "localhost")) -}}
{{- $_ := set $container "image" (printf "%s/%s" (trimSuffix "/" $registry) ($hasRegistry | ternary (trimPrefix (printf "%s/" $first) .image) .image)) -}}
{{- end -}}
{{- $containers = append $containers $container -}}
{{- end -}}
{{- toYaml $containers -}}
{{- end -}}

{{/* A directory that goes with its pod. */}}
{{- define "loki.scratch" -}}
{{- if .enabled -}}
ephemeral:
  volumeClaimTemplate:
    {{- include "loki.claim" . | nindent 4 }}
{{- else -}}
emptyDir: {sizeLimit: {{ .size }}}
{{- end -}}
{{- end -}}

{{- define "loki.claim" -}}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .storageClass }}
  storageClassName: {{ eq . "-" | ternary "\"\"" . }}
  {{- end }}
  resources: {requests: {storage: {{ .size }}}}
{{- end -}}

{{/* Fields of a StatefulSet for its claims: nothing without persistence. */}}
{{- define "loki.claims" -}}
{{- if .enabled }}
persistentVolumeClaimRetentionPolicy: {whenDeleted: {{ .whenDeleted }}, whenScaled: {{ .whenScaled }}}
volumeClaimTemplates:
  - metadata: {name: data}
    {{- include "loki.claim" . | nindent 4 }}
{{- end }}
{{- end -}}
