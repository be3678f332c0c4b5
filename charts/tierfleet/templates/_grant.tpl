{{/*
Grant rights to the operator, for one concern.

  tierfleet.grant.served   in the namespaces that are served: a Role in each, or one ClusterRole
  tierfleet.grant.cluster  in the whole cluster

Both take context, concern (the end of the name) and rules (the name of a template).
*/}}

{{- define "tierfleet.grant.served" -}}
{{- if .context.Values.clusterWide }}
{{- include "tierfleet.grant.cluster" . }}
{{- else }}
{{- range $namespace := include "tierfleet.namespaces" .context | fromJsonArray }}
{{- include "tierfleet.grant.role" (merge (dict "namespace" $namespace) $) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tierfleet.grant.cluster" -}}
{{- $name := include "tierfleet.clusterName" (dict "context" .context "suffix" (printf "operator-%s" .concern)) -}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  labels:
    {{- include "tierfleet.labels" .context | nindent 4 }}
rules:
{{ include .rules .context }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "tierfleet.labels" .context | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ $name }}}
subjects:
{{ include "tierfleet.grant.subject" .context }}
{{- end }}

{{- define "tierfleet.grant.role" -}}
{{- $name := printf "%s-%s" (include "tierfleet.operator" .context) .concern }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "tierfleet.labels" .context | nindent 4 }}
rules:
{{ include .rules .context }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ .namespace }}
  labels:
    {{- include "tierfleet.labels" .context | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ $name }}}
subjects:
{{ include "tierfleet.grant.subject" .context }}
{{- end }}

{{- define "tierfleet.grant.subject" -}}
- kind: ServiceAccount
  name: {{ include "tierfleet.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
