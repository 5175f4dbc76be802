{{- /*
The pod of an agent.

Its end: the pod is taken out of Services and, at the same moment, `preStop` begins to wait. The agent serves
on until those who send connections have heard of it. Then SIGTERM: it stops accepting, acknowledges what it
has, and leaves. Only then, or after shutdown_grace_seconds, is the process gone; the pod has 5 s more than both.
*/ -}}

{{- define "esker.graceSeconds" -}}
{{- $grace := dig "shutdown_grace_seconds" 30 .set.values.settings -}}
{{- add (int .root.Values.preStopSeconds) (int $grace) 5 -}}
{{- end -}}

{{- /*
Agents of a set that is scaled by load: as many as there are. Where that cannot be seen (a first install, or
a tool that only renders) nothing is said, and the autoscaler decides: a number here would undo its work.
*/ -}}
{{- define "esker.replicas" -}}
{{- if .set.values.autoscaling.enabled -}}
{{- $there := lookup "apps/v1" "StatefulSet" .root.Release.Namespace .set.name -}}
{{- with dig "spec" "replicas" 0 (default dict $there) -}}
{{- int . -}}
{{- end -}}
{{- else -}}
{{- int .set.replicas -}}
{{- end -}}
{{- end -}}

{{- define "esker.spread" -}}
{{- $with := . -}}
{{- $spread := .set.values.topologySpread -}}
{{- $keys := list (list "kubernetes.io/hostname" $spread.nodes) -}}
{{- if not .set.zone -}}
{{- $keys = append $keys (list .root.Values.zoneLabel $spread.zones) -}}
{{- end -}}
{{- range $keys }}
{{- if index . 1 }}
- maxSkew: 1
  topologyKey: {{ index . 0 }}
  whenUnsatisfiable: {{ index . 1 }}
  labelSelector:
    matchLabels:
      {{- include "esker.setSelector" $with | nindent 6 }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "esker.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "esker.pod" -}}
{{- $root := .root -}}
{{- $values := .set.values -}}
serviceAccountName: {{ include "esker.serviceAccountName" $root }}
automountServiceAccountToken: {{ $root.Values.serviceAccount.automountToken }}
# The variables that Kubernetes makes for Services begin with ESKER_, too.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ include "esker.graceSeconds" . }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- include "esker.pullSecrets" $root }}
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
{{- $node := deepCopy $values.nodeSelector }}
{{- if .set.zone }}
{{- $_ := set $node $root.Values.zoneLabel .set.zone }}
{{- end }}
{{- with $node }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "esker.spread" . | trim }}
topologySpreadConstraints:
  {{- . | nindent 2 }}
{{- end }}
containers:
  - name: esker
    image: {{ include "esker.image" $root | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: [agent]
    # What it said last stands in the pod's status, too.
    terminationMessagePolicy: FallbackToLogsOnError
    env:
      {{- include "esker.environment" . | nindent 6 }}
    ports:
      - {name: kafka, containerPort: {{ $root.Values.listeners.internal.port }}, protocol: TCP}
      {{- if .set.serve }}
      {{- range .zones }}
      - {name: {{ .portName }}, containerPort: {{ .port }}, protocol: TCP}
      {{- end }}
      {{- if $root.Values.external.type }}
      - {name: external, containerPort: {{ $root.Values.external.port }}, protocol: TCP}
      {{- end }}
      {{- end }}
      - {name: admin, containerPort: {{ $root.Values.listeners.admin.port }}, protocol: TCP}
    # Until the agent has once had database and bucket. Losing them later is no reason to start again.
    startupProbe:
      httpGet: {path: /readyz, port: admin}
      periodSeconds: 1
      timeoutSeconds: 2
      failureThreshold: {{ $root.Values.startupSeconds }}
    readinessProbe:
      httpGet: {path: /readyz, port: admin}
      periodSeconds: 1
      timeoutSeconds: 2
      failureThreshold: 3
    livenessProbe:
      httpGet: {path: /livez, port: admin}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 3
    {{- with $root.Values.preStopSeconds }}
    lifecycle:
      preStop:
        sleep: {seconds: {{ . }}}
    {{- end }}
    resources:
      {{- toYaml $values.resources | nindent 6 }}
    securityContext:
      {{- toYaml $root.Values.containerSecurityContext | nindent 6 }}
    {{- $mounts := include "esker.mounts" $root }}
    {{- with $mounts | trim }}
    volumeMounts:
      {{- . | nindent 6 }}
    {{- end }}
{{- $volumes := include "esker.volumes" $root }}
{{- with $volumes | trim }}
volumes:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "esker.mounts" -}}
{{ include "esker.metastoreMounts" (dict "root" . "urlSecret" .Values.metastore.urlSecret) }}
{{- if .Values.prices }}
- {name: prices, mountPath: /etc/esker/prices, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "esker.volumes" -}}
{{ include "esker.metastoreVolumes" (dict "root" . "urlSecret" .Values.metastore.urlSecret) }}
{{- if .Values.prices }}
- name: prices
  configMap: {name: {{ include "esker.fullname" . }}-prices}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
