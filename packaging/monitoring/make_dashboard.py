#!/usr/bin/env python3
"""Writes the Grafana dashboard beside it: packaging/monitoring/make_dashboard.py > packaging/monitoring/grafana-dashboard.json"""

import json

# Title, unit, [(legend, expression)]. $j: of the instances that are chosen.
PANELS = [
    ("Requests per second", "reqps", [("{{op}}", 'sum by (op) (rate(siltfs_requests_total$j[$__rate_interval])) > 0')]),
    ("Latency, median", "s", [("{{op}}", 'histogram_quantile(0.5, sum by (op, le) (rate(siltfs_request_duration_seconds_bucket$j[$__rate_interval])))')]),
    ("Latency, 99%", "s", [("{{op}}", 'histogram_quantile(0.99, sum by (op, le) (rate(siltfs_request_duration_seconds_bucket$j[$__rate_interval])))')]),
    ("Time in requests", "percentunit", [("{{op}}", 'sum by (op) (rate(siltfs_request_duration_seconds_sum$j[$__rate_interval]))')]),
    ("Block cache hits", "percentunit", [("hits", 'rate(siltfs_block_cache_hits_total$j[$__rate_interval]) / (rate(siltfs_block_cache_hits_total$j[$__rate_interval]) + rate(siltfs_block_cache_misses_total$j[$__rate_interval]))')]),
    ("Log and compaction", "Bps", [
        ("log", 'rate(siltfs_wal_bytes_total$j[$__rate_interval])'),
        ("compaction writes", 'sum(rate(siltfs_compaction_written_bytes_total$j[$__rate_interval]))'),
        ("compaction reads", 'sum(rate(siltfs_compaction_read_bytes_total$j[$__rate_interval]))')]),
    ("Write amplification", "none", [("times", '(rate(siltfs_wal_bytes_total$j[10m]) + on (instance) sum by (instance) (rate(siltfs_compaction_written_bytes_total$j[10m]))) / on (instance) rate(siltfs_user_bytes_total$j[10m])')]),
    ("Writers held back", "percentunit", [
        ("delayed", 'rate(siltfs_write_delay_seconds_total$j[$__rate_interval])'),
        ("stopped", 'rate(siltfs_write_stall_seconds_total$j[$__rate_interval])')]),
    ("Pending work", "bytes", [
        ("to compact", 'siltfs_pending_compaction_bytes$j'),
        ("in memtables", 'siltfs_memtable_bytes$j')]),
    ("Level 0 runs, memtables to flush", "none", [
        ("runs", 'siltfs_l0_runs$j'), ("memtables", 'siltfs_immutable_memtables$j')]),
    ("Space", "bytes", [
        ("store", 'siltfs_store_bytes$j'), ("free", 'siltfs_free_bytes$j')]),
    ("Levels", "bytes", [("{{family}} L{{level}}", 'siltfs_level_bytes$j > 0')]),
    ("Compression", "none", [("times", 'sum(siltfs_level_raw_bytes$j) / sum(siltfs_level_bytes$j)')]),
    ("Inodes", "none", [("in use", 'siltfs_inodes$j'), ("of the kernel", 'siltfs_inodes_live$j')]),
    ("Health", "none", [("healthy", 'siltfs_healthy$j'), ("damaged bytes met", 'siltfs_corruptions_total$j')]),
]


def panel(number, title, unit, targets):
    return {
        "id": number + 1, "type": "timeseries", "title": title,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"h": 8, "w": 8, "x": 8 * (number % 3), "y": 8 * (number // 3)},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [{"refId": chr(ord("A") + i), "legendFormat": legend,
                     "expr": expression.replace("$j", '{instance=~"$instance"}')}
                    for i, (legend, expression) in enumerate(targets)],
    }


def variable(name, **more):
    return {"name": name, "label": name, "hide": 0, **more}


def main():
    datasource = {"type": "prometheus", "uid": "${datasource}"}
    dashboard = {
        "uid": "siltfs", "title": "siltfs", "tags": ["siltfs"], "schemaVersion": 38, "version": 1, "editable": True,
        "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "timezone": "", "annotations": {"list": []},
        "templating": {"list": [
            variable("datasource", type="datasource", query="prometheus"),
            variable("instance", type="query", datasource=datasource, query="label_values(siltfs_info, instance)",
                     refresh=2, multi=True, includeAll=True, current={"text": "All", "value": "$__all"}),
        ]},
        "panels": [panel(number, *description) for number, description in enumerate(PANELS)],
    }
    print(json.dumps(dashboard, indent=1))


if __name__ == "__main__":
    main()
