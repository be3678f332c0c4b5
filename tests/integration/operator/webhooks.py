"""A webhook that is dead, so that the API server answers 500 to whatever has to ask it."""

from e2e.world import Document, World

NAME = "dead"


def dead(world: World, operation: str, resource: str, group: str = "") -> Document:
    """Nobody can do that (such as CREATE) to a resource of the namespace."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": NAME},
        "webhooks": [
            {
                "name": f"{NAME}.example.com",
                "clientConfig": {"url": "https://127.0.0.1:1/"},
                "failurePolicy": "Fail",
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": world.namespace}
                },
                "rules": [
                    {
                        "apiGroups": [group],
                        "apiVersions": ["v1"],
                        "operations": [operation],
                        "resources": [resource],
                    }
                ],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
