{{/* Groups of a file of rules: limits filled in for @name@, and each alert as its own block of values has it. */}}
{{- define "loki.ruleGroups" -}}
{{- $text := .text }}
{{- range $name, $value := .settings.thresholds }}
{{- $text = replace (printf "@%s@" $name) (toString $value) $text }}
{{- end }}
{{- with .settings.runbookUrl }}
{{- $text = replace "docs/alerts.md#" (printf "%s#" .) $text }}
{{- end }}
{{- $alerts := .settings.alerts }}
{{- if contains "- alert: " $text }}
{{- range $name, $_ := $alerts }}
{{- if not (contains (printf "- alert: %s\n" $name) $text) }}{{ fail (printf "monitoring.rules.alerts.%s: there is no such alert" $name) }}{{ end }}
{{- end }}
{{- end }}
{{- $groups := list }}
{{- range $group := ($text | fromYaml).groups }}
{{- $rules := list }}
{{- range $rule := $group.rules }}
{{- $own := get $alerts ($rule.alert | default "") | default dict }}
{{- if dig "enabled" true $own }}
{{- with $own.for }}
{{- $_ := set $rule "for" . }}
{{- end }}
{{- with $own.severity }}
{{- $_ := set $rule.labels "severity" . }}
{{- end }}
{{- $rules = append $rules $rule }}
{{- end }}
{{- end }}
{{- $groups = append $groups (dict "name" $group.name "rules" $rules) }}
{{- end }}
{{- toYaml $groups }}
{{- end }}
