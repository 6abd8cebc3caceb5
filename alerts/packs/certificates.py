"""Watch certificates that are about to expire."""

from __future__ import annotations

from slo.alerts.packs.model import Check, Feed, PackRules, Scenario, gauge, missing
from slo.alerts.packs.settings import Settings, Words
from slo.duration import hours, minutes

__all__ = ["build"]


def build(settings: Settings) -> PackRules:
    """Return the rules on certificates that were not renewed, and on those that expire."""
    # The prober sees no certificate while the server is away: the last one seen counts.
    left = f"last_over_time({settings.series('expiry')}[1h]) - time()"
    page, ticket = settings.seconds("page_before"), settings.seconds("ticket_before")
    who, value = "{{ $labels.instance }}", "{{ $value | humanizeDuration }}"
    alerts = (
        settings.alert(
            "CertificateNotRenewed",
            "ticket",
            f"{left} < {ticket}\nand {left} >= {page}",
            Words(
                f"the certificate of {who} was not renewed",
                f"The certificate of {who} expires in {value}, and should have been renewed "
                f"{settings.duration('ticket_before')} before.",
                "the log of what renews it (cert-manager, certbot, lego), and its challenge.",
            ),
            hours(1),
        ),
        settings.alert(
            "CertificateExpires",
            "page",
            f"{left} < {page}",
            Words(
                f"the certificate of {who} expires",
                f"The certificate of {who} expires in {value}; a negative time has passed.",
                "whether a new one is there already and the server has only not loaded it.",
            ),
            minutes(15),
        ),
    )
    return PackRules((), alerts, _scenarios(settings))


def _scenarios(settings: Settings) -> tuple[Scenario, ...]:
    labels = {"job": "probe", "instance": "https://shop.example.com"}
    page = settings.duration("page_before").seconds
    ticket = settings.duration("ticket_before").seconds
    between = (page + ticket) / 2
    late = 3 * 3600.0

    def feed(*values: str) -> tuple[Feed, ...]:
        return (Feed(settings.sample("expiry", **labels), " ".join(values)),)

    return (
        Scenario(
            "not renewed in time, then renewed",
            feed(gauge((between + late, 120), (ticket * 4, 20))),
            (
                Check("CertificateNotRenewed", 30, 0),
                Check("CertificateNotRenewed", 65, 1),
                Check("CertificateNotRenewed", 121, 0),
                Check("CertificateExpires", 65, 0),
            ),
        ),
        Scenario(
            "expires while the server is away, then renewed",
            feed(gauge((page / 2, 20)), missing(20), gauge((ticket * 4, 20))),
            (
                Check("CertificateExpires", 10, 0),
                Check("CertificateExpires", 16, 1),
                Check("CertificateExpires", 39, 1),
                Check("CertificateExpires", 41, 0),
                Check("CertificateNotRenewed", 39, 0),
            ),
        ),
    )
