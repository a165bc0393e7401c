{{/* Which components the values ask for, and the values of each. */}}

{{/* Components of the mode, as {components: […]}: name, kind, target, and the container's name, which job labels and dashboards know. */}}
{{- define "loki.components" -}}
components:
{{- if eq .Values.mode "single" }}
  - {name: single, kind: StatefulSet, target: all, container: loki}
{{- else }}
  - {name: gateway, kind: Deployment, target: gateway, container: query-frontend}
  - {name: distributor, kind: Deployment, target: distributor, container: distributor}
  - {name: ingester, kind: StatefulSet, target: ingester, container: ingester}
  - {name: querier, kind: Deployment, target: querier, container: querier}
  - {name: compactor, kind: StatefulSet, target: compactor, container: compactor}
  - {name: ruler, kind: Deployment, target: ruler, container: ruler}
{{- end }}
{{- end -}}

{{/* Values of (dict "root" $ "name" COMPONENT): the component's own over those that all have. */}}
{{- define "loki.values" -}}
{{- $values := mergeOverwrite (deepCopy .root.Values.defaults) (deepCopy (get .root.Values .name)) -}}
{{- $alias := get (dict "querier" "read" "distributor" "write" "ingester" "write" "compactor" "backend") .name -}}
{{- if $alias -}}
{{- $replicas := (get .root.Values $alias).replicas -}}
{{- if not (kindIs "invalid" $replicas) }}{{ $_ := set $values "replicas" $replicas }}{{ end -}}
{{- end -}}
{{- $_ := set $values "name" .name -}}
{{- toYaml $values -}}
{{- end -}}

{{/* Where an autoscaler decides, `spec.replicas` is its own. */}}
{{- define "loki.isScaled" -}}
{{- if or .autoscaling.enabled .keda.enabled }}true{{ end -}}
{{- end -}}

{{/* The fewest replicas that (values of a component) may come to. */}}
{{- define "loki.replicasMin" -}}
{{- if .keda.enabled }}{{ .keda.minReplicas }}{{ else if .autoscaling.enabled }}{{ .autoscaling.minReplicas }}{{ else }}{{ .replicas }}{{ end -}}
{{- end -}}

{{/*
spec.replicas of an installed workload, as an autoscaler left it: (dict "root" $ "kind" KIND "object" NAME "min" N).
Without it Helm would take away the number that it set before the autoscaler came, and Kubernetes would make it 1. Nothing
where server-side apply has given the field up to the autoscaler.
*/}}
{{- define "loki.replicasOfScaled" -}}
{{- $live := lookup "apps/v1" .kind .root.Release.Namespace .object -}}
{{- $isOurs := true -}}
{{- range dig "metadata" "managedFields" list $live -}}
{{- if and (eq .manager "helm") (eq .operation "Apply") }}{{ $isOurs = hasKey (dig "f:spec" dict .fieldsV1) "f:replicas" }}{{ end -}}
{{- end -}}
{{- if and $live $isOurs }}replicas: {{ default (int .min) $live.spec.replicas }}{{ end -}}
{{- end -}}

{{/*
Workloads of (dict "root" $ "component" COMPONENT "values" VALUES), as {workloads: […]}: one, or one for each zone
with its share of the replicas.
*/}}
{{- define "loki.workloads" -}}
{{- $full := printf "%s-%s" (include "loki.fullname" .root) .component.name -}}
{{- $zones := default list .values.zones -}}
workloads:
{{- if $zones }}
{{- $count := len $zones }}
{{- range $index, $zone := $zones }}
{{- $name := kindIs "string" $zone | ternary $zone (get (kindIs "map" $zone | ternary $zone dict) "name") }}
  - object: {{ $full }}-zone-{{ $name }}
    zone: zone-{{ $name }}
    zones: {{ $count }}
    replicas: {{ div (sub (add (int $.values.replicas) $count) (add 1 $index)) $count }}
    nodeSelector: {{ (kindIs "map" $zone | ternary (get (kindIs "map" $zone | ternary $zone dict) "nodeSelector") dict) | default dict | toJson }}
{{- end }}
{{- else }}
  - {object: {{ $full }}, zone: '', zones: 1, replicas: {{ int .values.replicas }}, nodeSelector: {}}
{{- end }}
{{- end -}}

{{/* Which services of the chart's own are installed, and where the others are: {kafka, redis, minio: bool, endpoint…}. */}}
{{- define "loki.services" -}}
{{- $full := include "loki.fullname" . -}}
{{- $isSingle := eq .Values.mode "single" -}}
{{- $legacy := .Values.loki.storage -}}
{{- $s3 := default dict $legacy.s3 -}}
{{- $endpoint := default (default "" $s3.endpoint) .Values.storage.endpoint -}}
{{- $region := default (default "" $s3.region) .Values.storage.region -}}
{{- $named := default (default "" $legacy.type) .Values.storage.type -}}
{{- $hasMinio := hasKey .Values.minio "enabled" | ternary .Values.minio.enabled .Values.minio.bundled -}}
{{- $type := $named -}}
{{- if not $type }}{{ $type = and $isSingle (not $endpoint) (not $region) | ternary "filesystem" "s3" }}{{ end -}}
{{- $isMinio := and (eq $type "s3") (not $endpoint) (not $region) $hasMinio -}}
kafka: {{ and (not $isSingle) (not .Values.kafka.brokers) .Values.kafka.bundled }}
redis: {{ and (not $isSingle) (not .Values.redis.endpoint) .Values.redis.bundled }}
minio: {{ $isMinio }}
brokers: {{ default (printf "%s-kafka:9092" $full) .Values.kafka.brokers | quote }}
ring: {{ default (printf "%s-redis:6379" $full) .Values.redis.endpoint | quote }}
storage:
  type: {{ $type }}
  bucket: {{ default .Values.storage.bucket (default dict $legacy.bucketNames).chunks | quote }}
  endpoint: {{ $isMinio | ternary (printf "%s-minio:9000" $full) $endpoint | quote }}
  region: {{ $region | quote }}
  insecure: {{ or $isMinio .Values.storage.insecure (eq true $s3.insecure) }}
  forcePathStyle: {{ .Values.storage.forcePathStyle }}
  accessKeyId: {{ default (default "" $s3.accessKeyId) .Values.storage.accessKeyId | quote }}
  secretAccessKey: {{ default (default "" $s3.secretAccessKey) .Values.storage.secretAccessKey | quote }}
{{- end -}}
