{{- /*
Weir beside an agent, for charts that have this one as a dependency (alias or name `weir`, `mode: sidecar`):

  metadata:
    annotations:
      {{- include "weir.checksum" .Subcharts.weir | nindent 6 }}
  spec:
    initContainers:
      {{- include "weir.sidecar" .Subcharts.weir | nindent 6 }}
    volumes:
      {{- include "weir.sidecar.volumes" .Subcharts.weir | nindent 6 }}

An init container that keeps running (KEP-753): the agent starts when the startup probe is answered, and SIGTERM comes
to Weir when the agent has ended. A Job completes with it in place. The agent then calls
http://127.0.0.1:<ports.agents>/<upstream>/...
*/ -}}
{{- define "weir.sidecar" -}}
- {{ include "weir.container" . | nindent 2 | trim }}
  restartPolicy: Always
{{- end -}}

{{- define "weir.sidecar.volumes" -}}
{{ include "weir.volumes" . }}
{{- end -}}
