{{/* Puts the policy of that name into force where the operator serves, and nowhere else. */}}
{{- define "tierfleet.admission.binding" -}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "tierfleet.labels" .context | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: {{ toJson .context.Values.admissionPolicies.actions }}
  {{- if not .context.Values.clusterWide }}
  matchResources:
    namespaceSelector:
      matchExpressions:
      - key: kubernetes.io/metadata.name
        operator: In
        values: {{ include "tierfleet.namespaces" .context }}
  {{- end }}
{{- end }}
