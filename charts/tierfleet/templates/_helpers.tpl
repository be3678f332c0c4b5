{{/* Names, labels and other words that several templates use. */}}

{{/* The base of all names: the release's, with the chart's unless it is part of it. */}}
{{- define "tierfleet.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if contains $name .Release.Name -}}{{- $full = .Release.Name -}}{{- end -}}
{{- .Values.fullnameOverride | default $full | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* The operator's Deployment, and all that goes with it in the namespace of the release. */}}
{{- define "tierfleet.operator" -}}
{{- include "tierfleet.fullname" . }}-operator
{{- end }}

{{/* Two releases of one name in two namespaces must not share what has no namespace. */}}
{{- define "tierfleet.clusterName" -}}
{{- printf "%s-%s.%s" (include "tierfleet.fullname" .context) .suffix .context.Release.Namespace -}}
{{- end }}

{{- define "tierfleet.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "tierfleet.operator" .) -}}
{{- end }}

{{- define "tierfleet.image" -}}
{{- $version := .Values.image.tag | default .Chart.AppVersion | printf ":%s" -}}
{{- $pinned := printf "@%s" .Values.image.digest -}}
{{- printf "%s%s" .Values.image.repository (ternary $pinned $version (not (empty .Values.image.digest))) -}}
{{- end }}

{{/* What selects the operator's pods; never changes, and matches no pod of a pool. */}}
{{- define "tierfleet.selector" -}}
app.kubernetes.io/name: tierfleet-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tierfleet.labels" -}}
{{- $ours := include "tierfleet.podLabels" . | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/version" .Chart.AppVersion -}}
{{- $_ := set $ours "app.kubernetes.io/managed-by" .Release.Service -}}
{{- $_ := set $ours "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") -}}
{{- toYaml $ours -}}
{{- end }}

{{/* Without a version: what is new about the chart alone is no reason to restart the pods. */}}
{{- define "tierfleet.podLabels" -}}
{{- $ours := include "tierfleet.selector" . | fromYaml -}}
{{- $_ := set $ours "app.kubernetes.io/part-of" "tierfleet" -}}
{{- toYaml (merge $ours .Values.commonLabels) -}}
{{- end }}

{{/* The namespaces that are served, as JSON; not to be asked for with clusterWide. */}}
{{- define "tierfleet.namespaces" -}}
{{- .Values.watchNamespaces | default (list .Release.Namespace) | uniq | sortAlpha | toJson -}}
{{- end }}
