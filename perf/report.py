"""Medians, ratios and Markdown tables, for the comparing scripts."""

import os
import statistics

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def median(values):
    return statistics.median(values) if values else None


def number(value):
    """Three significant digits, thousands separated."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{round(value, -max(0, len(str(int(value))) - 3)):,.0f}"
    return f"{value:.3g}"


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if ours and theirs else "-"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
