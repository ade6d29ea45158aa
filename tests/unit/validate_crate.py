"""Validate a folder as a Workflow Run RO-Crate 0.5, without a network: `validate_crate.py CRATE CONTEXT`.

Needs roc-validator, in an environment of its own. CONTEXT is the JSON-LD context that the package rocrate has, which is
of RO-Crate 1.3; 1.1, which the profile is of, has another address for what a workflow is. Prints what the profile
requires and the crate has not; ends with status 1 where there is something.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import requests
from rdflib.plugins.shared.jsonld import context as jsonld
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings

PROFILE = "workflow-run-crate-0.5"
crate, path = sys.argv[1:]
context = json.loads(Path(path).read_text(encoding="utf-8"))
context["@context"]["ComputationalWorkflow"] = "https://bioschemas.org/ComputationalWorkflow"
answer = SimpleNamespace(
    status_code=200,
    ok=True,
    headers={"Content-Type": "application/ld+json"},
    json=lambda: context,
    content=b"",
    text="",
)
requests.Session.request = lambda *arguments, **options: answer
of_files = jsonld.source_to_json
jsonld.source_to_json = lambda source, *arguments, **options: (
    (context, None) if str(source).startswith("https://w3id.org/") else of_files(source, *arguments, **options)
)
settings = ValidationSettings(
    rocrate_uri=crate, profile_identifier=PROFILE, requirement_severity=Severity.REQUIRED, skip_availability_check=True
)
result = services.validate(settings)
for issue in result.get_issues():
    print(f"{issue.check.identifier}: {issue.message}")
print(f"{PROFILE}: {len(result.executed_checks)} checks")
sys.exit(not result.passed())
