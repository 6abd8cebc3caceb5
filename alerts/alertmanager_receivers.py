"""
Turn the receivers of an owner into Alertmanager's integrations, with texts for a person on call.

The texts lean on the annotations `title`, `summary`, `description`, `runbook_url` and
`dashboard_url`; each may be missing, since alerts of other origin pass through here as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slo import conventions
from slo.diagnostics import Diagnostic, Severity
from slo.plan import Receiver

__all__ = [
    "HTTP_SETTINGS",
    "ONE_OF",
    "SETTINGS",
    "TLS_SETTINGS",
    "Setting",
    "check_receiver",
    "integration",
]


@dataclass(frozen=True, slots=True)
class Setting:
    """
    Describe one key of a receiver.

    Args:
        type: `string`, `path`, `url`, `boolean` or `integer`; or `http` and `tls`, mappings
            with the keys of `HTTP_SETTINGS` and `TLS_SETTINGS`.
        meaning: One sentence for the editor.
    """

    type: str
    meaning: str
    required: bool = False


TLS_SETTINGS: Mapping[str, Setting] = {
    "ca_file": Setting("path", "File with the certificate authority to trust."),
    "cert_file": Setting("path", "File with the client certificate."),
    "key_file": Setting("path", "File with the key of the client certificate."),
    "server_name": Setting("string", "Name that the server's certificate must carry."),
}

# Keys with a dot stand one mapping deeper.
HTTP_SETTINGS: Mapping[str, Setting] = {
    "authorization.type": Setting("string", "Scheme of the authorization header, such as Bearer."),
    "authorization.credentials_file": Setting("path", "File with the token."),
    "basic_auth.username": Setting("string", "User name."),
    "basic_auth.password_file": Setting("path", "File with the password."),
    "proxy_url": Setting("url", "Proxy to go through."),
    "tls_config": Setting("tls", "Certificates of the connection."),
}

_SEND_RESOLVED = Setting("boolean", "Also tell when it is over; true unless said otherwise.")
_HTTP_CONFIG = Setting("http", "Authentication, proxy and certificates, in Alertmanager's words.")

# The one table of what a receiver may say, in the order in which it is written.
SETTINGS: Mapping[str, Mapping[str, Setting]] = {
    "pagerduty": {
        "routing_key_file": Setting("path", "File with the key of an Events API v2 integration."),
        "service_key_file": Setting("path", "File with the key of a Prometheus integration."),
        "url": Setting(
            "url", "Address of the events API, for accounts outside the default region."
        ),
        "severity": Setting("string", "Critical for pages and warning for tickets by default."),
        "description": Setting("string", "Template for the incident's title."),
        "send_resolved": _SEND_RESOLVED,
        "http_config": _HTTP_CONFIG,
    },
    "slack": {
        "api_url_file": Setting("path", "File with the address of the incoming webhook.", True),
        "channel": Setting("string", "Channel or person, such as #checkout-oncall.", True),
        "username": Setting("string", "Name to post as."),
        "icon_emoji": Setting("string", "Emoji to post with, such as :fire:."),
        "title": Setting("string", "Template for the message's title."),
        "text": Setting("string", "Template for the message's text."),
        "send_resolved": _SEND_RESOLVED,
        "http_config": _HTTP_CONFIG,
    },
    "email": {
        "to": Setting("string", "Addresses to write to, separated by commas.", True),
        "from": Setting("string", "Address to write from.", True),
        "smarthost": Setting("string", "Mail server as host:port.", True),
        "hello": Setting("string", "Name to greet the mail server with."),
        "auth_username": Setting("string", "User name for the mail server."),
        "auth_identity": Setting("string", "Identity for the mail server, where it differs."),
        "auth_password_file": Setting("path", "File with the password for the mail server."),
        "require_tls": Setting("boolean", "Refuse unencrypted mail servers; true by default."),
        "tls_config": Setting("tls", "Certificates of the connection."),
        "send_resolved": _SEND_RESOLVED,
    },
    "webhook": {
        "url": Setting("url", "Address to post Alertmanager's JSON to."),
        "url_file": Setting("path", "File with that address; needs Alertmanager 0.26 or later."),
        "max_alerts": Setting(
            "integer", "Most alerts in one message; 0, the default, is no limit."
        ),
        "send_resolved": _SEND_RESOLVED,
        "http_config": _HTTP_CONFIG,
    },
}

# Kinds that need exactly one of these keys.
ONE_OF: Mapping[str, tuple[str, str]] = {
    "pagerduty": ("routing_key_file", "service_key_file"),
    "webhook": ("url", "url_file"),
}

# Alertmanager's keys that hold a secret themselves, and what to write instead.
_INSTEAD_OF_SECRET = {
    "api_key": "api_key_file",
    "api_url": "api_url_file",
    "auth_password": "auth_password_file",
    # CRAM-MD5 has no file setting; a password does, with every other mechanism.
    "auth_secret": "auth_password_file",
    "bearer_token": "http_config.authorization.credentials_file",
    "client_secret": "client_secret_file",
    "credentials": "credentials_file",
    "password": "password_file",
    "routing_key": "routing_key_file",
    "service_key": "service_key_file",
    "token": "http_config.authorization.credentials_file",
}
_USERINFO = re.compile(r"\s*[a-z][a-z0-9+.-]*://[^/?#]*@", re.IGNORECASE)
_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def check_receiver(receiver: Receiver) -> Iterator[Diagnostic]:
    """
    Yield what must not or cannot go into the configuration as *receiver* says it.

    No message repeats a value, since the value may be the secret.
    """
    for path, value in _leaves(receiver.settings):
        key = path.rpartition(".")[2]
        found = _secret_in(receiver.kind, path, key, value)
        if found is not None:
            message, hint = found
            yield Diagnostic("SLO504", Severity.ERROR, message, receiver.span, hint)
    if receiver.kind == "webhook" and "url_file" in receiver.settings:
        yield Diagnostic(
            "SLO505",
            Severity.WARNING,
            "`url_file` of a webhook needs Alertmanager 0.26 or later",
            receiver.span,
            "an older Alertmanager refuses the whole configuration; write `url` for it",
        )


def _secret_in(kind: str, path: str, key: str, value: object) -> tuple[str, str] | None:
    """Return message and hint if the setting at *path* gives a secret away."""
    if key in _INSTEAD_OF_SECRET:
        instead = _INSTEAD_OF_SECRET[key]
        return (
            f"`{path}` of the {kind} receiver would put a secret into the configuration",
            f"store the secret in a file that only Alertmanager reads; name it with `{instead}`",
        )
    if not isinstance(value, str):
        return None
    if key.endswith("_file") and _ADDRESS.match(value):
        return (
            f"`{path}` of the {kind} receiver must name a file, not hold an address",
            f"store the address in a file that only Alertmanager reads; name it with `{key}`",
        )
    if _USERINFO.match(value):
        return (
            f"`{path}` of the {kind} receiver has credentials inside the address",
            "take them out; `http_config` has `basic_auth.password_file` and "
            "`authorization.credentials_file` for them",
        )
    return None


def _leaves(settings: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(settings, Mapping):
        for key, value in settings.items():
            below = f"{path}.{key}" if path else str(key)
            # A secret's own key counts whatever it holds.
            if str(key) in _INSTEAD_OF_SECRET:
                yield below, None
            else:
                yield from _leaves(value, below)
    elif isinstance(settings, list | tuple):
        for item in settings:
            yield from _leaves(item, path)
    else:
        yield path, settings


# What burns: service, objective and kind of alert, or just the name of a foreign alert.
_WHAT = (
    f"{{{{ if .GroupLabels.{conventions.LABEL_SLO} }}}}"
    f"{{{{ .GroupLabels.{conventions.LABEL_SERVICE} }}}}"
    f" / {{{{ .GroupLabels.{conventions.LABEL_SLO} }}}}"
    "{{ else }}{{ .CommonLabels.alertname }}{{ end }}"
    f"{{{{ with .GroupLabels.{conventions.LABEL_ALERT_KIND} }}}}"
    ' ({{ reReplaceAll "_" " " . }}){{ end }}'
)
_INCIDENT = _WHAT + "{{ with (index .Alerts 0).Annotations.summary }}: {{ . }}{{ end }}"

# The labels that a reader knows from the title already; what is left tells where it burns.
_KNOWN_LABELS = " ".join(
    f'"{name}"'
    for name in (
        "alertname",
        conventions.OWNER_LABEL,
        conventions.LABEL_ALERT_KIND,
        *conventions.IDENTITY_LABELS,
        conventions.LABEL_SEVERITY,
    )
)
_HEADLINE = (
    '{{ if eq .Status "resolved" }}Resolved: {{ end }}{{ or .Annotations.title .Labels.alertname }}'
)
_TEXT = f"""\
{{{{ range .Alerts -}}}}
@HEADLINE@
{{{{- with .Annotations.summary }}}}
{{{{ . }}}}{{{{ end }}}}
{{{{- with .Annotations.description }}}}
{{{{ . }}}}{{{{ end }}}}
{{{{- with .Labels.Remove (stringSlice {_KNOWN_LABELS}) }}}}
Where: {{{{ range .SortedPairs }}}}{{{{ .Name }}}}={{{{ .Value }}}} {{{{ end }}}}{{{{ end }}}}
Since: {{{{ .StartsAt.UTC.Format "2006-01-02 15:04 MST" }}}}
{{{{- with .Annotations.runbook_url }}}}
@RUNBOOK@{{{{ end }}}}
{{{{- with .Annotations.dashboard_url }}}}
@DASHBOARD@{{{{ end }}}}

