{{/* The configuration file, merged as maps: the chart's own, loki.config over it, a component's `config` over that. */}}

{{- define "loki.config" -}}
{{- $root := .root -}}
{{- $services := include "loki.services" $root | fromYaml -}}
{{- $storage := $services.storage -}}
{{- $base := include "loki.config.base" (dict "root" $root "services" $services) | fromYaml -}}
{{- if eq $storage.type "s3" -}}
{{- $s3 := dict "bucketnames" $storage.bucket "s3forcepathstyle" $storage.forcePathStyle "insecure" $storage.insecure -}}
{{- with $storage.endpoint }}{{ $_ := set $s3 "endpoint" . }}{{ end -}}
{{- with $storage.region }}{{ $_ := set $s3 "region" . }}{{ end -}}
{{- $_ := set $base.common "storage" (dict "s3" $s3) -}}
{{- else -}}
{{- $_ := set $base.common "storage" (dict "filesystem" (dict "chunks_directory" "/var/loki/chunks" "rules_directory" "/var/loki/rules")) -}}
{{- end -}}
{{- with $root.Values.storage.prefix }}{{ $_ := set $base "storage_config" (dict "object_prefix" .) }}{{ end -}}
{{- if ne $root.Values.mode "single" }}{{ include "loki.config.shared" (dict "root" $root "services" $services "config" $base) }}{{ end -}}
{{- with $root.Values.loki.limits_config }}{{ $_ := set $base "limits_config" (mergeOverwrite $base.limits_config (deepCopy .)) }}{{ end -}}
{{- $config := mergeOverwrite $base (deepCopy $root.Values.loki.config) -}}
{{- with .config }}{{ $config = mergeOverwrite $config (deepCopy .) }}{{ end -}}
{{- /* Variables are replaced in the text: as a block of its own a password may have any character. */ -}}
{{- regexReplaceAll "(?m)^( *)(\\w*password): (\\$\\{\\w+\\})$" (toYaml $config) "${1}${2}: |-\n${1}  ${3}" -}}
{{- end -}}

{{- define "loki.config.base" -}}
auth_enabled: true
server:
  http_listen_port: 3100
  grpc_listen_port: 9095
  admin_listen_port: 3101
  # So long requests are taken after SIGTERM: until all nodes know that the pod goes.
  shutdown_delay: 5s
  graceful_shutdown_timeout: 30s
common:
  path_prefix: /var/loki
  replication_factor: 1
  ring: {kvstore: {store: inmemory}}
limits_config:
  retention_period: {{ .root.Values.retention | quote }}
  volume_enabled: true
compactor:
  retention_enabled: {{ not (has .root.Values.retention (list "0" "0s")) }}
  delete_request_store: {{ .services.storage.type }}
pattern_ingester: {enabled: true}
runtime_config: {file: /etc/loki/overrides/overrides.yaml}
ruler:
  enable_api: true
  {{- with .root.Values.global.clusterInfo.name }}
  external_labels: {cluster: {{ . | quote }}}
  {{- end }}
{{- end -}}

{{/* Sets in `config` what processes share: the log, the ring. */}}
{{- define "loki.config.shared" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $redis := .root.Values.redis -}}
{{- $store := dict "endpoint" .services.ring "db" $redis.db -}}
{{- with $redis.masterName }}{{ $_ := set $store "master_name" . }}{{ end -}}
{{- with $redis.username }}{{ $_ := set $store "username" . }}{{ end -}}
{{- if or $redis.existingSecret $redis.password .services.redis }}{{ $_ := set $store "password" "${REDIS_PASSWORD}" }}{{ end -}}
{{- if $redis.tls.enabled }}{{ $_ := set $store "tls_enabled" true }}{{ $_ := set $store "tls_insecure_skip_verify" $redis.tls.insecureSkipVerify }}{{ end -}}
{{- $_ := set .config.common "ring" (dict "kvstore" (dict "store" "redis" "redis" $store) "zone_awareness_enabled" true) -}}
{{- $_ := set .config.common "replication_factor" 3 -}}
{{- $log := dict "kind" "kafka" "partitions" $kafka.partitions "kafka_replication_factor" $kafka.replicationFactor -}}
{{- $address := dict "address" .services.brokers -}}
{{- $config := dict "topic" $kafka.topic "reader_config" $address "writer_config" $address -}}
{{- if or $kafka.existingSecret $kafka.sasl.username -}}
{{- $_ := set $config "sasl_username" "${KAFKA_SASL_USERNAME}" -}}
{{- $_ := set $config "sasl_password" "${KAFKA_SASL_PASSWORD}" -}}
{{- $_ := set $log "kafka_sasl_mechanism" $kafka.sasl.mechanism -}}
{{- end -}}
{{- with $kafka.tls -}}
{{- if .enabled -}}
{{- $_ := set $log "kafka_tls_enabled" true -}}
{{- $_ := set $log "kafka_tls_insecure_skip_verify" .insecureSkipVerify -}}
{{- with .serverName }}{{ $_ := set $log "kafka_tls_server_name" . }}{{ end -}}
{{- if .existingSecret }}{{ $_ := set $log "kafka_tls_ca_path" "/etc/loki/kafka-tls/ca.crt" }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $_ := set .config "write_log" $log -}}
{{- $_ := set .config "kafka_config" $config -}}
{{- $_ := set .config.ruler "enable_sharding" true -}}
{{- end -}}

