{{- /* A value as a CEL literal. Kubernetes wants all elements of a list or map to be of one type: dyn is one. */ -}}
{{- define "weir.cel" -}}
{{- if kindIs "map" . -}}
{ {{- $isFirst := true -}}
{{- range $key, $value := . -}}
{{- if not $isFirst }}, {{ end -}}
{{ $key | quote }}: dyn({{ include "weir.cel" $value }})
{{- $isFirst = false -}}
{{- end -}} }
{{- else if kindIs "slice" . -}}
[{{- range $index, $value := . -}}{{- if $index }}, {{ end -}}dyn({{ include "weir.cel" $value }}){{- end -}}]
{{- else if kindIs "string" . -}}
{{ . | quote }}
{{- else if kindIs "bool" . -}}
{{ . }}
{{- else -}}
{{ int64 . }}
{{- end -}}
{{- end -}}
