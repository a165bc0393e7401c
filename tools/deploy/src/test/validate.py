"""Validates objects of standard input (JSON list) against the schemas of Kubernetes' versions; prints faults."""
import json
import sys
import kubernetes_validate

objects = json.load(sys.stdin)
for version in sys.argv[1:]:
    for each in objects:
        try:
            kubernetes_validate.validate(each, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            print(f"{version} {each['kind']} {each['metadata']['name']}: {'.'.join(map(str, error.path))}: {error.message}")
