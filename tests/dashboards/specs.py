"""Hold specs with every kind of objective that dashboards treat unlike others."""

EXACT = """
version: slo/v1
service: shop
owner: payments
tier: critical
runbook: https://runbooks.example.com/shop
links: {traces: "https://jaeger.example.com/search", logs: "https://logs.example.com/shop"}
slos:
  - name: requests
    objective: 99
    window: [30d, 7d, {calendar: month}]
    description: Customers get an answer.
    indicator: &requests
      events:
        error: sum(rate(errors_total[{{.window}}]))
        total: sum(rate(requests_total[{{.window}}]))
  - name: loose
    objective: 60
    indicator: *requests
  - name: by-route
    objective: 95
    group_by: [route]
    indicator:
      events:
        error: sum by (route) (rate(errors_total[{{.window}}]))
        total: sum by (route) (rate(requests_total[{{.window}}]))
  - name: flawless
    objective: 100
    indicator: *requests
  - name: monthly
    objective: 98
    window: {calendar: month, time_zone: Europe/Berlin}
    indicator: *requests
  - name: slices
    objective: 95
    budgeting: {timeslices: {slice: 1m, target: 97}}
    indicator: *requests
  - name: mean
    objective: 97
    window: 7d
    indicator:
      ratio:
        error: avg(stale_ratio) + 0 * sum(rate(requests_total[{{.window}}]))
  - name: journey
    objective: 98
    indicator:
      composite:
        rule: worst
        silent: bad
        members: [{slo: requests}, {slo: monthly}]
"""

SLOTH = """
version: prometheus/v1
service: shop
labels: {owner: payments}
slos:
  - name: requests
    objective: 99
    description: Customers get an answer.
    sli:
      events:
        error_query: sum(rate(errors_total[{{.window}}]))
        total_query: sum(rate(requests_total[{{.window}}]))
    alerting: {name: ShopBurns, page_alert: {}, ticket_alert: {}}
  - name: loose
    objective: 60
    sli:
      events:
        error_query: sum(rate(errors_total[{{.window}}]))
        total_query: sum(rate(requests_total[{{.window}}]))
    alerting: {name: LooseBurns, page_alert: {}, ticket_alert: {}}
  - name: share
    objective: 99
    sli:
      raw:
        error_ratio_query: |
          sum(rate(errors_total[{{.window}}])) / sum(rate(requests_total[{{.window}}]))
    alerting: {name: ShareBurns, page_alert: {}, ticket_alert: {}}
  - name: flawless
    objective: 100
    sli:
      events:
        error_query: sum(rate(errors_total[{{.window}}]))
        total_query: sum(rate(requests_total[{{.window}}]))
    alerting: {name: FlawlessBurns, page_alert: {}, ticket_alert: {}}
"""
