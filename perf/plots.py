"""Bar charts and curves as SVG, for the comparing scripts."""

import math
from xml.sax.saxutils import escape

# Of Okabe and Ito: told apart by everybody.
COLOURS = ("#0072b2", "#56b4e9", "#999999", "#e69f00", "#d55e00", "#009e73", "#cc79a7", "#000000", "#f0e442")
FONT = 'font-family="sans-serif" font-size="12"'


class Drawing:
    def __init__(self, width, height):
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
                      f'<rect width="{width}" height="{height}" fill="white"/>']

    def text(self, x, y, text, anchor="start", weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" {FONT} text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>')

    def box(self, x, y, width, height, colour):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}" fill="{colour}"/>')

    def line(self, points, colour, width=1.5):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(self.parts + ["</svg>"]) + "\n")


def legend(drawing, labels, width, top):
    x = 20
    for number, label in enumerate(labels):
        if x > width - 200:
            x, top = 20, top + 18
        drawing.box(x, top - 10, 12, 12, COLOURS[number % len(COLOURS)])
        drawing.text(x + 16, top, label)
        x += 34 + 7 * len(label)
    return top + 12


def bars(path, title, labels, rows, number):
    """rows: (name, a value or None for each label). Bars of one row are relative to that row's largest."""
    width, left, bar = 900, 230, 11
    height = 80 + sum(len(labels) * bar + 14 for _ in rows)
    drawing = Drawing(width, height)
    drawing.text(20, 22, title, weight="bold")
    y = legend(drawing, labels, width, 44) + 8
    for name, values in rows:
        largest = max((value for value in values if value), default=1)
        drawing.text(left - 8, y + len(labels) * bar / 2 + 4, name, anchor="end")
        for index, value in enumerate(values):
            length = (width - left - 90) * (value or 0) / largest
            drawing.box(left, y + 1, length, bar - 2, COLOURS[index % len(COLOURS)])
            drawing.text(left + length + 4, y + bar - 1, number(value))
            y += bar
        y += 14
    drawing.save(path)


def curves(path, title, labels, series, number, logarithmic=False):
    """series: a list of (x, y) for each label. logarithmic: the x axis, with a mark at each x."""
    width, height, left, right, top, bottom = 900, 360, 70, 40, 70, 40
    drawing = Drawing(width, height)
    drawing.text(20, 22, title, weight="bold")
    legend(drawing, labels, width, 44)
    x_least = min(x for points in series for x, _ in points) if logarithmic else 0
    x_most = max(x for points in series for x, _ in points)
    y_most = max(y for points in series for _, y in points)
    across, up = width - left - right, height - top - bottom
    drawing.line([(left, top), (left, top + up), (left + across, top + up)], "black", 1)

    def place(x):
        if logarithmic:
            return left + across * (math.log(x / x_least) / math.log(x_most / x_least) if x_most > x_least else 0)
        return left + across * x / x_most

    for share in (0, 0.5, 1):
        drawing.text(left - 6, top + up * (1 - share) + 4, number(y_most * share), anchor="end")
    for x in sorted({x for points in series for x, _ in points}) if logarithmic else (0, x_most / 2, x_most):
        drawing.text(place(x), top + up + 18, number(x), anchor="middle")
    for index, points in enumerate(series):
        drawing.line([(place(x), top + up * (1 - y / y_most)) for x, y in points], COLOURS[index % len(COLOURS)])
    drawing.save(path)
