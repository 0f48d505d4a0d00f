{{- /* weir.yaml: what the chart knows, over what `config` says. */ -}}
{{- define "weir.config" -}}
{{- $isGateway := eq .Values.mode "gateway" -}}
{{- $host := ternary .Values.listenHost "127.0.0.1" $isGateway -}}
{{- $delay := ternary (int .Values.drain.delaySeconds) 0 $isGateway -}}
{{- $own := dict
      "listen" (printf "%s:%d" $host (int .Values.ports.agents))
      "operator" (dict "listen" (printf "%s:%d" .Values.listenHost (int .Values.ports.operator)))
      "upstreams" .Values.upstreams
      "drain" (dict "max" (printf "%ds" (int .Values.drain.maxSeconds)) "delay" (printf "%ds" $delay)) -}}
{{- if $isGateway -}}
{{- $_ := set $own "auth" (dict "mode" .Values.auth.mode) -}}
{{- end -}}
{{- if include "weir.policiesConfigMap" . -}}
{{- $_ := set $own "policies" (list "/etc/weir/policies") -}}
{{- end -}}
{{- $hold := dict "hold" (dict "totalBytes" (printf "%dMiB" (div (int .Values.memoryMi) 4))) -}}
{{- toYaml (merge $own (deepCopy .Values.config) $hold) -}}
{{- end -}}

{{- /* Changes when the config does. Policies are not in it: a running Weir takes them up by itself. */ -}}
{{- define "weir.checksum" -}}
checksum/config: {{ include "weir.config" . | sha256sum }}
{{- end -}}
