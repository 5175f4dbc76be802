{{- /*
Names and labels. What holds: every object of a release begins with its full name, and labels that select
pods never change over the life of a release (a StatefulSet's selector cannot).
*/ -}}

{{- define "esker.fullname" -}}
{{- $chart := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains $chart .Release.Name -}}
{{- .Release.Name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $chart -}}
{{- end -}}
{{- end -}}

{{- /* The headless Service: the names of the pods in DNS. */ -}}
{{- define "esker.agentsService" -}}
{{- printf "%s-agents" (include "esker.fullname" .) -}}
{{- end -}}

{{- define "esker.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "esker.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* Labels that select what a release made. */ -}}
{{- define "esker.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Labels of objects. Not of pods: the chart's version would restart them all. */ -}}
{{- define "esker.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name (replace "+" "_" .Chart.Version) }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: esker
{{ include "esker.selector" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Labels that select all agents. */ -}}
{{- define "esker.agents" -}}
{{ include "esker.selector" . }}
app.kubernetes.io/component: agent
{{- end -}}

{{- define "esker.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- printf "%s:%s" .repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* A number or text as a person writes it: YAML's numbers are floats here, and 86400000 must not become 8.64e+07. */ -}}
{{- define "esker.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- printf "%d" (int64 .) -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}
