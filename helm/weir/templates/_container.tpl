{{- /* The container, the same in both modes. */ -}}
{{- define "weir.container" -}}
name: weir
image: {{ include "weir.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run, --config, /etc/weir/config/weir.yaml]
env:
  - name: NODE_OPTIONS
    value: --max-old-space-size={{ div (int .Values.memoryMi) 2 }}
  {{- if .Values.hashKeySecret.name }}
  - name: WEIR_HASH_KEY
    valueFrom:
      secretKeyRef:
        name: {{ .Values.hashKeySecret.name }}
        key: {{ .Values.hashKeySecret.key }}
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  - name: weir-agents
    containerPort: {{ int .Values.ports.agents }}
    protocol: TCP
  - name: weir-operator
    containerPort: {{ int .Values.ports.operator }}
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
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
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
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