{{/* Limits of tenants: those of `tenants` under those of `overrides`. */}}
{{- define "loki.overrides" -}}
{{- $overrides := dict -}}
{{- range $tenant := .Values.tenants -}}
{{- if kindIs "map" $tenant -}}
{{- with $tenant.limits }}{{ $_ := set $overrides $tenant.id (deepCopy .) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict "overrides" (mergeOverwrite $overrides (deepCopy .Values.overrides))) -}}
{{- end -}}

{{/* The Secrets whose keys become variables of the environment, as {secrets: […]}. */}}
{{- define "loki.secretNames" -}}
{{- $services := include "loki.services" . | fromYaml -}}
{{- $names := list -}}
{{- if include "loki.ownSecrets" . }}{{ $names = append $names (include "loki.secretsName" .) }}{{ end -}}
{{- if eq $services.storage.type "s3" }}{{ $names = append $names .Values.storage.existingSecret }}{{ end -}}
{{- if ne .Values.mode "single" }}{{ $names = concat $names (list .Values.kafka.existingSecret .Values.redis.existingSecret) }}{{ end -}}
secrets: {{ compact $names | uniq | toJson }}
{{- end -}}

{{/* Keys of the chart's own Secret, as JSON; empty: there is none. Made-up passwords stay as they are once installed. */}}
{{- define "loki.ownSecrets" -}}
{{- $services := include "loki.services" . | fromYaml -}}
{{- $storage := $services.storage -}}
{{- $known := dict -}}
{{- with lookup "v1" "Secret" .Release.Namespace (include "loki.secretsName" .) }}{{ $known = default dict .data }}{{ end -}}
{{- $data := dict -}}
{{- if and (eq $storage.type "s3") (not .Values.storage.existingSecret) -}}
{{- if $storage.secretAccessKey -}}
{{- $_ := set $data "AWS_ACCESS_KEY_ID" $storage.accessKeyId -}}
{{- $_ := set $data "AWS_SECRET_ACCESS_KEY" $storage.secretAccessKey -}}
{{- else if $services.minio -}}
{{- $_ := set $data "AWS_ACCESS_KEY_ID" "loki" -}}
{{- $_ := set $data "AWS_SECRET_ACCESS_KEY" (include "loki.password" (get $known "AWS_SECRET_ACCESS_KEY")) -}}
{{- end -}}
{{- end -}}
{{- if and (ne .Values.mode "single") (not .Values.kafka.existingSecret) .Values.kafka.sasl.username -}}
{{- $_ := set $data "KAFKA_SASL_USERNAME" .Values.kafka.sasl.username -}}
{{- $_ := set $data "KAFKA_SASL_PASSWORD" .Values.kafka.sasl.password -}}
{{- end -}}
{{- if and (ne .Values.mode "single") (not .Values.redis.existingSecret) -}}
{{- if .Values.redis.password -}}
{{- $_ := set $data "REDIS_PASSWORD" .Values.redis.password -}}
{{- else if $services.redis -}}
{{- $_ := set $data "REDIS_PASSWORD" (include "loki.password" (get $known "REDIS_PASSWORD")) -}}
{{- end -}}
{{- end -}}
{{- if $data }}{{ toJson $data }}{{ end -}}
{{- end -}}

{{- define "loki.password" -}}
{{- if . }}{{ b64dec . }}{{ else }}{{ randAlphaNum 32 }}{{ end -}}
{{- end -}}
