{{/* One part of Loki: root, part, component, name, values, volume, and the zone of an ingester. What keeps something
     is a StatefulSet, the others are Deployments. */}}
{{- define "workload" -}}
{{- $keeps := has .part (list "singleBinary" "ingester" "indexGateway" "compactor") }}
{{- $name := .name }}
{{- with .zone }}{{ $name = printf "%s-zone-%s" $name . }}{{ end }}
{{- $labels := dict "app.kubernetes.io/component" .component "app.kubernetes.io/instance" .root.Release.Name
    "app.kubernetes.io/name" .root.Chart.Name }}
{{- $apart := dict "labelSelector" (dict "matchLabels" $labels) }}
{{- $own := $labels }}
{{- with .zone }}{{ $own = merge (dict "name" (print "ingester-zone-" .)) $labels }}{{ end }}
{{- $loki := .root.Values.loki }}
{{- $claims := .volume.claims | default (list (merge (dict "name" "storage") .volume)) }}
apiVersion: apps/v1
kind: {{ ternary "StatefulSet" "Deployment" $keeps }}
metadata:
  name: {{ $name }}
  labels: {{ include "labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  replicas: {{ if .zone }}{{ divf .values.replicas 3 | ceil }}{{ else }}{{ .values.replicas }}{{ end }}
  {{- if $keeps }}
  serviceName: {{ .name }}-headless
  podManagementPolicy: Parallel
  {{- else }}
  strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }  # no two on one node, so none may come before one goes
  {{- end }}
  selector:
    matchLabels: {{ toJson $own }}
  template:
    metadata:
      labels: {{ merge (dict "app.kubernetes.io/part-of" "memberlist") $own | toJson }}
      annotations: { checksum/config: {{ toYaml $loki | sha256sum }} }
    spec:
      serviceAccountName: {{ include "account" .root }}
      automountServiceAccountToken: {{ .root.Values.defaults.automountServiceAccountToken }}
      securityContext: {{ toJson $loki.podSecurityContext }}
      {{- if not .zone }}
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            - { topologyKey: kubernetes.io/hostname, labelSelector: { matchLabels: {{ toJson $labels }} } }
      {{- end }}
      containers:
        - name: {{ ternary "loki" .component (eq .part "singleBinary") }}
          image: {{ include "image" $loki.image }}
          args:
            - -config.file=/etc/loki/config/config.yaml
            - -target={{ ternary "all" .component (eq .part "singleBinary") }}
          ports:
            - { name: http-metrics, containerPort: 3100 }
            - { name: grpc, containerPort: 9095 }
            - { name: http-memberlist, containerPort: 7946 }
          readinessProbe: { httpGet: { path: /ready, port: http-metrics } }
          resources: {{ toJson .values.resources }}
          securityContext: {{ toJson $loki.containerSecurityContext }}
          volumeMounts:
            - { name: config, mountPath: /etc/loki/config }
            - { name: {{ (first $claims).name }}, mountPath: /var/loki }
      volumes:
        - { name: config, configMap: { name: {{ include "fullname" .root }} } }
        {{- if not .volume.enabled }}
        - { name: storage, emptyDir: {} }
        {{- end }}
  {{- if .volume.enabled }}
  volumeClaimTemplates:
    {{- range $claims }}
    - metadata: { name: {{ .name }} }
      spec: {{ include "claim" . | nindent 8 }}
    {{- end }}
  {{- end }}
{{- end }}
