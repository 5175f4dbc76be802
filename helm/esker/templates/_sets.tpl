{{- /*
The StatefulSets of a release: one for each pool and zone, worked out once for all templates.

`fromJson (include "esker.sets" .)` is `{sets: […], zones: […]}`. A set has
  name, pool, zone       what it is called; zone is "" where agents know none
  index                  its place among the sets that serve, for node ports
  serve, upkeep          what its agents do
  replicas, most         agents, and how many there can be (the same, unless it is scaled by load)
  values                 the values of its pool: those of the file, with the pool's own in their place
zones are those in which agents serve, each with its listener.
Numbers that come out of JSON are floats: `int` them.
*/ -}}
{{- define "esker.sets" -}}
{{- include "esker.checkBefore" . -}}
{{- $root := . -}}
{{- $full := include "esker.fullname" . -}}
{{- $own := list "replicas" "roles" "zones" "resources" "nodeSelector" "tolerations" "affinity" "priorityClassName" "podLabels" "podAnnotations" "extraEnv" "settings" "autoscaling" "topologySpread" -}}
{{- $over := list "settings" "autoscaling" "topologySpread" -}}
{{- $sets := list -}}
{{- $zones := list -}}
{{- $index := 0 -}}
{{- $pools := default (dict "" dict) .Values.pools -}}
{{- range $pool := keys $pools | sortAlpha -}}
  {{- $values := dict -}}
  {{- range $own -}}
    {{- $_ := set $values . (deepCopy (get $root.Values .)) -}}
  {{- end -}}
  {{- range $key, $value := default dict (get $pools $pool) -}}
    {{- if has $key $over -}}
      {{- range $name, $inner := $value -}}
        {{- $_ := set (get $values $key) $name $inner -}}
      {{- end -}}
    {{- else -}}
      {{- $_ := set $values $key $value -}}
    {{- end -}}
  {{- end -}}
  {{- $serve := has "serve" $values.roles -}}
  {{- range $zone := default (list "") $values.zones -}}
    {{- $name := join "-" (compact (list $full $pool $zone)) -}}
    {{- $scaled := $values.autoscaling.enabled -}}
    {{- $set := dict "name" $name "pool" $pool "zone" $zone "index" $index "values" $values
      "serve" $serve "upkeep" (has "upkeep" $values.roles)
      "replicas" (ternary $values.autoscaling.minReplicas $values.replicas $scaled)
      "most" (ternary $values.autoscaling.maxReplicas $values.replicas $scaled) -}}
    {{- $sets = append $sets $set -}}
    {{- if $serve -}}
      {{- $index = add1 $index -}}
      {{- if and $zone (not (has $zone $zones)) -}}
        {{- $zones = append $zones $zone -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $found := list -}}
{{- if $root.Values.listeners.zones.enabled -}}
  {{- range $place, $zone := $zones -}}
    {{- $found = append $found (dict "name" $zone "listener" (printf "ZONE-%s" (upper $zone))
      "port" (add $root.Values.listeners.zones.firstPort $place)
      "portName" (printf "zone-%s" (sha1sum $zone | trunc 8))) -}}
  {{- end -}}
{{- end -}}
{{- $all := dict "sets" $sets "zones" $found -}}
{{- include "esker.checkAfter" (dict "root" $root "sets" $sets "zones" $found) -}}
{{- toJson $all -}}
{{- end -}}

{{- /* Labels that select the agents of a set. Takes root and set. */ -}}
{{- define "esker.setSelector" -}}
{{ include "esker.agents" .root }}
esker/set: {{ .set.name }}
{{- end -}}

{{- /* Labels of an agent's pod. */ -}}
{{- define "esker.podLabels" -}}
{{ include "esker.setSelector" . }}
esker/pool: {{ default "all" .set.pool }}
esker/serve: {{ .set.serve | quote }}
{{- with .set.zone }}
esker/zone: {{ . }}
{{- end }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- with .set.values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
