{{- /* The pods of a gateway: the template of a Deployment, or of a StatefulSet when something is kept on a volume. */ -}}
{{- define "weir.pod" -}}
metadata:
  labels:
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- include "weir.podLabels" . | nindent 4 }}
    app.kubernetes.io/component: gateway
  annotations:
    {{- include "weir.checksum" . | nindent 4 }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .Values.serviceAccountName }}
  serviceAccountName: {{ . }}
  {{- end }}
  # Weir asks the Kubernetes API for nothing.
  automountServiceAccountToken: false
  # Variables named after Services would begin with WEIR_, as Weir's own do.
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if include "weir.isStateful" . }}
  # The volume is given to the group that Weir runs as.
  securityContext:
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  # The drain, and five seconds to end in order.
  terminationGracePeriodSeconds: {{ include "weir.graceSeconds" . }}
  containers:
    - {{ include "weir.container" . | nindent 6 | trim }}
  volumes:
    {{- include "weir.volumes" . | nindent 4 }}
  topologySpreadConstraints:
    {{- if .Values.topologySpreadConstraints }}
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "weir.selectorLabels" $ | nindent 10 }}
          app.kubernetes.io/component: gateway
      {{- if not (include "weir.isStateful" $) }}
      # Of each revision for itself: old pods of a rollout do not push new ones aside.
      matchLabelKeys: [pod-template-hash]
      {{- end }}
    {{- end }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "weir.graceSeconds" -}}
{{- default (add (int .Values.drain.maxSeconds) 5) (int .Values.terminationGracePeriodSeconds) -}}
{{- end -}}