{{{{ end }}}}"""
_PLAIN_TEXT = (
    _TEXT.replace("@HEADLINE@", _HEADLINE)
    .replace("@RUNBOOK@", "Runbook: {{ . }}")
    .replace("@DASHBOARD@", "Dashboard: {{ . }}")
)
_SLACK_TEXT = (
    _TEXT.replace("@HEADLINE@", f"*{_HEADLINE}*")
    .replace("@RUNBOOK@", "<{{ . }}|Runbook>")
    .replace("@DASHBOARD@", "<{{ . }}|Dashboard>")
)


def _first(annotation: str) -> str:
    return f"{{{{ (index .Alerts 0).Annotations.{annotation} }}}}"


def _title(severity: str) -> str:
    return (
        f'{{{{ if eq .Status "firing" }}}}{severity.upper()}{{{{ else }}}}RESOLVED{{{{ end }}}}: '
    )


def integration(receiver: Receiver, severity: str) -> dict[str, Any]:
    """
    Return the entry of *receiver* below Alertmanager's `<kind>_configs`.

    What the receiver sets itself wins over our texts.

    Args:
        receiver: What the owner declares.
        severity: `page` or `ticket`, for the titles.
    """
    texts = _texts(receiver.kind, severity)
    given = dict(receiver.settings)
    table = SETTINGS.get(receiver.kind, {})
    ordered = {key: given.pop(key) for key in table if key in given and key not in texts}
    return ordered | texts | given


def _texts(kind: str, severity: str) -> dict[str, Any]:
    if kind == "pagerduty":
        return {
            "severity": "critical" if severity == "page" else "warning",
            "description": _INCIDENT,
            "details": {
                "summary": _first("summary"),
                "description": _first("description"),
                "runbook": _first("runbook_url"),
                "dashboard": _first("dashboard_url"),
            },
            "send_resolved": True,
        }
    if kind == "slack":
        return {
            "title": _title(severity) + _WHAT,
            "title_link": "{{ or .CommonAnnotations.dashboard_url .ExternalURL }}",
            "fallback": _title(severity) + _WHAT,
            "text": _SLACK_TEXT,
            "send_resolved": True,
        }
    if kind == "email":
        return {
            "headers": {"Subject": _title(severity) + _WHAT},
            # Plain text only: it reads the same on every telephone.
            "html": "",
            "text": _PLAIN_TEXT,
            "send_resolved": True,
        }
    return {"send_resolved": True}
