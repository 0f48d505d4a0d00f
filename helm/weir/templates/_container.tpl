{{- /* The container, the same in both modes. */ -}}
{{- define "weir.container" -}}
{{- $ports := include "weir.ports" . | fromYaml -}}
name: weir
image: {{ include "weir.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run, --config, /etc/weir/config/weir.yaml]
env:
  - name: NODE_OPTIONS
    value: --max-old-space-size={{ include "weir.heapMi" . }}
  {{- if .Values.hashKeySecret.name }}
  - name: WEIR_HASH_KEY
    valueFrom:
      secretKeyRef:
        name: {{ .Values.hashKeySecret.name }}
        key: {{ .Values.hashKeySecret.key }}
  {{- end }}
  {{- if include "weir.usesRedis" . }}
  - name: WEIR_REDIS_URL
    valueFrom:
      secretKeyRef:
        name: {{ .Values.redis.secretName }}
        key: {{ .Values.redis.key }}
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - name: weir-agents
    containerPort: {{ int $ports.agents }}
    protocol: TCP
  - name: weir-operator
    containerPort: {{ int $ports.operator }}
    protocol: TCP
startupProbe:
  httpGet: { path: /readyz, port: weir-operator }
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  httpGet: { path: /readyz, port: weir-operator }
  periodSeconds: 5
  timeoutSeconds: 2
  failureThreshold: 1
livenessProbe:
  httpGet: { path: /livez, port: weir-operator }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
resources:
  {{- $limits := merge (dict "memory" (printf "%dMi" (int .Values.memoryMi))) (deepCopy .Values.resources.limits) }}
  {{- toYaml (dict "requests" .Values.resources.requests "limits" $limits) | nindent 2 }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
  seccompProfile:
    type: RuntimeDefault
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - name: weir-config
    mountPath: /etc/weir/config
    readOnly: true
  {{- if include "weir.policiesConfigMap" . }}
  - name: weir-policies
    mountPath: /etc/weir/policies
    readOnly: true
  {{- end }}
  {{- if and (eq .Values.mode "gateway") .Values.tls.secretName }}
  - name: weir-tls
    mountPath: /etc/weir/tls
    readOnly: true
  {{- end }}
  {{- if and (eq .Values.mode "gateway") .Values.auth.keysSecret.name }}
  - name: weir-auth
    mountPath: /etc/weir/auth
    readOnly: true
  {{- end }}
  {{- if ne .Values.deferral.store "none" }}
  - name: weir-deferral-keys
    mountPath: /etc/weir/deferral
    readOnly: true
  {{- end }}
  {{- if include "weir.isStateful" . }}
  - name: weir-data
    mountPath: /var/lib/weir
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* Half of the memory; each process of several has its own heap, the one that carries no calls included. */ -}}
{{- define "weir.heapMi" -}}
{{- $workers := int (default 1 .Values.config.workers) -}}
{{- div (int .Values.memoryMi) (mul 2 (ternary (add $workers 1) 1 (gt $workers 1))) -}}
{{- end -}}

{{- define "weir.volumes" -}}
- name: weir-config
  configMap:
    name: {{ include "weir.fullname" . }}
{{- with include "weir.policiesConfigMap" . }}
- name: weir-policies
  configMap:
    name: {{ . }}
{{- end }}
{{- if and (eq .Values.mode "gateway") .Values.tls.secretName }}
- name: weir-tls
  secret:
    secretName: {{ .Values.tls.secretName }}
{{- end }}
{{- if and (eq .Values.mode "gateway") .Values.auth.keysSecret.name }}
- name: weir-auth
  secret:
    secretName: {{ .Values.auth.keysSecret.name }}
{{- end }}
{{- if ne .Values.deferral.store "none" }}
- name: weir-deferral-keys
  secret:
    secretName: {{ .Values.deferral.keysSecret.name }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
