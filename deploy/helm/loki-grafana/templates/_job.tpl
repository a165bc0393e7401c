{{/* A Job's spec that runs target grafana-provision: (dict "root" $ "args" […] "seconds" N "backoff" N). */}}
{{- define "loki-grafana.job" -}}
{{- $root := .root -}}
{{- $values := $root.Values.provision -}}
{{- $full := include "loki-grafana.fullname" $root -}}
backoffLimit: 0
# With the pull of the image: a hook that is late fails Helm.
activeDeadlineSeconds: {{ .seconds }}
template:
  metadata:
    labels:
      {{- include "loki-grafana.labels" $root | nindent 6 }}
      {{- with $values.podLabels }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- with $values.podAnnotations }}
    annotations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  spec:
    restartPolicy: Never
    serviceAccountName: {{ $full }}
    # It reads Grafana's Secret by its own account.
    automountServiceAccountToken: {{ empty $root.Values.grafana.existingSecret }}
    enableServiceLinks: false
    {{- with $root.Values.global.imagePullSecrets }}
    imagePullSecrets:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $values.priorityClassName }}
    priorityClassName: {{ . }}
    {{- end }}
    {{- with mergeOverwrite (deepCopy (default dict $root.Values.global.nodeSelector)) $values.nodeSelector }}
    nodeSelector:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with $values.tolerations }}
    tolerations:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      runAsNonRoot: true
      runAsUser: 10001
      runAsGroup: 10001
      fsGroup: 10001
      seccompProfile: {type: RuntimeDefault}
    containers:
      - name: grafana-provision
        image: {{ include "loki-grafana.image" $root }}
        imagePullPolicy: {{ $values.image.pullPolicy }}
        args:
          - -config.file=/etc/loki/config.yaml
          - -config.expand-env=true
          {{- range .args }}
          - {{ . }}
          {{- end }}
        {{- with $root.Values.grafana.existingSecret }}
        env:
          - {name: GRAFANA_TOKEN, valueFrom: {secretKeyRef: {name: {{ . }}, key: token, optional: true}}}
          - {name: GRAFANA_USER, valueFrom: {secretKeyRef: {name: {{ . }}, key: admin-user, optional: true}}}
          - {name: GRAFANA_PASSWORD, valueFrom: {secretKeyRef: {name: {{ . }}, key: admin-password, optional: true}}}
        {{- end }}
        resources:
          {{- toYaml $values.resources | nindent 10 }}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
        volumeMounts:
          - {name: config, mountPath: /etc/loki, readOnly: true}
          {{- if $root.Values.dashboards.enabled }}
          - {name: dashboards, mountPath: /etc/loki-dashboards, readOnly: true}
          {{- end }}
          - {name: tmp, mountPath: /tmp}
    volumes:
      - {name: config, configMap: {name: {{ $full }}-datasources}}
      {{- if $root.Values.dashboards.enabled }}
      - {name: dashboards, configMap: {name: {{ $full }}-dashboards}}
      {{- end }}
      - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
{{- end -}}
