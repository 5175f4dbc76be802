{{- /*
What values.schema.json cannot say: values that contradict each other, and mistakes that deserve a sentence.
Every template asks for the sets, and so none is rendered from values that are refused here.

A message is one sentence: the value, what is wrong, what to do.
*/ -}}

{{- /* What can be said of the values alone. */ -}}
{{- define "esker.checkBefore" -}}
{{- $values := .Values -}}

{{- if not $values.image.repository -}}
{{- fail "image.repository is empty: name the image of Esker with its registry, such as registry.example.com/esker" -}}
{{- end -}}
{{- if regexMatch "(:[^/]*|@.*)$" $values.image.repository -}}
{{- fail (printf "image.repository %s holds a tag or a digest: give it as image.tag or image.digest" $values.image.repository) -}}
{{- end -}}
{{- if and $values.prices (hasKey $values.settings "prices_file") -}}
{{- fail "prices and settings.prices_file are both given: the prices are one or the other" -}}
{{- end -}}
{{- range $where := list "commonLabels" "podLabels" -}}
  {{- range $label, $_ := index $values $where -}}
    {{- if or (hasPrefix "esker/" $label) (has $label (list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component")) -}}
    {{- fail (printf "%s sets %s, by which the chart finds its pods: choose another name" $where $label) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{- /* Stores. A password in a value would be readable in the release, in the StatefulSet and in every pod. */ -}}
{{- $metastore := $values.metastore -}}
{{- if and $metastore.url $metastore.urlSecret.name -}}
{{- fail "metastore.url and metastore.urlSecret.name are both given: the database is one or the other" -}}
{{- end -}}
{{- if not (or $metastore.url $metastore.urlSecret.name) -}}
{{- fail "the database is missing: give metastore.url, or the name of a Secret with the URL in metastore.urlSecret.name" -}}
{{- end -}}
{{- if $metastore.url -}}
  {{- if not (regexMatch "^postgres(ql)?://" $metastore.url) -}}
  {{- fail "metastore.url does not begin with postgres://: agents share a Postgres database" -}}
  {{- end -}}
  {{- if or (regexMatch "^[a-z]+://[^/@]*:[^/]*@" $metastore.url) (regexMatch "[?&]password=" $metastore.url) -}}
  {{- fail "metastore.url holds a password: put that into a Secret and name it in metastore.passwordSecret.name" -}}
  {{- end -}}
{{- else if $metastore.passwordSecret.name -}}
  {{- fail "metastore.passwordSecret.name goes with metastore.url: the URL of a urlSecret holds its password itself" -}}
{{- end -}}
{{- $bucket := $values.bucket -}}
{{- if not $bucket.url -}}
{{- fail "bucket.url is empty: say where segments live, such as s3://bucket/prefix" -}}
{{- end -}}
{{- if not (regexMatch "^(s3|gs|az)://[^/]" $bucket.url) -}}
{{- fail "bucket.url is no bucket: it begins with s3://, gs:// or az:// and names one, since agents keep nothing on disk" -}}
{{- end -}}
{{- if regexMatch "://[^/]*@" $bucket.url -}}
{{- fail "bucket.url holds credentials: put them into a Secret and name it in bucket.credentialsSecret.name" -}}
{{- end -}}
{{- if not (hasPrefix "s3://" $bucket.url) -}}
  {{- if or $bucket.endpoint $bucket.region $bucket.credentialsSecret.name -}}
  {{- fail (printf "bucket.endpoint, bucket.region and bucket.credentialsSecret are for s3:// only: leave them out for %s" $bucket.url) -}}
  {{- end -}}
{{- end -}}

{{- if and (not $values.serviceAccount.create) $values.serviceAccount.annotations -}}
{{- fail "serviceAccount.annotations are given but serviceAccount.create is false: annotate the account where it is made" -}}
{{- end -}}

{{- $ports := dict -}}
{{- range list (list "listeners.internal.port" $values.listeners.internal.port) (list "listeners.admin.port" $values.listeners.admin.port) (list "external.port" (ternary $values.external.port 0 (not (empty $values.external.type)))) -}}
  {{- $port := toString (int (index . 1)) -}}
  {{- if hasKey $ports $port -}}
  {{- fail (printf "%s and %s are both %s: give each a port of its own" (get $ports $port) (index . 0) $port) -}}
  {{- end -}}
  {{- $_ := set $ports $port (index . 0) -}}
{{- end -}}

{{- include "esker.checkEnvironment" (dict "where" "extraEnv" "list" $values.extraEnv) -}}
{{- include "esker.checkSettings" (dict "where" "settings" "map" $values.settings) -}}
{{- range $name, $pool := $values.pools -}}
  {{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) -}}
  {{- fail (printf "pools: %q is no name: write letters, digits and dashes, a letter first" $name) -}}
  {{- end -}}
  {{- include "esker.checkEnvironment" (dict "where" (printf "pools.%s.extraEnv" $name) "list" (dig "extraEnv" list (default dict $pool))) -}}
  {{- include "esker.checkSettings" (dict "where" (printf "pools.%s.settings" $name) "map" (dig "settings" dict (default dict $pool))) -}}
{{- end -}}

{{- include "esker.checkExternal" . -}}
{{- end -}}

{{- define "esker.checkEnvironment" -}}
{{- range .list -}}
  {{- if and (hasPrefix "ESKER_" .name) (hasKey . "value") -}}
  {{- fail (printf "%s sets %s: settings of Esker belong in settings.%s" $.where .name (lower (trimPrefix "ESKER_" .name))) -}}
  {{- else if hasPrefix "ESKER_" .name -}}
  {{- include "esker.checkSettings" (dict "where" $.where "map" (dict (lower (trimPrefix "ESKER_" .name)) "")) -}}
  {{- end -}}
  {{- if and (hasKey . "value") (or (regexMatch "://[^/@]*:[^/]*@" .value) (and (regexMatch "(PASSWORD|PASSWD|SECRET|TOKEN|_KEY|CREDENTIAL)" (upper .name)) (not (regexMatch "_(FILE|PATH|URI|URL)$" (upper .name))))) -}}
  {{- fail (printf "%s sets %s to a value that looks like a secret: give it by valueFrom.secretKeyRef" $.where .name) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- /* Settings that the chart works out. A setting that does not exist at all is refused by the schema. */ -}}
{{- define "esker.checkSettings" -}}
{{- $instead := dict
  "listeners" "listeners and external" "advertised_listeners" "listeners and external" "kafka_addr" "listeners.internal.port"
  "advertised_addr" "external.host" "listener_security_protocol_map" "listeners" "listener_zones" "zones"
  "metastore_url" "metastore.url or metastore.urlSecret" "metastore_url_file" "metastore.urlSecret" "metastore_password_file" "metastore.passwordSecret"
  "bucket_url" "bucket.url" "data_dir" "bucket.url" "node_name" "fullnameOverride" "zone" "zones" "roles" "roles"
  "admin_addr" "listeners.admin.port" "peer_addr" "listeners" -}}
{{- range $name, $value := .map -}}
  {{- if regexMatch "://[^/@]*:[^/]*@" (toString $value) -}}
  {{- fail (printf "%s.%s holds a password: put the whole value into a Secret and set ESKER_%s from it in extraEnv" $.where $name (upper $name)) -}}
  {{- end -}}
  {{- if hasKey $instead $name -}}
  {{- fail (printf "%s.%s is worked out by the chart: use the value %s" $.where $name (get $instead $name)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "esker.checkExternal" -}}
{{- $external := .Values.external -}}
{{- if $external.type -}}
  {{- $host := include "esker.externalHost" . -}}
  {{- if not $host -}}
  {{- fail (printf "external.host is missing: with external.type %s an agent must know its name before it starts, so give one for each, such as kafka-{pod}.example.com" $external.type) -}}
  {{- end -}}
  {{- $rest := regexReplaceAll "\\{(pod|ordinal|zone|pool|namespace|release|hostIP|node)\\}" $host "x" | trimPrefix "[" | trimSuffix "]" -}}
  {{- if not (regexMatch "^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$" $rest) -}}
  {{- fail (printf "external.host %q is no host name: besides letters, digits, dots and dashes it may hold {pod}, {ordinal}, {zone}, {pool}, {namespace}, {release}, {hostIP} and {node}, and no port" $host) -}}
  {{- end -}}
  {{- if and (ne $external.type "NodePort") (regexMatch "\\{(hostIP|node)\\}" $host) -}}
  {{- fail (printf "external.host %q names nodes, which %s does not lead to: use {pod}" $host $external.type) -}}
  {{- end -}}
  {{- if eq $external.type "NodePort" -}}
    {{- if mod (int $external.nodePortBase) 10 -}}
    {{- fail (printf "external.nodePortBase %d is no multiple of 10: the last digit is the agent's ordinal" (int $external.nodePortBase)) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- /* What can be said once the sets are known. Takes root, sets and zones. */ -}}
{{- define "esker.checkAfter" -}}
{{- $values := .root.Values -}}
{{- $serve := list -}}
{{- $upkeep := false -}}
{{- $names := dict -}}
{{- $lone := 0 -}}
{{- range $set := .sets -}}
  {{- $where := ternary (printf "pools.%s." $set.pool) "" (not (empty $set.pool)) -}}
  {{- /* A pod's labels hold the set's name with a hash or an ordinal, and its Service more than that; all end at 63. */ -}}
  {{- if gt (len $set.name) 50 -}}
  {{- fail (printf "the name %s is longer than 50 characters: shorten it by fullnameOverride, or the names of pools and zones" $set.name) -}}
  {{- end -}}
  {{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $set.name) -}}
  {{- fail (printf "the name %s is none that DNS takes: use lower-case letters, digits and dashes in the release's name, in fullnameOverride, pools and zones" $set.name) -}}
  {{- end -}}
  {{- if hasKey $names $set.name -}}
  {{- fail (printf "two StatefulSets would be called %s: give pools and zones names that differ" $set.name) -}}
  {{- end -}}
  {{- $_ := set $names $set.name true -}}
  {{- if $set.serve -}}{{- $serve = append $serve $set -}}{{- end -}}
  {{- if $set.upkeep -}}{{- $upkeep = true -}}{{- end -}}
  {{- if and $set.serve (eq (int $set.replicas) 1) -}}{{- $lone = add1 $lone -}}{{- end -}}
  {{- $scaling := $set.values.autoscaling -}}
  {{- if $scaling.enabled -}}
    {{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
    {{- fail (printf "%sautoscaling.minReplicas is %d and maxReplicas %d: the fewest cannot be more than the most" $where (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
    {{- end -}}
    {{- if not (or $scaling.targetCPUUtilizationPercentage $scaling.podMetrics) -}}
    {{- fail (printf "%sautoscaling has nothing to go by: give targetCPUUtilizationPercentage or podMetrics" $where) -}}
    {{- end -}}
    {{- if and $scaling.targetCPUUtilizationPercentage (not (dig "requests" "cpu" "" $set.values.resources)) -}}
    {{- fail (printf "%sautoscaling goes by percent of the requested CPU: give %sresources.requests.cpu" $where $where) -}}
    {{- end -}}
  {{- end -}}
  {{- include "esker.checkMemory" (dict "where" $where "values" $set.values) -}}
{{- end -}}
{{- if not $serve -}}
{{- fail "no agents serve clients: give roles, or those of one of the pools, the role serve" -}}
{{- end -}}
{{- if not $upkeep -}}
{{- fail "no agents do upkeep, so that nothing would be archived or deleted: give roles, or those of one of the pools, the role upkeep" -}}
{{- end -}}
{{- if and (gt (len $serve) 1) (eq $lone (len $serve)) (not $values.allowSingleAgentSets) -}}
{{- fail "each StatefulSet would have one agent, and an upgrade restarts one in each at once, so that none serves meanwhile: give replicas 2 or more, or accept that by allowSingleAgentSets" -}}
{{- end -}}
{{- include "esker.checkZonePorts" . -}}
{{- if $values.external.type -}}
{{- include "esker.checkAddresses" (dict "root" .root "sets" $serve) -}}
{{- end -}}
{{- end -}}

{{- define "esker.checkZonePorts" -}}
{{- $values := .root.Values -}}
{{- if gt (len .zones) 14 -}}
{{- fail (printf "there are %d zones, and an agent has at most 16 listeners: set listeners.zones.enabled to false" (len .zones)) -}}
{{- end -}}
{{- range .zones -}}
  {{- if or (eq (int .port) (int $values.listeners.internal.port)) (eq (int .port) (int $values.listeners.admin.port)) (and $values.external.type (eq (int .port) (int $values.external.port))) -}}
  {{- fail (printf "the port %d of zone %s is taken: choose another listeners.zones.firstPort" (int .port) .name) -}}
  {{- end -}}
  {{- if gt (int .port) 65535 -}}
  {{- fail (printf "the port %d of zone %s is above 65535: choose a lower listeners.zones.firstPort" (int .port) .name) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- /* Every agent must have an address of its own. */ -}}
{{- define "esker.checkAddresses" -}}
{{- $root := .root -}}
{{- $external := .root.Values.external -}}
{{- $byNodePort := and (eq $external.type "NodePort") (not (int $external.advertisedPort)) -}}
{{- $seen := dict -}}
{{- range $set := .sets -}}
  {{- if and (eq $external.type "NodePort") (gt (int $set.most) 10) -}}
  {{- fail (printf "%s may have %d agents, and with external.type NodePort a StatefulSet has ten node ports: have at most 10, and more pools or zones" $set.name (int $set.most)) -}}
  {{- end -}}
  {{- if and (not $set.zone) (contains "{zone}" $external.host) -}}
  {{- fail (printf "external.host has {zone}, and agents of %s know no zone: give zones, or leave it out" $set.name) -}}
  {{- end -}}
  {{- range $ordinal := until (int $set.most) -}}
    {{- $host := include "esker.externalHostOf" (dict "root" $root "set" $set "ordinal" $ordinal) -}}
    {{- $port := ternary (include "esker.nodePortOf" (dict "root" $root "set" $set "ordinal" $ordinal)) "" $byNodePort -}}
    {{- if and (eq $external.type "NodePort") (gt (int (include "esker.nodePortOf" (dict "root" $root "set" $set "ordinal" $ordinal))) 65535) -}}
    {{- fail "external.nodePortBase leaves no room: node ports would pass 65535" -}}
    {{- end -}}
    {{- $address := printf "%s:%s" $host $port -}}
    {{- if hasKey $seen $address -}}
    {{- fail (printf "external.host gives %s-%d and %s the same address %s: put {pod} into it" $set.name $ordinal (get $seen $address) $host) -}}
    {{- end -}}
    {{- $_ := set $seen $address (printf "%s-%d" $set.name $ordinal) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- /* The budget of memory_bytes is not all that an agent uses: connections and programs need their share. */ -}}
{{- define "esker.checkMemory" -}}
{{- $budget := dig "memory_bytes" "" .values.settings -}}
{{- $limit := dig "limits" "memory" "" .values.resources -}}
{{- if and $budget $limit -}}
  {{- $bytes := int64 (include "esker.bytes" (include "esker.text" $budget)) -}}
  {{- $most := int64 (include "esker.bytes" (include "esker.text" $limit)) -}}
  {{- if gt (mul $bytes 4) (mul $most 3) -}}
  {{- fail (printf "%ssettings.memory_bytes %s is more than three quarters of %sresources.limits.memory %s: raise the limit or lower the budget" .where (include "esker.text" $budget) .where (include "esker.text" $limit)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- /* Bytes of a size as Esker writes it (1GiB, 8MiB, 500MB) or as Kubernetes does (2Gi, 2G). */ -}}
{{- define "esker.bytes" -}}
{{- $parts := dict "" 1 "k" 1000 "m" 1000000 "g" 1000000000 "t" 1000000000000 "ki" 1024 "mi" 1048576 "gi" 1073741824 "ti" 1099511627776 -}}
{{- $number := regexFind "^[0-9.]+" . -}}
{{- $unit := trimPrefix $number . | trim | lower | trimSuffix "b" -}}
{{- /* Kubernetes' m is a thousandth, and no byte has those. */ -}}
{{- if or (not (hasKey $parts $unit)) (hasSuffix "m" .) -}}
{{- fail (printf "%s is no amount of memory: write 1GiB or 512MiB, and 2Gi for Kubernetes" .) -}}
{{- end -}}
{{- printf "%.0f" (mulf (float64 $number) (float64 (get $parts $unit))) -}}
{{- end -}}
