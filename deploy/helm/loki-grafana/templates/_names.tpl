{{- define "loki-grafana.fullname" -}}
{{- default (printf "%s-%s" .Release.Name .Chart.Name) .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* metadata of (dict "root" $ "object" NAME), in the release's namespace or in `namespace`. */}}
{{- define "loki-grafana.metadata" -}}
name: {{ .object }}
namespace: {{ default .root.Release.Namespace .namespace }}
labels:
  {{- include "loki-grafana.labels" .root | nindent 2 }}
  # KubeSphere adds it to all objects but hooks.
  kubesphere.io/extension-ref: loki
  {{- range $key, $value := .labels }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "loki-grafana.labels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: loki
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "loki-grafana.image" -}}
{{- $image := .Values.provision.image -}}
{{- with default $image.registry .Values.global.imageRegistry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ default .Chart.AppVersion $image.tag }}{{ end -}}
{{- end -}}

{{/* The data sources, as {dataSources: […]} in Grafana's own form: those of this cluster, then of each other one. */}}
{{- define "loki-grafana.dataSources" -}}
{{- $sources := list -}}
{{- $clusters := merge (dict "" (dict "url" .Values.url)) .Values.clusters -}}
{{- range $cluster, $place := $clusters -}}
{{- range $source := $.Values.dataSources -}}
{{- $name := empty $cluster | ternary $source.name (printf "%s (%s)" $source.name $cluster) -}}
{{- $uid := empty $cluster | ternary $source.tenant (printf "%s-%s" $source.tenant $cluster) -}}
{{- $data := dict "httpHeaderName1" "X-Scope-OrgID" "maxLines" $.Values.maxLines "timeout" $.Values.timeout -}}
{{- $sources = append $sources (dict "name" $name "uid" $uid "type" "loki" "access" "proxy" "url" $place.url "isDefault" false "editable" true "jsonData" $data "secureJsonData" (dict "httpHeaderValue1" $source.tenant)) -}}
{{- end -}}
{{- end -}}
{{- toYaml (dict "dataSources" $sources) -}}
{{- end -}}

{{- define "loki-grafana.provisioningFile" -}}
apiVersion: 1
datasources:
  {{- (include "loki-grafana.dataSources" . | fromYaml).dataSources | toYaml | nindent 2 }}
{{- end -}}
