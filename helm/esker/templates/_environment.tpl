{{- /*
The environment of an agent. What holds:
- No value is a secret: those come by reference, so that neither the release nor a StatefulSet shows one.
- References are optional. A pod whose Secret is missing starts, is not ready, and says what it lacks.
- A variable stands before those that use it: `$(NAME)` is filled in from what came before.
*/ -}}

{{- /* Where the metastore is: agents and the migration need it. Takes root, and urlSecret for another Secret than the agents' own. */ -}}
{{- define "esker.metastoreEnvironment" -}}
{{- $metastore := .root.Values.metastore -}}
{{- $secret := .urlSecret -}}
{{- if $secret.name }}
- name: ESKER_METASTORE_URL_FILE
  value: {{ printf "/etc/esker/metastore-url/%s" $secret.key }}
{{- else }}
- name: ESKER_METASTORE_URL
  value: {{ $metastore.url | quote }}
{{- end }}
{{- if and $metastore.passwordSecret.name (not .ownUrl) }}
- name: ESKER_METASTORE_PASSWORD_FILE
  value: {{ printf "/etc/esker/metastore-password/%s" $metastore.passwordSecret.key }}
{{- end }}
{{- if $metastore.caConfigMap.name }}
- name: PGSSLROOTCERT
  value: {{ printf "/etc/esker/metastore-ca/%s" $metastore.caConfigMap.key }}
{{- end }}
{{- end -}}

{{- /* The files behind that; the same arguments. */ -}}
{{- define "esker.metastoreMounts" -}}
{{- $metastore := .root.Values.metastore -}}
{{- with .urlSecret.name }}
- {name: metastore-url, mountPath: /etc/esker/metastore-url, readOnly: true}
{{- end }}
{{- with $metastore.passwordSecret.name }}
- {name: metastore-password, mountPath: /etc/esker/metastore-password, readOnly: true}
{{- end }}
{{- with $metastore.caConfigMap.name }}
- {name: metastore-ca, mountPath: /etc/esker/metastore-ca, readOnly: true}
{{- end }}
{{- end -}}

{{- define "esker.metastoreVolumes" -}}
{{- $metastore := .root.Values.metastore -}}
{{- with .urlSecret }}
{{- if .name }}
- name: metastore-url
  secret: {secretName: {{ .name }}, optional: true, defaultMode: 0440, items: [{key: {{ .key | quote }}, path: {{ .key | quote }}}]}
{{- end }}
{{- end }}
{{- with $metastore.passwordSecret }}
{{- if .name }}
- name: metastore-password
  secret: {secretName: {{ .name }}, optional: true, defaultMode: 0440, items: [{key: {{ .key | quote }}, path: {{ .key | quote }}}]}
{{- end }}
{{- end }}
{{- with $metastore.caConfigMap }}
{{- if .name }}
- name: metastore-ca
  configMap: {name: {{ .name }}, optional: true, items: [{key: {{ .key | quote }}, path: {{ .key | quote }}}]}
{{- end }}
{{- end }}
{{- end -}}

{{- define "esker.bucketEnvironment" -}}
{{- with .Values.bucket }}
- name: ESKER_BUCKET_URL
  value: {{ .url | quote }}
{{- with .region }}
- name: AWS_REGION
  value: {{ . | quote }}
{{- end }}
{{- with .endpoint }}
- name: AWS_ENDPOINT_URL
  value: {{ . | quote }}
{{- end }}
{{- with .credentialsSecret }}
{{- if .name }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ .name }}, key: {{ .accessKeyIdKey | quote }}, optional: true}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ .name }}, key: {{ .secretAccessKeyKey | quote }}, optional: true}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Who the agent is and where clients find it. Takes root, set and zones. */ -}}
{{- define "esker.addressEnvironment" -}}
{{- $root := .root -}}
{{- $set := .set -}}
{{- $values := $root.Values -}}
{{- $bind := $values.listeners.bindAddress -}}
{{- $own := printf "$(ESKER_NODE_NAME).%s.%s.svc.%s" (include "esker.agentsService" $root) $root.Release.Namespace $values.clusterDomain -}}
{{- $listeners := list (printf "INTERNAL://%s:%d" $bind (int $values.listeners.internal.port)) -}}
{{- $advertised := list (printf "INTERNAL://%s:%d" $own (int $values.listeners.internal.port)) -}}
{{- $zones := list -}}
{{- if $set.serve -}}
  {{- range .zones -}}
    {{- $listeners = append $listeners (printf "%s://%s:%d" .listener $bind (int .port)) -}}
    {{- $advertised = append $advertised (printf "%s://%s:%d" .listener $own (int .port)) -}}
    {{- $zones = append $zones (printf "%s:%s" .listener .name) -}}
  {{- end -}}
  {{- if $values.external.type -}}
    {{- $listeners = append $listeners (printf "EXTERNAL://%s:%d" $bind (int $values.external.port)) -}}
    {{- $advertised = append $advertised (printf "EXTERNAL://%s" (include "esker.externalAdvertised" .)) -}}
  {{- end -}}
{{- end -}}
- name: ESKER_NODE_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
{{- if and $set.serve $values.external.type }}
- name: POD_ORDINAL
  valueFrom:
    fieldRef: {fieldPath: "metadata.labels['apps.kubernetes.io/pod-index']"}
- name: HOST_NAME
  valueFrom:
    fieldRef: {fieldPath: spec.nodeName}
- name: HOST_IP
  valueFrom:
    fieldRef: {fieldPath: status.hostIP}
{{- end }}
- name: ESKER_LISTENERS
  value: {{ join "," $listeners | quote }}
- name: ESKER_ADVERTISED_LISTENERS
  value: {{ join "," $advertised | quote }}
{{- with $zones }}
- name: ESKER_LISTENER_ZONES
  value: {{ join "," . | quote }}
{{- end }}
- name: ESKER_ADMIN_ADDR
  value: {{ printf "%s:%d" $bind (int $values.listeners.admin.port) | quote }}
- name: ESKER_ROLES
  value: {{ join "," $set.values.roles | quote }}
{{- with $set.zone }}
- name: ESKER_ZONE
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "esker.environment" -}}
{{ include "esker.addressEnvironment" . }}
{{- include "esker.metastoreEnvironment" (dict "root" .root "urlSecret" .root.Values.metastore.urlSecret) }}
{{- include "esker.bucketEnvironment" .root }}
{{- range $name := keys .set.values.settings | sortAlpha }}
- name: ESKER_{{ upper $name }}
  value: {{ include "esker.text" (get $.set.values.settings $name) | quote }}
{{- end }}
{{- if .root.Values.prices }}
- name: ESKER_PRICES_FILE
  value: /etc/esker/prices/prices.toml
{{- end }}
{{- with .root.Values.logLevels }}
- name: RUST_LOG
  value: {{ . | quote }}
{{- end }}
{{- with .set.values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
