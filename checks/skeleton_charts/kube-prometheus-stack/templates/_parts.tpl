{{/* Names and labels of the stack's own parts: root and part. */}}

{{- define "part" -}}
{{ include "fullname" .root }}-{{ .part }}
{{- end }}

{{- define "part labels" -}}
app: {{ .root.Chart.Name }}-{{ .part }}
release: {{ .root.Release.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: {{ .root.Chart.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "part account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "part" . }}
  labels: {{ include "part labels" . | nindent 4 }}
automountServiceAccountToken: true
{{- end }}

{{- define "part role" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ include "part" . }}
  labels: {{ include "part labels" . | nindent 4 }}
{{ include "binds" (dict "root" .root "kind" "ClusterRole" "name" (include "part" .) "account" (include "part" .)) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ include "part" . }}
  labels: {{ include "part labels" . | nindent 4 }}
rules:
{{- end }}

{{/* How many of its pods an eviction leaves: root, part, and a label of the operator that names the object. */}}
{{- define "part budget" -}}
{{- $budget := (get .root.Values .part).podDisruptionBudget }}
{{- if $budget.enabled }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "part" . }}
  labels: {{ include "part labels" . | nindent 4 }}
spec:
  minAvailable: {{ $budget.minAvailable }}
  selector: { matchLabels: { app.kubernetes.io/name: {{ .part }}, {{ .label }}: {{ include "part" . }} } }
{{- end }}
{{- end }}

{{/* Monitor of Prometheus or Alertmanager, and of the reloader beside it. */}}
{{- define "part monitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "part" . }}
  labels: {{ include "part labels" . | nindent 4 }}
spec:
  namespaceSelector: { matchNames: [{{ .root.Release.Namespace }}] }
  selector:
    matchLabels: { app: {{ .root.Chart.Name }}-{{ .part }}, release: {{ .root.Release.Name }}, self-monitor: "true" }
  endpoints: [{ port: http-web, path: /metrics }, { port: reloader-web, path: /metrics }]
{{- end }}

{{/* What the values say of an object of the operator: root, part, values, and the values that are no fields of it. */}}
{{- define "part spec" -}}
{{- $spec := .values }}
{{- range .omit }}{{ $spec = omit $spec . }}{{ end }}
{{- toYaml $spec }}
image: {{ include "image" .values.image }}
version: {{ .values.image.tag }}
serviceAccountName: {{ include "part" . }}
{{- if eq .values.podAntiAffinity "soft" }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector: { matchLabels: { app.kubernetes.io/name: {{ .part }} } }
{{- else if eq .values.podAntiAffinity "hard" }}
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector: { matchLabels: { app.kubernetes.io/name: {{ .part }} } }
{{- end }}
{{- end }}
