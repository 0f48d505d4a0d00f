{{- /*
Weir beside an agent, for charts that have this one as a dependency (alias or name `weir`, `mode: sidecar`):

  metadata:
    annotations:
      {{- include "weir.checksum" .Subcharts.weir | nindent 6 }}
  spec:
    initContainers:
      {{- include "weir.sidecar" .Subcharts.weir | nindent 6 }}
    containers:
      - name: agent
        env:
          {{- include "weir.sidecar.env" .Subcharts.weir | nindent 10 }}
    volumes:
      {{- include "weir.sidecar.volumes" .Subcharts.weir | nindent 6 }}

An init container that keeps running (KEP-753): the agent starts when the startup probe is answered, and SIGTERM comes
to Weir when the agent has ended. A Job completes with it in place. The agent calls
http://127.0.0.1:<sidecar.ports.agents>/<upstream>/...

`weir inject` puts in the same: src/inject/sidecar.ts.
*/ -}}
{{- define "weir.sidecar" -}}
- {{ include "weir.container" . | nindent 2 | trim }}
  restartPolicy: Always
{{- end -}}

{{- define "weir.sidecar.volumes" -}}
{{ include "weir.volumes" . }}
{{- end -}}

{{- /* Base URLs for the SDKs of the upstreams that are named as here; the pod's name is the agent's. */ -}}
{{- define "weir.sidecar.env" -}}
{{- $clients := dict
      "openai" (dict "urls" (list (list "OPENAI_BASE_URL" "/v1") (list "OPENAI_API_BASE" "/v1")) "headers" "OPENAI_CUSTOM_HEADERS")
      "anthropic" (dict "urls" (list (list "ANTHROPIC_BASE_URL" "")) "headers" "ANTHROPIC_CUSTOM_HEADERS")
      "gemini" (dict "urls" (list (list "GOOGLE_GEMINI_BASE_URL" "")) "headers" "")
      "vertex" (dict "urls" (list (list "GOOGLE_VERTEX_BASE_URL" "")) "headers" "") -}}
{{- $url := printf "http://127.0.0.1:%d" (int .Values.sidecar.ports.agents) -}}
- name: WEIR_AGENT
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- range $upstream := list "openai" "anthropic" "gemini" "vertex" }}
{{- if hasKey $.Values.upstreams $upstream }}
{{- $client := get $clients $upstream }}
{{- $byHeader := and (eq $.Values.sidecar.identity "headers") $client.headers }}
{{- range $client.urls }}
- name: {{ index . 0 }}
  value: {{ $url }}{{ if not $byHeader }}/@$(WEIR_AGENT){{ end }}/{{ $upstream }}{{ index . 1 }}
{{- end }}
{{- if $byHeader }}
- name: {{ $client.headers }}
  value: 'weir-agent: $(WEIR_AGENT)'
{{- end }}
{{- end }}
{{- end }}
{{- end -}}
