{{- /* Every problem at once: what, where, what is allowed. What a type or a range can say is in values.schema.json. */ -}}
{{- define "weir.validate" -}}
{{- $v := .Values -}}
{{- $isGateway := eq $v.mode "gateway" -}}
{{- $problems := list -}}
{{- if not (has $v.mode (list "gateway" "sidecar")) -}}
{{- $problems = append $problems (printf "mode is %q: gateway or sidecar" $v.mode) -}}
{{- end -}}
{{- if not $v.image.repository -}}
{{- $problems = append $problems "image.repository is empty: no image is published yet; build the Dockerfile and name your own" -}}
{{- end -}}
{{- if not $v.upstreams -}}
{{- $problems = append $problems "upstreams is empty: at least one, by name, as in `openai: https://api.openai.com`" -}}
{{- end -}}
{{- if hasKey $v.upstreams "weir" -}}
{{- $problems = append $problems "upstreams.weir: the name is reserved for Weir's own paths; choose another" -}}
{{- end -}}
{{- if and $isGateway (ne $v.auth.mode "none") -}}
{{- $problems = append $problems "auth.mode is not said: agents connect over the network, and Weir has no authentication yet, so whoever reaches the port may call. If the network itself keeps strangers out, write `auth: { mode: none }`; otherwise use mode: sidecar" -}}
{{- end -}}
{{- if and $v.policies $v.policiesConfigMap -}}
{{- $problems = append $problems "policies and policiesConfigMap are both given: one of them" -}}
{{- end -}}
{{- range $key := list "listen" "auth" "operator" "upstreams" "policies" "drain" -}}
{{- if hasKey $v.config $key -}}
{{- $problems = append $problems (printf "config.%s: the chart writes this key itself; use the value of its own (values.yaml)" $key) -}}
{{- end -}}
{{- end -}}
{{- if hasKey $v.resources.limits "memory" -}}
{{- $problems = append $problems "resources.limits.memory: heap and holds must fit in it, so it is memoryMi (MiB) that sets it" -}}
{{- end -}}
{{- if eq (int $v.ports.agents) (int $v.ports.operator) -}}
{{- $problems = append $problems (printf "ports.agents and ports.operator are both %d: a port of its own for each" (int $v.ports.agents)) -}}
{{- end -}}
{{- if ge (int $v.drain.delaySeconds) (int $v.drain.maxSeconds) -}}
{{- $problems = append $problems (printf "drain.delaySeconds (%d) leaves no time for the calls: less than drain.maxSeconds (%d)" (int $v.drain.delaySeconds) (int $v.drain.maxSeconds)) -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- $problems = append $problems "autoscaling.minReplicas is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- if not $isGateway -}}
{{- if or $v.serviceMonitor.enabled $v.autoscaling.enabled -}}
{{- $problems = append $problems "serviceMonitor and autoscaling belong to mode: gateway: a sidecar has neither a Service nor replicas of its own" -}}
{{- end -}}
{{- end -}}
{{- if $v.sidecar.example.enabled -}}
{{- if $isGateway -}}
{{- $problems = append $problems "sidecar.example belongs to mode: sidecar" -}}
{{- end -}}
{{- if not $v.sidecar.example.image -}}
{{- $problems = append $problems "sidecar.example.image is empty: the image of your agent" -}}
{{- end -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\nweir: the values are not in order:\n- %s\n" (join "\n- " $problems)) -}}
{{- end -}}
{{- end -}}
