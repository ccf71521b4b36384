{{/* What the skeletons share. The same names and labels as the pinned charts give, since monitors, policies and
     `make verify` go by them. */}}

{{- define "fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name }}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- .Values.fullnameOverride | default $both }}
{{- end }}

{{- define "selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "labels" -}}
{{ include "selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "image" -}}
{{ .registry }}/{{ .repository }}:{{ .tag }}
{{- end }}

{{- define "account" -}}
{{ .Values.serviceAccount.name | default (include "fullname" .) }}
{{- end }}

{{- define "service account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "account" . }}
  labels: {{ include "labels" . | nindent 4 }}
  annotations: {{ .Values.serviceAccount.annotations | default dict | toJson }}
automountServiceAccountToken: {{ .Values.serviceAccount.automountServiceAccountToken }}
{{- end }}

{{/* The subject and role of a binding: root, name, kind of role, account. */}}
{{- define "binds" -}}
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: {{ .kind }}, name: {{ .name }} }
subjects: [{ kind: ServiceAccount, name: {{ .account }}, namespace: {{ .root.Release.Namespace }} }]
{{- end }}

{{/* A claim: access modes, size, class. */}}
{{- define "claim" -}}
accessModes: {{ .accessModes | default (list "ReadWriteOnce") | toJson }}
resources: { requests: { storage: {{ .size }} } }
{{- with .storageClassName | default .storageClass }}
storageClassName: {{ . }}
{{- end }}
{{- end }}

{{/* Refuses what a skeleton has nothing for: values, and the paths of those that must be off. */}}
{{- define "must be off" -}}
{{- $root := . }}
{{- range $path := .off }}
{{- $value := $root.values }}
{{- range splitList "." $path }}{{ $value = get $value . }}{{ end }}
{{- if $value }}{{ fail (printf "the skeleton has nothing for the value %s: %v" $path $value) }}{{ end }}
{{- end }}
{{- end }}
