"""
Describe VictoriaMetrics: one program, or a cluster of as many storage nodes as it takes.

The rules are those of Prometheus, evaluated by vmalert; `docs/servers.md` says what differs.
"""

from __future__ import annotations

from slo.duration import Duration
from slo.stack.components.context import CA, Context
from slo.stack.components.model import Component, ConfigFile, Probe, Reload, Secret, Volume
from slo.stack.components.prometheus import (
    evaluation_interval,
    rule_files,
    scrape_configs,
    scrape_times,
)
from slo.stack.components.reading import read_path, reader, writer, writer_path

__all__ = [
    "SCRAPE_CONFIG",
    "cluster_names",
    "victoria_metrics",
    "vmagent",
    "vmalert",
    "vminsert",
    "vmselect",
    "vmstorage",
]

SCRAPE_CONFIG = "scrape.yaml"
# How new a sample may be to be seen. The default of 30 s delays every step of the rules.
_LATENCY = "1s"
# From this version on vmalert evaluates late on purpose, by the default of that latency.
_DELAY_SINCE = (1, 97)
# The port of old for what is to be thrown away: nobody listens there.
_NOBODY = "http://127.0.0.1:9"
# With fewer nodes than that, a second copy would be no help: half of the data would still miss.
_COPIES_FROM = 3
# Enough for the rules' own steps, not for somebody's dashboard over a year.
_FLUSH = "1s"


def cluster_names() -> tuple[str, ...]:
    """Return the components of the cluster, in the order in which they start."""
    return ("vmstorage", "vminsert", "vmselect", "vmagent", "vmalert")


def _copies(context: Context) -> int:
    return 2 if context.settings.shards >= _COPIES_FROM else 1


def victoria_metrics(context: Context, retention: Duration) -> Component:
    """
    Return the program that stores, scrapes and answers.

    Args:
        retention: How long samples are kept.
    """
    name = "victoria-metrics"
    places = context.places
    return Component(
        name=name,
        role="stores samples and answers queries",
        image=context.image(name),
        program="victoria-metrics",
        arguments=(
            f"-httpListenAddr={places.listen(name, 'http')}",
            f"-storageDataPath={places.data(name)}",
            f"-retentionPeriod={_days(retention)}d",
            f"-search.latencyOffset={_LATENCY}",
            f"-promscrape.config={places.config(name, SCRAPE_CONFIG)}",
            "-loggerLevel=WARN",
        ),
        ports=context.ports(name),
        probe=_probe(context, name, "/health"),
        resources=context.resources(name, 0.5, 512, 2048),
        configs=(_scrape_config(context, name),),
        volumes=(Volume("victoria-metrics-data", places.data(name), 50),),
        secrets=context.client_secrets(name, *context.present),
        reload=Reload(path="/-/reload"),
    )


def vmstorage(context: Context, retention: Duration) -> Component:
    """
    Return the nodes that keep the samples.

    Args:
        retention: How long samples are kept.
    """
    name = "vmstorage"
    places = context.places
    return Component(
        name=name,
        role="keeps samples",
        image=context.image(name),
        arguments=(
            f"-httpListenAddr={places.listen(name, 'http')}",
            f"-vminsertAddr={places.listen(name, 'insert')}",
            f"-vmselectAddr={places.listen(name, 'select')}",
            f"-storageDataPath={places.data(name)}",
            f"-retentionPeriod={_days(retention)}d",
            *_deduplication(context),
            "-loggerLevel=WARN",
        ),
        ports=context.ports(name),
        probe=_probe(context, name, "/health"),
        resources=context.resources(name, 0.5, 512, 2048),
        volumes=(Volume("vmstorage-data", places.data(name), 50),),
        replicas=context.settings.shards,
    )


def vminsert(context: Context) -> Component:
    """Return what spreads samples over the nodes."""
    name = "vminsert"
    return Component(
        name=name,
        role="spreads samples over the storage nodes",
        image=context.image(name),
        arguments=(
            f"-httpListenAddr={context.places.listen(name, 'http')}",
            f"-storageNode={_nodes(context, 'insert')}",
            f"-replicationFactor={_copies(context)}",
            "-loggerLevel=WARN",
        ),
        ports=context.ports(name),
        probe=_probe(context, name, "/health"),
        resources=context.resources(name, 0.25, 128, 512),
        needs=context.needs("vmstorage"),
        scalable=True,
    )


def vmselect(context: Context) -> Component:
    """Return what answers queries from all nodes."""
    name = "vmselect"
    return Component(
        name=name,
        role="answers queries from all storage nodes",
        image=context.image(name),
        arguments=(
            f"-httpListenAddr={context.places.listen(name, 'http')}",
            f"-storageNode={_nodes(context, 'select')}",
            f"-replicationFactor={_copies(context)}",
            f"-search.latencyOffset={_LATENCY}",
            *_deduplication(context),
            # What it caches on disk, it can do without.
            "-cacheDataPath=/tmp/vmselect",
            "-loggerLevel=WARN",
        ),
        ports=context.ports(name),
        probe=_probe(context, name, "/health"),
        resources=context.resources(name, 0.25, 256, 1024),
        needs=context.needs("vmstorage"),
        scalable=True,
    )


