{{/* Labels that never change, so that upgrades can match what is there. Called with (dict "root" $ "part" "postgres"). */}}
{{- define "trial.selector" -}}
app.kubernetes.io/name: esker-trial
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "trial.labels" -}}
{{ include "trial.selector" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Name of a part, short enough for a Service. */}}
{{- define "trial.name" -}}
{{ printf "%s-%s" (.root.Release.Name | trunc 50 | trimSuffix "-") .part }}
{{- end }}

{{/* The part's address from any namespace. */}}
{{- define "trial.host" -}}
{{ include "trial.name" . }}.{{ .root.Release.Namespace }}.svc
{{- end }}

{{- define "trial.metadata" -}}
metadata:
  name: {{ include "trial.name" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "trial.labels" . | nindent 4 }}
{{- end }}

{{/* Service and claim of a part. Called with root, part, port. */}}
{{- define "trial.service" -}}
apiVersion: v1
kind: Service
{{ include "trial.metadata" . }}
spec:
  selector:
    {{- include "trial.selector" . | nindent 4 }}
  ports:
    - {name: {{ .part }}, port: {{ .port }}, targetPort: {{ .part }}}
{{- if .root.Values.storage.size }}
---
# Not a claim of the StatefulSet: those outlive `helm uninstall`.
apiVersion: v1
kind: PersistentVolumeClaim
{{ include "trial.metadata" . }}
spec:
  accessModes: [ReadWriteOnce]
  {{- with .root.Values.storage.className }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ .root.Values.storage.size }}
{{- end }}
{{- end }}

{{/* What both pods have in common, below spec.template. */}}
{{- define "trial.pod" -}}
metadata:
  labels:
    {{- include "trial.labels" . | nindent 4 }}
  annotations:
    # New passwords reach the pods by new pods.
    checksum/secret: {{ include "trial.secret.data" .root | sha256sum }}
{{- end }}

{{- define "trial.pod.security" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .values.uid }}
  runAsGroup: {{ .values.uid }}
  fsGroup: {{ .values.uid }}
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "trial.container.security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "trial.volumes" -}}
volumes:
  - name: data
    {{- if .root.Values.storage.size }}
    persistentVolumeClaim: {claimName: {{ include "trial.name" . }}}
    {{- else }}
    emptyDir: {}
    {{- end }}
  - name: tmp
    emptyDir: {}
{{- end }}

{{/* What Esker's chart has to be told to use these two. */}}
{{- define "trial.values" -}}
metastore:
  urlSecret: {name: {{ .Release.Name }}, key: metastore-url}
bucket:
  url: s3://{{ .Values.bucket }}/esker
  region: us-east-1
  endpoint: http://{{ include "trial.host" (dict "root" . "part" "minio") }}:9000
  credentialsSecret: {name: {{ .Release.Name }}}
{{- end }}
