{{- /* The ports of the mode. */ -}}
{{- define "weir.ports" -}}
{{- toYaml (ternary .Values.ports .Values.sidecar.ports (eq .Values.mode "gateway")) -}}
{{- end -}}

{{- /* Whether anything of the config needs the Redis. */ -}}
{{- define "weir.usesRedis" -}}
{{- if or .Values.board.enabled (eq .Values.deferral.store "redis") (eq .Values.commons.store "redis") -}}yes{{- end -}}
{{- end -}}

{{- /* Whether it keeps something on a volume of its own. */ -}}
{{- define "weir.isStateful" -}}
{{- if or (eq .Values.deferral.store "lmdb") (eq .Values.commons.store "lmdb") -}}yes{{- end -}}
{{- end -}}

{{- /* weir.yaml: what the chart knows, over what `config` says. */ -}}
{{- define "weir.config" -}}
{{- $isGateway := eq .Values.mode "gateway" -}}
{{- $ports := include "weir.ports" . | fromYaml -}}
{{- $host := ternary .Values.listenHost "127.0.0.1" $isGateway -}}
{{- $delay := ternary (int .Values.drain.delaySeconds) 0 $isGateway -}}
{{- $operator := dict "listen" (printf "%s:%d" .Values.listenHost (int $ports.operator)) -}}
{{- if .Values.operator.control -}}
{{- $_ := set $operator "control" true -}}
{{- end -}}
{{- $own := dict
      "listen" (printf "%s:%d" $host (int $ports.agents))
      "operator" $operator
      "upstreams" .Values.upstreams
      "drain" (dict "max" (printf "%ds" (int .Values.drain.maxSeconds)) "delay" (printf "%ds" $delay)) -}}
{{- if $isGateway -}}
{{- $auth := dict -}}
{{- with .Values.auth.mode -}}{{- $_ := set $auth "mode" . -}}{{- end -}}
{{- if .Values.auth.keysSecret.name -}}{{- $_ := set $auth "keys" (printf "/etc/weir/auth/%s" .Values.auth.keysSecret.key) -}}{{- end -}}
{{- with .Values.auth.tokens -}}{{- $_ := set $auth "tokens" . -}}{{- end -}}
{{- with .Values.auth.certificates -}}{{- $_ := set $auth "certificates" . -}}{{- end -}}
{{- $_ := set $own "auth" $auth -}}
{{- with .Values.permissions -}}{{- $_ := set $own "permissions" . -}}{{- end -}}
{{- if .Values.tls.secretName -}}
{{- $_ := set $own "tls" (dict "cert" "/etc/weir/tls/tls.crt" "key" "/etc/weir/tls/tls.key") -}}
{{- end -}}
{{- end -}}
{{- if include "weir.policiesConfigMap" . -}}
{{- $_ := set $own "policies" (list "/etc/weir/policies") -}}
{{- end -}}
{{- if .Values.board.enabled -}}
{{- $_ := set $own "board" (dict "redis" "${WEIR_REDIS_URL}" "prefix" .Values.board.prefix) -}}
{{- end -}}
{{- if ne .Values.deferral.store "none" -}}
{{- $keys := list -}}
{{- range .Values.deferral.keysSecret.files -}}
{{- $keys = append $keys (printf "/etc/weir/deferral/%s" .) -}}
{{- end -}}
{{- $deferral := dict "store" .Values.deferral.store "keyFiles" $keys -}}
{{- if eq .Values.deferral.store "redis" -}}{{- $_ := set $deferral "redis" "${WEIR_REDIS_URL}" -}}
{{- else -}}{{- $_ := set $deferral "dir" "/var/lib/weir/deferred" -}}{{- end -}}
{{- $_ := set $own "deferral" $deferral -}}
{{- end -}}
{{- if ne .Values.commons.store "none" -}}
{{- $commons := dict "store" .Values.commons.store -}}
{{- if eq .Values.commons.store "redis" -}}{{- $_ := set $commons "redis" "${WEIR_REDIS_URL}" -}}{{- end -}}
{{- if eq .Values.commons.store "lmdb" -}}{{- $_ := set $commons "dir" "/var/lib/weir/commons" -}}{{- end -}}
{{- $_ := set $own "commons" $commons -}}
{{- end -}}
{{- $hold := dict "hold" (dict "totalBytes" (printf "%dMiB" (div (int .Values.memoryMi) 4))) -}}
{{- toYaml (merge $own (deepCopy .Values.config) $hold) -}}
{{- end -}}

{{- /* Changes when the config does. Policies are not in it: a running Weir takes them up by itself. */ -}}
{{- define "weir.checksum" -}}
checksum/config: {{ include "weir.config" . | sha256sum }}
{{- end -}}
