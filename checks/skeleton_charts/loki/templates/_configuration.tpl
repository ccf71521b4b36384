{{/* Loki's own configuration: the values, of which some have other names there, with ports, paths and the other pods. */}}
{{- define "configuration" -}}
{{- $values := .Values.loki }}
{{- $store := dict "filesystem" (dict "chunks_directory" "/var/loki/chunks" "rules_directory" "/var/loki/rules") }}
{{- if eq $values.storage.type "s3" }}
{{- $store = dict "s3" (dict "bucketnames" $values.storage.bucketNames.chunks "region" $values.storage.s3.region) }}
{{- end }}
{{- $common := merge (dict "path_prefix" "/var/loki" "storage" $store) $values.commonConfig }}
{{- $server := merge (dict "http_listen_port" 3100 "grpc_listen_port" 9095) $values.server }}
{{- omit $values "image" "podSecurityContext" "containerSecurityContext" "commonConfig" "schemaConfig" "storage" "server" | toYaml }}
common: {{ toJson $common }}
schema_config: {{ toJson $values.schemaConfig }}
server: {{ toJson $server }}
memberlist: { join_members: [{{ include "fullname" . }}-memberlist] }
{{- end }}
