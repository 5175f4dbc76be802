{{- define "esker.checkBefore" -}}{{- end -}}
{{- define "esker.checkAfter" -}}{{- end -}}