def vmagent(context: Context) -> Component:
    """Return what scrapes and hands samples on, kept on disk while nobody takes them."""
    name = "vmagent"
    places = context.places
    url = context.url(writer(context), "http", writer_path(writer(context)))
    return Component(
        name=name,
        role="scrapes and hands samples on",
        image=context.image(name),
        program="vmagent",
        arguments=(
            f"-httpListenAddr={places.listen(name, 'http')}",
            f"-remoteWrite.url={url}",
            f"-remoteWrite.tmpDataPath={places.data(name)}",
            "-remoteWrite.maxDiskUsagePerURL=4GB",
            f"-promscrape.config={places.config(name, SCRAPE_CONFIG)}",
            "-loggerLevel=WARN",
        ),
        ports=context.ports(name),
        probe=_probe(context, name, "/health"),
        resources=context.resources(name, 0.25, 128, 512),
        configs=(_scrape_config(context, name),),
        volumes=(Volume("vmagent-queue", places.data(name), 5),),
        secrets=context.client_secrets(name, *context.present),
        needs=context.needs("vminsert"),
        reload=Reload(path="/-/reload"),
    )


def vmalert(context: Context) -> Component:
    """Return what evaluates the rules and sends the alerts."""
    name = "vmalert"
    places = context.places
    read = context.url(reader(context), "http", read_path(reader(context)))
    write = context.url(writer(context), "http", _write_root(writer(context)))
    rules = places.config(name, "rules/*.yaml")
    arguments = [
        f"-rule={rules}",
        f"-httpListenAddr={places.listen(name, 'http')}",
        f"-datasource.url={read}",
        f"-remoteRead.url={read}",
        f"-remoteWrite.url={write}",
        f"-remoteWrite.flushInterval={_FLUSH}",
        f"-evaluationInterval={evaluation_interval(context.settings)}",
        f"-external.label=stack={context.settings.name}",
        "-loggerLevel=WARN",
    ]
    if context.versions.victoria_metrics >= _DELAY_SINCE:
        arguments.append(f"-rule.evalDelay={_LATENCY}")
    else:
        arguments.append("-datasource.queryStep=0s")
    secrets: tuple[Secret, ...] = ()
    if not context.has("alertmanager"):
        # It does not start without anybody to notify.
        recent = context.versions.victoria_metrics >= _DELAY_SINCE
        arguments.append("-notifier.blackhole" if recent else f"-notifier.url={_NOBODY}")
    else:
        arguments += _notifier(context)
        secrets = context.client_secrets(name, "alertmanager")
    return Component(
        name=name,
        role="evaluates the rules, sends alerts",
        image=context.image(name),
        program="vmalert",
        arguments=tuple(arguments),
        ports=context.ports(name),
        probe=_probe(context, name, "/health"),
        resources=context.resources(name, 0.25, 128, 512),
        # The rules that watch Prometheus's own rule groups have nothing to watch here.
        configs=tuple(
            file for file in rule_files(context, name) if "slo-rules-health" not in file.name
        ),
        secrets=secrets,
        check=("vmalert", "-dryRun", f"-rule={rules}"),
        needs=context.needs(reader(context), writer(context)),
        reload=Reload(path="/-/reload"),
    )


def _write_root(component: str) -> str:
    """Return what stands before `/api/v1/write`, which vmalert adds itself."""
    return writer_path(component).removesuffix("/api/v1/write")


def _notifier(context: Context) -> list[str]:
    access = context.access("alertmanager")
    found = [f"-notifier.url={context.url('alertmanager')}"]
    if access.tls:
        password = context.places.secret("vmalert", access.password)
        found += [
            f"-notifier.tlsCAFile={context.places.secret('vmalert', CA)}",
            f"-notifier.basicAuth.username={access.user}",
            f"-notifier.basicAuth.passwordFile={password}",
        ]
    return found


def _nodes(context: Context, port: str) -> str:
    count = context.settings.shards
    return ",".join(context.places.instance("vmstorage", number, port) for number in range(count))


def _deduplication(context: Context) -> tuple[str, ...]:
    return ("-dedup.minScrapeInterval=1ms",) if _copies(context) > 1 else ()


def _scrape_config(context: Context, name: str) -> ConfigFile:
    document = {
        "global": {
            **scrape_times(context.settings),
            "external_labels": {"stack": context.settings.name},
        },
        "scrape_configs": list(scrape_configs(context, name)),
    }
    return context.config(name, SCRAPE_CONFIG, context.yaml(document))


def _probe(context: Context, name: str, path: str) -> Probe:
    url = f"http://127.0.0.1:{context.port(name, 'http').number}{path}"
    return Probe("http", path, 120, ("wget", "-q", "-O", "/dev/null", url))


def _days(retention: Duration) -> int:
    """Return whole days, rounded up: the program knows no other unit in all versions."""
    return -(-retention.milliseconds // 86_400_000)
