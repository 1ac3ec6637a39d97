"""What a rule is: a check on evidence, with its thresholds as fields and its documentation."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from regaudit.finding import Finding, Severity, Suggestion
from regaudit.keras_layers import NORMALIZATIONS, RANDOM_REGULARIZERS
from regaudit.measures import Moments
from regaudit.model import Layer, Model, Node, Weight


@dataclass(frozen=True, slots=True)
class About:
    """The documentation of a rule; `explain`, SARIF and the rules page are made from it."""

    code: str
    name: str
    """The fault, so that "allow <name>" reads well."""
    title: str
    severity: Severity
    """The highest it gives; a finding may say less."""
    confidence: str
    """`high`, `medium` or `low`: how surely a finding is right."""
    rationale: str
    source: str
    fix: str
    false_positives: str
    """When a finding is not a fault."""
    bad: str
    """Keras program that binds `model` to one on which the rule fires."""
    good: str
    """The same without the fault."""


@dataclass(frozen=True)
class Evidence:
    """What rules see: the model and its numbers, never files."""

    model: Model
    moments: Mapping[str, Moments] = field(default_factory=dict)
    """By `Weight.stored_path`."""
    penalties: Mapping[str, float | None] = field(default_factory=dict)
    """By `Weight.stored_path`."""

    def measured(self, weight: Weight) -> Moments | None:
        """Return the numbers of a weight; None when its values could not be read."""
        return self.moments.get(weight.stored_path)

    @cached_property
    def before(self) -> Mapping[str, tuple[Node, ...]]:
        """Nodes that feed a node, by path."""
        return {
            node.path: tuple(self._nodes[path] for path in node.inputs if path in self._nodes)
            for node in self.model.nodes
        }

    @cached_property
    def after(self) -> Mapping[str, tuple[Node, ...]]:
        """Nodes that a node feeds, by path."""
        result: dict[str, list[Node]] = {path: [] for path in self._nodes}
        for node in self._nodes.values():
            for path in node.inputs:
                if path in result:
                    result[path].append(node)
        return {path: tuple(nodes) for path, nodes in result.items()}

    @cached_property
    def _nodes(self) -> Mapping[str, Node]:
        return {node.path: node for node in self.model.nodes}

    def next_normalization(self, layer: Layer) -> str | None:
        """Class of the normalization that every way out of a layer meets before other weights."""
        return self._normalization(layer.node, set())

    def _normalization(self, path: str, seen: set[str]) -> str | None:
        following = self.after.get(path, ())
        found = None
        if path in self.model.outputs or not following:
            return None
        for node in following:
            if node.path in seen:
                continue
            seen.add(node.path)
            if node.class_name in NORMALIZATIONS:
                found = node.class_name
            elif node.class_name in TRANSPARENT:
                found = self._normalization(node.path, seen)
            else:
                found = None
            if found is None:
                return None
        return found

    def noise_around(self, layer: Layer) -> str | None:
        """Class of a dropout or noise layer on a layer's input or output."""
        for start in (self.before, self.after):
            todo, seen = list(start.get(layer.node, ())), set()
            while todo:
                node = todo.pop()
                if node.path in seen:
                    continue
                seen.add(node.path)
                if node.class_name in RANDOM_REGULARIZERS:
                    return node.class_name
                if node.class_name in TRANSPARENT:
                    todo.extend(start.get(node.path, ()))
        return None


TRANSPARENT = frozenset(
    {
        "Activation",
        "ActivityRegularization",
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
        "Cropping1D",
        "Cropping2D",
        "Cropping3D",
        "ELU",
        "Flatten",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
        "Identity",
        "LeakyReLU",
        "Masking",
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
        "Permute",
        "ReLU",
        "RepeatVector",
        "Reshape",
        "UpSampling1D",
        "UpSampling2D",
        "UpSampling3D",
        "ZeroPadding1D",
        "ZeroPadding2D",
        "ZeroPadding3D",
        *RANDOM_REGULARIZERS,
    }
)
"""Layers without weights that pass on what feeds them, each value by itself or pooled."""


@dataclass(frozen=True)
class Rule(ABC):
    """One rule; each lives in a module of `regaudit.rules`. Its fields are its thresholds."""

    about: ClassVar[About]

    @abstractmethod
    def check(self, evidence: Evidence) -> Iterator[Finding]:
        """Yield the faults."""

    def finding(
        self,
        at: Layer | Weight,
        message: str,
        *,
        severity: Severity | None = None,
        evidence: tuple[str, ...] = (),
        suggestion: Suggestion | None = None,
        **observed: float | str,
    ) -> Finding:
        """Make a finding of this rule."""
        about = self.about
        return Finding(
            code=about.code,
            name=about.name,
            severity=about.severity if severity is None else severity,
            path=at.path,
            message=message,
            observed=observed,
            evidence=evidence,
            suggestion=suggestion,
        )
