{{- /* Every problem at once: what, where, what is allowed. What a type or a range can say is in values.schema.json. */ -}}
{{- define "weir.validate" -}}
{{- $v := .Values -}}
{{- $isGateway := eq $v.mode "gateway" -}}
{{- $ports := include "weir.ports" . | fromYaml -}}
{{- $workers := int (default 1 $v.config.workers) -}}
{{- $isMany := or $v.autoscaling.enabled (gt (int $v.replicas) 1) -}}
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
{{- $ways := or $v.auth.keysSecret.name $v.auth.tokens $v.auth.certificates -}}
{{- if and $isGateway (not $v.auth.mode) (not $ways) -}}
{{- $problems = append $problems "auth is not said: agents connect over the network, and nothing says who may. Give auth.keysSecret, auth.tokens or auth.certificates; or write `auth: { mode: none }` if the network itself keeps strangers out; or use mode: sidecar" -}}
{{- end -}}
{{- if and (eq $v.auth.mode "none") $ways -}}
{{- $problems = append $problems "auth.mode is none, and a way to be known is given: nobody would be asked for it; mode: required, or take the way out" -}}
{{- end -}}
{{- if and (has $v.auth.mode (list "required" "optional")) (not $ways) -}}
{{- $problems = append $problems (printf "auth.mode is %s without a way to be known: auth.keysSecret, auth.tokens or auth.certificates" $v.auth.mode) -}}
{{- end -}}
{{- if and $isGateway $ways (not $v.permissions) -}}
{{- $problems = append $problems "auth without permissions: every call would be refused, since nothing is allowed that is not said; add `permissions: { grants: [{ agents: ['*'], upstreams: ['*'] }] }`, or less" -}}
{{- end -}}
{{- if and (not $isGateway) (or $v.auth.mode $ways $v.permissions $v.tls.secretName) -}}
{{- $problems = append $problems "auth, permissions and tls belong to mode: gateway: a sidecar listens on the loopback of its pod alone" -}}
{{- end -}}
{{- if and $v.config.tls (not $v.tls.secretName) -}}
{{- $problems = append $problems "config.tls without tls.secretName: there is no certificate" -}}
{{- end -}}
{{- if and $v.auth.certificates (not $v.tls.secretName) (not (hasKey $v.auth.certificates "forwardedFrom")) -}}
{{- $problems = append $problems "auth.certificates without tls.secretName: nobody can show one over plain HTTP; or say forwardedFrom" -}}
{{- end -}}
{{- if and $isGateway (eq $v.auth.mode "none") (ne $v.service.type "ClusterIP") -}}
{{- $problems = append $problems (printf "service.type is %s and auth.mode is none: whoever reaches it from outside the cluster may call; authenticate, or keep to ClusterIP" $v.service.type) -}}
{{- end -}}
{{- if and $v.policies $v.policiesConfigMap -}}
{{- $problems = append $problems "policies and policiesConfigMap are both given: one of them" -}}
{{- end -}}
{{- range $key := list "listen" "auth" "permissions" "operator" "upstreams" "policies" "drain" -}}
{{- if hasKey $v.config $key -}}
{{- $problems = append $problems (printf "config.%s: the chart writes this key itself; use the value of its own (values.yaml)" $key) -}}
{{- end -}}
{{- end -}}
{{- range $section, $keys := dict "deferral" (list "store" "dir" "redis" "keyFiles" "volatile") "commons" (list "store" "dir" "redis") "board" (list "redis" "prefix") "tls" (list "cert" "key") -}}
{{- $given := default dict (get $v.config $section) -}}
{{- range $key := $keys -}}
{{- if hasKey $given $key -}}
{{- $problems = append $problems (printf "config.%s.%s: the chart writes this key itself; use the values of its own (values.yaml)" $section $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $journal := dig "journal" "dir" "" $v.config -}}
{{- if $journal -}}
{{- $isMounted := false -}}
{{- range $v.extraVolumeMounts -}}
{{- if and (not .readOnly) (or (eq $journal .mountPath) (hasPrefix (printf "%s/" (trimSuffix "/" .mountPath)) $journal)) -}}
{{- $isMounted = true -}}
{{- end -}}
{{- end -}}
{{- if not $isMounted -}}
{{- $problems = append $problems (printf "config.journal.dir is %s, and the root of the container is read-only: mount a volume there (extraVolumes, extraVolumeMounts)" $journal) -}}
{{- end -}}
{{- end -}}
{{- if and (include "weir.usesRedis" .) (not $v.redis.secretName) -}}
{{- $problems = append $problems "board, deferral or commons is to use Redis, and redis.secretName is empty: a Secret with its URL" -}}
{{- end -}}
{{- if and $v.board.enabled (not $v.hashKeySecret.name) -}}
{{- $problems = append $problems "board.enabled without hashKeySecret.name: the same API key would be another agent at each pod, and a storm would seem to be one of many" -}}
{{- end -}}
{{- if ne $v.deferral.store "none" -}}
{{- if not $v.deferral.keysSecret.name -}}
{{- $problems = append $problems "deferral.store without deferral.keysSecret.name: what is kept is always sealed, with keys from a Secret" -}}
{{- end -}}
{{- if not $v.deferral.keysSecret.files -}}
{{- $problems = append $problems "deferral.keysSecret.files is empty: the keys of the Secret, the one that seals first" -}}
{{- end -}}
{{- end -}}
{{- range $room, $store := dict "deferral" $v.deferral.store "commons" $v.commons.store -}}
{{- if and (not $isGateway) (has $store (list "lmdb" "memory")) -}}
{{- $problems = append $problems (printf "%s.store: %s in a sidecar: it would end with the pod, and no other pod would see it; redis, or mode: gateway" $room $store) -}}
{{- end -}}
{{- if and $isGateway $isMany (has $store (list "lmdb" "memory")) -}}
{{- $problems = append $problems (printf "%s.store: %s is kept by one replica, and another would answer 404 for what is there: replicas: 1 without autoscaling, or redis" $room $store) -}}
{{- end -}}
{{- if and (gt $workers 1) (has $store (list "lmdb" "memory")) -}}
{{- $problems = append $problems (printf "%s.store: %s is one process's, and config.workers is %d: one worker, or redis" $room $store $workers) -}}
{{- end -}}
{{- end -}}
{{- if lt (int (include "weir.heapMi" .)) 96 -}}
{{- $problems = append $problems (printf "memoryMi (%d) leaves each of the processes of config.workers (%d) less than 96 MiB of heap: more memory, or replicas instead of workers" (int $v.memoryMi) $workers) -}}
{{- end -}}
{{- if hasKey $v.resources.limits "memory" -}}
{{- $problems = append $problems "resources.limits.memory: heap and holds must fit in it, so it is memoryMi (MiB) that sets it" -}}
{{- end -}}
{{- if eq (int $ports.agents) (int $ports.operator) -}}
{{- $problems = append $problems (printf "the ports of agents and operator are both %d: a port of its own for each" (int $ports.agents)) -}}
{{- end -}}
{{- if ge (int $v.drain.delaySeconds) (int $v.drain.maxSeconds) -}}
{{- $problems = append $problems (printf "drain.delaySeconds (%d) leaves no time for the calls: less than drain.maxSeconds (%d)" (int $v.drain.delaySeconds) (int $v.drain.maxSeconds)) -}}
{{- end -}}
{{- if and $v.terminationGracePeriodSeconds (lt (int $v.terminationGracePeriodSeconds) (add (int $v.drain.maxSeconds) 5 | int)) -}}
{{- $problems = append $problems (printf "terminationGracePeriodSeconds (%d) is shorter than the drain: the kubelet would cut calls that drain.maxSeconds (%d) promises to end; at least 5 more" (int $v.terminationGracePeriodSeconds) (int $v.drain.maxSeconds)) -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- $problems = append $problems "autoscaling.minReplicas is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and $v.operator.control (or (not $isGateway) (not $v.networkPolicy.enabled)) -}}
{{- $problems = append $problems "operator.control: whoever reaches the operator's port could switch rules, and nothing keeps others off it; a gateway with networkPolicy.enabled" -}}
{{- end -}}
{{- if not $isGateway -}}
{{- if or $v.serviceMonitor.enabled $v.autoscaling.enabled -}}
{{- $problems = append $problems "serviceMonitor and autoscaling belong to mode: gateway: a sidecar has neither a Service nor replicas of its own; podMonitor finds sidecars" -}}
{{- end -}}
{{- else if or $v.podMonitor.enabled $v.injection.enabled -}}
{{- $problems = append $problems "podMonitor and injection belong to mode: sidecar" -}}
{{- end -}}
{{- if and $v.injection.enabled (semverCompare "<1.36.0-0" .Capabilities.KubeVersion.Version) -}}
{{- $problems = append $problems (printf "injection needs MutatingAdmissionPolicy of Kubernetes 1.36, and this is %s: `weir inject` writes the sidecar into the manifests instead" .Capabilities.KubeVersion.Version) -}}
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
