"""Reports of made-up models, and what a page shows of them, for tests of the HTML page."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import numpy as np
from msgspec.structs import replace

from regaudit.evidence.graph import Graph
from regaudit.evidence.units import weighed
from regaudit.measures.moments import measure
from regaudit.model import Layer, Model, Optimizer, Regularizer, Status, UnitView, Weight
from regaudit.renderers import html
from regaudit.report.proposal import Edit, Suggestion
from regaudit.report.report import Finding, Occurrence, Report
from regaudit.report.severity import Severity
from regaudit.report.view import View
from regaudit.rules.interface import About
from regaudit.tensors.tensor import ArrayTensor

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202egpj.\x1b[2J'
VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}


def rule(code="REG101", **changes):
    texts = {
        "title": f"title of {code}",
        "confidence": "high",
        "what": "looks here",
        "rationale": "because it & that",
        "source": "Somebody (2016)",
        "fix": "do this",
        "false_positives": "seldom",
        "bad": "",
        "good": "",
    }
    return About(code, f"name-{code.lower()}", severity=Severity.ERROR, **{**texts, **changes})


def item(path, severity=Severity.ERROR, message="far too large", **changes):
    return Occurrence(path, severity, message, **changes)


def finding(*paths, code="REG101", **changes):
    """Return what one rule found in these places."""
    return Finding(code, f"name-{code.lower()}", tuple(item(path, **changes) for path in paths))


def to_l2(path, penalty=0.1, reason="a start"):
    """Return the suggestion to regularize a kernel."""
    edit = Edit(path.removesuffix("/kernel"), "kernel_regularizer", None)
    code = "kernel_regularizer=keras.regularizers.L2(0.0002)"
    return Suggestion(path, code, (edit,), penalty, reason)


def dense(name, l2=0.01, values=None, status=Status.IN_FORCE, **changes):
    """Return a layer with one kernel, and the values of it."""
    values = np.full((2, 3), 0.5) if values is None else np.asarray(values)
    regularizer = None
    if l2 is not None:
        why = "" if status is Status.IN_FORCE else f"it is {status}"
        regularizer = Regularizer("L2", 0.0, l2, {"l2": l2}, status, why)
    weight = Weight(
        path=f"{name}/kernel",
        stored_path=f"layers/{name}/vars/0",
        role="kernel",
        shape=values.shape,
        dtype="float64",
        trainable=True,
        regularizer=regularizer,
        regularizer_key="kernel_regularizer",
        units=UnitView(values.shape[0], values.shape[1], 1),
    )
    return Layer(name, name, "Dense", {}, trainable=True, weights=(weight,), **changes), values


def audited(*layers, file="model.keras", findings=(), **changes):
    """Return the report of a model with these layers."""
    weights = [(layer.weights[0], values) for layer, values in layers]
    work = [(ArrayTensor(values), weight.units) for weight, values in weights]
    measured = measure(work, histograms=True)
    penalties = {
        weight.stored_path: weight.regularizer.l2 * float(np.square(values).sum())
        if weight.regularizer and weight.regularizer.status is Status.IN_FORCE
        else 0.0
        for weight, values in weights
    }
    optimizer = Optimizer("AdamW", {"learning_rate": 0.001, "weight_decay": 0.004}, 1234)
    model = Model(
        name="small",
        class_name="Functional",
        layers=tuple(layer for layer, _ in layers),
        keras_version="3.15.1",
        saved_at="2026-01-02@03:04:05",
        optimizer=optimizer,
    )
    moments = {weight.stored_path: m for (weight, _), m in zip(weights, measured, strict=True)}
    return Report(
        file=file,
        format="keras",
        size=2_500_000,
        model=model,
        moments=weighed(Graph(model), moments),
        penalties={**penalties, **changes.pop("penalties", {})},
        findings=tuple(findings),
        **changes,
    )


def deep(count, names="encoder/block_{block}/dense_{i}", **changes):
    """Return the report of a model with so many layers, each with a kernel and a bias."""
    random = np.random.default_rng(0)
    layers, values = [], {}
    for i in range(count):
        strength = None if i % 7 == 0 else 0.0001 * 10 ** (i % 3)
        kernel = random.normal(size=(16, 16))
        layer, _ = dense(names.format(block=i // 12, i=i), strength, kernel)
        bias = Weight(
            f"{layer.path}/bias", f"layers/{layer.path}/vars/1", "bias", (16,), "float32", True
        )
        initializer = {"kernel_initializer": {"class_name": "GlorotUniform", "config": {}}}
        layer = replace(layer, config=initializer, weights=(*layer.weights, bias))
        layers.append((layer, kernel))
        values[bias.stored_path] = random.normal(size=16)
    report = audited(*layers, **changes)
    measured = measure([(ArrayTensor(found), None) for found in values.values()], histograms=True)
    return replace(
        report,
        moments={**report.moments, **dict(zip(values, measured, strict=True))},
        penalties={**report.penalties, **dict.fromkeys(values, 0.0)},
    )


def render(*reports, rules=(), view=None):
    return html.Html().render(reports, rules, view or View())


class Page(HTMLParser):
    """A parsed page; complains about tags that do not nest."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.ids, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        if tag == "td" and self.open[-1:] == ["td"]:
            self.open.pop()  # the end tag of a cell may be left out
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        self.ids += [value for key, value in attrs if key == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag == "tr" and self.open[-1] == "td":
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"script", "style"}:
            self.text.append(data)

    def attributes(self, *names):
        return [tag[name] for _, tag in self.tags for name in names if name in tag]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def table(text, name="sortable weights"):
    """Return the cells of a table's body, as text."""
    body = re.search(rf'<table class="{name}">.*?<tbody>(.*?)</table>', text, re.DOTALL).group(1)
    body = re.sub(r"(<td[^>]*>(?:(?!</td>|<td|</tr>).)*)(?=<td|</tr>)", r"\1</td>", body)
    rows = ET.fromstring(f"<t>{body.replace('<tbody>', '').replace('</tbody>', '')}</t>")
    return [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in rows]


def drawings(text):
    """Return every chart as XML, by its title."""
    found = {}
    for svg in re.findall(r"<svg xmlns.*?^</svg>", text, re.DOTALL | re.MULTILINE):
        tree = ET.fromstring(svg)
        assert tree.get("role") in {"img", "group"}  # a group has links
        assert tree.find(f"{SVG}desc").text
        title = tree.find(f"{SVG}title").text
        assert title not in found
        found[title] = tree
    return found


def bars(tree):
    """Return (path and value, label, value, percent) of each bar of a chart."""
    found = []
    for group in tree.iter(f"{SVG}g"):
        label, value = (part.text for part in group.iter(f"{SVG}text"))
        width = [part.get("width") for part in group.iter(f"{SVG}rect")][-1]
        found.append((group.find(f"{SVG}title").text, label, value, float(width[:-1])))
    return found


def marks(tree):
    """Return what the marks of a chart say, in their order."""
    return [title.text for title in tree.iter(f"{SVG}title")][1:]
