{{- /*
What clients outside the cluster are told. The same text is written twice: with `$(VARIABLE)` for the
agent's environment, which Kubernetes fills in when a pod starts, and with an agent's own name for its Service.
*/ -}}

{{- define "esker.externalHost" -}}
{{- $external := .Values.external -}}
{{- $node := ternary "[{hostIP}]" "{hostIP}" (hasPrefix "[" .Values.listeners.bindAddress) -}}
{{- default (ternary $node "" (eq $external.type "NodePort")) $external.host -}}
{{- end -}}

{{- /* Takes root, set, text and what stands for the pod, its ordinal, its node and the node's address. */ -}}
{{- define "esker.fillIn" -}}
{{- .text | replace "{pod}" .pod | replace "{ordinal}" .ordinal | replace "{node}" .node | replace "{hostIP}" .hostIP
  | replace "{zone}" .set.zone | replace "{pool}" (default "all" .set.pool)
  | replace "{namespace}" .root.Release.Namespace | replace "{release}" .root.Release.Name -}}
{{- end -}}

{{- /* host:port as the environment has it. Takes root and set. */ -}}
{{- define "esker.externalAdvertised" -}}
{{- $external := .root.Values.external -}}
{{- $host := include "esker.fillIn" (dict "root" .root "set" .set "text" (include "esker.externalHost" .root)
  "pod" "$(ESKER_NODE_NAME)" "ordinal" "$(POD_ORDINAL)" "node" "$(HOST_NAME)" "hostIP" "$(HOST_IP)") -}}
{{- $port := toString (int (default $external.port $external.advertisedPort)) -}}
{{- if and (eq $external.type "NodePort") (not (int $external.advertisedPort)) -}}
{{- /* One digit, the ordinal, after the tens: Kubernetes writes texts together, and does not add. */ -}}
{{- $port = printf "%d$(POD_ORDINAL)" (add (div (int $external.nodePortBase) 10) (int .set.index)) -}}
{{- end -}}
{{- printf "%s:%s" $host $port -}}
{{- end -}}

{{- /* The name of one agent: takes root, set and ordinal. Where only its node says it, it stays {hostIP} or {node}. */ -}}
{{- define "esker.externalHostOf" -}}
{{- $ordinal := toString (int .ordinal) -}}
{{- include "esker.fillIn" (dict "root" .root "set" .set "text" (include "esker.externalHost" .root)
  "pod" (printf "%s-%s" .set.name $ordinal) "ordinal" $ordinal "node" "{node}" "hostIP" "{hostIP}") -}}
{{- end -}}

{{- define "esker.nodePortOf" -}}
{{- add (int .root.Values.external.nodePortBase) (mul 10 (int .set.index)) (int .ordinal) -}}
{{- end -}}
