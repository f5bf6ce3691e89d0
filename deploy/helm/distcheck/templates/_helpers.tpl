{{/* Labels of an object; the argument is a list: root, name. */}}
{{- define "distcheck.labels" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ last . }}
app.kubernetes.io/part-of: distcheck
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version }}
{{- end -}}

{{- define "distcheck.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Annotations of pods that are scraped; the argument is a list: port, annotations that win. */}}
{{- define "distcheck.scraped" -}}
{{- $ours := dict "prometheus.io/scrape" "true" "prometheus.io/port" (first . | toString) "prometheus.io/path" "/metrics" -}}
{{ toYaml (merge (last . | default dict | deepCopy) $ours) }}
{{- end -}}

{{/* The agents are sought in all namespaces, and by those who may not list all in `distcheck`. */}}
{{- define "distcheck.checkNamespace" -}}
{{- if and .Values.serve.enabled .Values.serve.namespaces (ne .Release.Namespace "distcheck") -}}
{{- fail "serve.namespaces: serve then looks for the agents in the namespace distcheck alone: install with --namespace distcheck" -}}
{{- end -}}
{{- end -}}

{{/* An object of a plain manifest, in the release's namespace and with the chart's labels too.
     The argument is a list: root, object. */}}
{{- define "distcheck.plain" -}}
{{- $root := first . -}}
{{- $one := last . -}}
{{- $name := index $one.metadata.labels "app.kubernetes.io/name" -}}
{{- $_ := set $one.metadata "labels" (merge (include "distcheck.labels" (list $root $name) | fromYaml) $one.metadata.labels) -}}
{{- if hasKey $one.metadata "namespace" -}}
{{- $_ := set $one.metadata "namespace" $root.Release.Namespace -}}
{{- end -}}
{{- range $one.subjects -}}
{{- $_ := set . "namespace" $root.Release.Namespace -}}
{{- end -}}
{{ toYaml $one }}
{{- end -}}

{{/* Any one of these: GPU operator, GPU feature discovery, GKE, node feature discovery. */}}
{{- define "distcheck.gpuNodes" -}}
nodeAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    nodeSelectorTerms:
      - matchExpressions:
          - key: nvidia.com/gpu.present
            operator: In
            values: ["true"]
      - matchExpressions:
          - key: nvidia.com/gpu.count
            operator: Exists
      - matchExpressions:
          - key: cloud.google.com/gke-accelerator
            operator: Exists
      - matchExpressions:
          - key: feature.node.kubernetes.io/pci-10de.present
            operator: In
            values: ["true"]
      - matchExpressions:
          - key: feature.node.kubernetes.io/pci-0302_10de.present
            operator: In
            values: ["true"]
{{- end -}}
