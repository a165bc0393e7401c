{{/* Values that contradict each other are refused in words. */}}

{{- define "loki.checks" -}}
{{- $root := . -}}
{{- $services := include "loki.services" . | fromYaml -}}
{{- if ne .Values.mode "single" -}}
{{- if and (not .Values.kafka.brokers) (not .Values.kafka.bundled) }}{{ fail "kafka.brokers must be set when kafka.bundled is false" }}{{ end -}}
{{- if and (not .Values.redis.endpoint) (not .Values.redis.bundled) }}{{ fail "redis.endpoint must be set when redis.bundled is false" }}{{ end -}}
{{- if eq $services.storage.type "filesystem" }}{{ fail "storage.type filesystem is for mode single: processes share a bucket" }}{{ end -}}
{{- end -}}
{{- if and (eq $services.storage.type "s3") (not $services.storage.endpoint) (not $services.storage.region) }}{{ fail "storage.endpoint or storage.region must be set when minio.bundled is false" }}{{ end -}}
{{- if and (eq .Values.mode "single") (gt (int .Values.single.replicas) 1) }}{{ fail "single.replicas must be 0 or 1: the log of mode single is one process's; use mode distributed" }}{{ end -}}
{{- range (include "loki.components" . | fromYaml).components -}}
{{- $values := include "loki.values" (dict "root" $root "name" .name) | fromYaml -}}
{{- if and $values.autoscaling.enabled $values.keda.enabled }}{{ fail (printf "%s.autoscaling.enabled and %s.keda.enabled exclude each other: one of them scales a workload" .name .name) }}{{ end -}}
{{- if and (eq .name "single") (include "loki.isScaled" $values) }}{{ fail "single cannot be scaled; use mode distributed" }}{{ end -}}
{{- if and (eq .name "ingester") (include "loki.isScaled" $values) -}}
{{- $factor := (include "loki.config" (dict "root" $root "config" $values.config) | fromYaml).common.replication_factor -}}
{{- if lt (include "loki.replicasMin" $values | int) (int $factor) }}{{ fail (printf "ingester: minReplicas must be at least common.replication_factor, which is %d" (int $factor)) }}{{ end -}}
{{- end -}}
{{- if $values.autoscaling.enabled -}}
{{- range $resource, $target := dict "cpu" $values.autoscaling.targetCPUUtilizationPercentage "memory" $values.autoscaling.targetMemoryUtilizationPercentage -}}
{{- if and $target (not (get (default dict $values.resources.requests) $resource)) }}{{ fail (printf "%s.resources.requests.%s must be set for autoscaling by it" $values.name $resource) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- if and (eq .kind "StatefulSet") $root.Release.IsUpgrade }}{{ include "loki.checks.claims" (dict "root" $root "name" .name "values" $values) }}{{ end -}}
{{- end -}}
{{- end -}}

{{/* Claims of an installed StatefulSet cannot change: Kubernetes' own words do not say which key did it. */}}
{{- define "loki.checks.claims" -}}
{{- $object := printf "%s-%s" (include "loki.fullname" .root) .name -}}
{{- $persistence := .values.persistence -}}
{{- with lookup "apps/v1" "StatefulSet" .root.Release.Namespace $object -}}
{{- $claims := default list .spec.volumeClaimTemplates -}}
{{- if ne (empty $claims) (not $persistence.enabled) }}{{ fail (printf "%s.persistence.enabled cannot change after the installation: delete StatefulSet %s first" $.name $object) }}{{ end -}}
{{- range $claims -}}
{{- if ne .spec.resources.requests.storage $persistence.size }}{{ fail (printf "%s.persistence.size cannot change after the installation (it is %s): resize the claims, then delete StatefulSet %s with --cascade=orphan" $.name .spec.resources.requests.storage $object) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
