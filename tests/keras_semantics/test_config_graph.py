"""The graph: neighbours through branches, shared, nested and wrapped layers, by real Keras."""

import pytest
from oracles import inside_custom_code, oracle_of
from paths import CORPUS
from rule_values import evidence, kernel, layer

from regaudit.errors import UnsafeFileError
from regaudit.evidence.graph import Graph
from regaudit.formats.interface import recognize
from regaudit.keras_semantics import config_graph
from regaudit.model import Node

FILES = sorted(
    file
    for suffix in ("keras", "h5", "savedmodel")
    for file in CORPUS.glob(f"*/*.{suffix}")
    if not file.name.endswith(".weights.h5")
)


def read(file):
    with recognize(file).read(file) as artifact:
        return artifact.model


@pytest.mark.parametrize("file", FILES, ids=lambda file: "-".join(file.parts[-2:]))
def test_every_reference_leads_somewhere_and_every_kernel_is_called(file):
    model = read(file)
    graph = Graph(model)
    fed = [node for node in model.nodes if node.inputs]
    assert all(path in graph.nodes for node in fed for path in node.inputs)
    assert all(output.path in graph.nodes for output in model.outputs)
    described = any(one.known for one in model.layers)
    assert model.nodes or not described or inside_custom_code(oracle_of(file), "")
    for one in model.layers:
        if model.nodes and one.known and one.weights:
            assert graph.calls(one), one.path


@pytest.mark.parametrize("version", ["keras-3.15.1", "tf-keras-2.21"])
@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_model_called_twice_feeds_itself(version, suffix):
    file = CORPUS / version / f"shared_across.{suffix}"
    model = read(file)
    calls = {node.path: node for node in model.nodes}
    first, second = calls["inner/common"], calls["inner@2/common"]
    assert second.layer == "inner/common"
    (entry,) = second.inputs
    assert calls[entry].inputs == (first.path,)
    assert calls["common"].inputs == (second.path,)
    assert [output.path for output in model.outputs] == ["common"]


@pytest.mark.parametrize(
    ("shape", "classes"), [((1, 1, 7), 7), ((2, 3, 7), 42), ((0, 1, 7), None), ((), None)]
)
def test_classes_are_counted_through_a_flatten(shape, classes):
    nodes = (
        Node("conv", "Conv2D", ()),
        Node("flat", "Flatten", ("conv",), built_for=shape),
        Node("out", "Softmax", ("flat",)),
    )
    layers = layer("conv", "Conv2D", filters=7), layer("flat", "Flatten"), layer("out", "Softmax")
    (head,) = evidence(*layers, nodes=nodes).heads
    assert head.classes == classes


@pytest.mark.parametrize(
    ("told", "shape"),
    [
        ([None, 1, 1, 7], (1, 1, 7)),
        ([None, None, 7], (0, 7)),
        ([None, True, 7], ()),
        ([None, -1], ()),
        ([None, "1"], ()),
        ("text", ()),
        (None, ()),
    ],
)
def test_shapes_are_read_only_if_they_are_some(told, shape):
    flat = {
        "class_name": "Flatten",
        "config": {"name": "flat"},
        "build_config": {"input_shape": told},
    }
    nodes, _ = config_graph.graph({"class_name": "Sequential", "config": {"layers": [flat]}})
    assert [node.built_for for node in nodes] == [shape]


def built(model, tmp_path):
    """Return the graph of a real model, and its layers by path."""
    model.save(tmp_path / "model.keras")
    read_back = read(tmp_path / "model.keras")
    return Graph(read_back), {one.path: one for one in read_back.layers}


def paths(layers):
    return {one.path for one in layers}


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class TestRealKeras:
    def test_a_residual_block(self, keras, tmp_path):
        layers = keras.layers
        entry = layers.Input((8, 8, 4))
        x = layers.Conv2D(4, 3, padding="same", name="a")(entry)
        x = layers.BatchNormalization(name="norm")(x)
        x = layers.ReLU()(x)
        x = layers.Conv2D(4, 3, padding="same", name="b")(x)
        x = layers.Add(name="sum")([x, entry])
        x = layers.BatchNormalization()(x)
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.Dropout(0.5, name="drop")(x)
        x = layers.Dense(5, name="logits")(x)
        x = layers.Activation("softmax")(x)
        graph, at = built(keras.Model(entry, x), tmp_path)
        assert graph.next_normalization(at["a"]) == "BatchNormalization"
        assert graph.next_normalization(at["b"]) is None  # its scale still counts in the sum
        assert paths(graph.next_kernels(at["a"])) == {"b"}
        assert paths(graph.next_kernels(at["b"])) == {"logits"}
        assert paths(graph.previous_kernels(at["logits"])) == {"b"}
        assert paths(graph.noise_before(at["logits"])) == {"drop"}
        assert paths(graph.noise_after(at["b"])) == {"drop"}
        assert not graph.noise_after(at["a"])
        assert not graph.noise_after(at["logits"])
        assert graph.heads_of(at["logits"]) == (0,)
        assert graph.heads_of(at["b"]) == ()

    def test_branches_that_meet_and_two_heads(self, keras, tmp_path):
        layers = keras.layers
        entry = layers.Input((8,))
        left = layers.Dense(4, name="left")(entry)
        right = keras.ops.relu(layers.Dense(4, name="right")(entry))
        both = layers.Concatenate()([left, layers.Reshape((4,))(right)])
        normed = layers.LayerNormalization(name="norm")(both)
        first = layers.Dense(3, name="first")(normed)
        second = layers.Dense(1, name="second")(layers.GaussianNoise(0.1)(right + left))
        graph, at = built(keras.Model(entry, {"kind": first, "age": second}), tmp_path)
        assert paths(graph.next_kernels(at["left"])) == {"first", "second"}
        assert graph.next_normalization(at["left"]) is None  # one way out avoids it
        assert paths(graph.previous_kernels(at["second"])) == {"left", "right"}
        assert paths(graph.noise_before(at["second"])) == {"gaussian_noise"}
        outputs = {output.name: output.path for output in graph.model.outputs}
        assert outputs == {"kind": "first", "age": "second"}
        assert graph.heads_of(at["first"]) != graph.heads_of(at["second"])

    def test_a_shared_layer_is_followed_by_what_follows_any_call(self, keras, tmp_path):
        layers = keras.layers
        one, two = layers.Input((4,)), layers.Input((4,))
        shared = layers.Dense(4, name="shared")
        act = layers.ReLU(name="act")
        a = layers.BatchNormalization()(act(shared(one)))
        b = layers.Dense(4, name="b")(act(layers.Dense(4, name="other")(two)))
        c = layers.Dense(4, name="c")(layers.BatchNormalization()(shared(two)))
        graph, at = built(keras.Model([one, two], [layers.Dense(2, name="a")(a), b, c]), tmp_path)
        assert paths(graph.next_kernels(at["shared"])) == {"a", "c"}
        assert graph.next_normalization(at["shared"]) == "BatchNormalization"
        # The ReLU is one layer; what follows its other call does not follow `other`.
        assert paths(graph.next_kernels(at["other"])) == {"b"}
        assert graph.next_normalization(at["other"]) is None

    def test_the_borders_of_nested_models(self, keras, tmp_path):
        layers = keras.layers
        entry = layers.Input((8,))
        trunk = keras.Sequential([layers.Input((8,)), layers.Dense(6, name="deep")], name="trunk")
        one, two = layers.Input((6,)), layers.Input((6,))
        neck = keras.Model(
            [one, two],
            [layers.BatchNormalization()(two), layers.Dense(3, name="inside")(one)],
            name="neck",
        )
        normed, other = neck([layers.Dropout(0.2, name="drop")(trunk(entry)), trunk(entry)])
        out = layers.Dense(2, name="out")(layers.Dropout(0.1, name="late")(normed))
        graph, at = built(keras.Model(entry, [out, other]), tmp_path)
        assert paths(graph.next_kernels(at["trunk/deep"])) == {"neck/inside", "out"}
        assert paths(graph.noise_before(at["neck/inside"])) == {"drop"}
        assert paths(graph.previous_kernels(at["out"])) == {"trunk/deep"}
        assert paths(graph.noise_before(at["out"])) == {"late"}
        assert [output.path for output in graph.model.outputs] == ["out", "neck/inside"]
        assert graph.heads_of(at["neck/inside"]) == (1,)

    def test_wrappers(self, keras, tmp_path):
        layers = keras.layers
        inner = keras.Sequential(
            [layers.Input((4,)), layers.Dense(4, name="each"), layers.LayerNormalization()],
            name="inner",
        )
        model = keras.Sequential(
            [
                layers.Input((5, 4)),
                layers.TimeDistributed(inner, name="steps"),
                layers.TimeDistributed(layers.Dropout(0.3, name="drop"), name="noisy"),
                layers.Bidirectional(layers.LSTM(3, name="lstm"), name="both"),
                layers.SpectralNormalization(layers.Dense(2, name="dense"), name="spectral"),
                layers.BatchNormalization(name="norm"),
                layers.Dense(2, name="out"),
            ]
        )
        graph, at = built(model, tmp_path)
        each = at["steps/inner/each"]
        lstm = next(one for path, one in at.items() if path.endswith("forward_lstm"))
        assert graph.next_normalization(each) == "LayerNormalization"
        assert {one.class_name for one in graph.next_kernels(each)} == {"LSTM"}
        assert paths(graph.noise_before(lstm)) == {"noisy/drop"}
        assert graph.next_normalization(at["spectral/dense"]) == "BatchNormalization"
        assert paths(graph.previous_kernels(at["out"])) == {"spectral/dense"}


def test_a_layer_that_shares_its_kernel_ends_a_walk():
    shared, out = layer("shared"), layer("out", weights=(kernel("out", (3, 3)),))
    first = layer("first", weights=(kernel("first", (3, 3)),))
    graph = evidence(first, shared, layer("d", "Dropout"), out).graph
    assert paths(graph.next_kernels(first)) == {"shared"}
    assert not graph.noise_after(first)


@pytest.mark.parametrize("times", [1, 2])
def test_nested_models_that_multiply_end(times):
    layers = [{"class_name": "Dense", "config": {"name": "m"}, "inbound_nodes": []}]
    for _ in range(40):
        ends = [["m", 0, 0], ["m", 1, 1]]
        config = {"name": "m", "layers": layers, "input_layers": [], "output_layers": ends}
        calls = [[["m", 0, 0, {}]]] * times
        layers = [{"class_name": "Functional", "config": config, "inbound_nodes": calls}]
    if times == 1:
        assert len(config_graph.graph(layers[0])[0]) == 1
    else:
        with pytest.raises(UnsafeFileError, match="calls"):
            config_graph.graph(layers[0])


def test_cycles_of_hostile_files_end():
    one, two = (layer(name, "Activation") for name in "ab")
    nodes = (Node("a", "Activation", ("b",)), Node("b", "Activation", ("a",)))
    graph = evidence(one, two, nodes=nodes).graph
    assert graph.next_normalization(one) is None
    assert not graph.next_kernels(one)
    assert not graph.previous_kernels(two)


def test_the_synchronized_normalization_of_keras_2_is_one():
    first = layer("a", weights=(kernel("a"),))
    last = layer("b", weights=(kernel("b"),))
    found = evidence(first, layer("n", "SyncBatchNormalization"), last, keras="2.15.0")
    assert found.next_normalization(first) == "SyncBatchNormalization"


@pytest.mark.parametrize(
    ("shape", "built_for"),
    [
        ([None, 4, None], (4, 0)),
        ([None, 2**31 - 1], (2**31 - 1,)),
        ([None, 2**31], ()),
        ([None, 0], ()),
        ([None, True], ()),
        ({"a": [None, 4]}, ()),
    ],
)
def test_the_shape_of_an_input_is_read_where_it_can_be_one(shape, built_for):
    assert config_graph._built_for({"build_config": {"input_shape": shape}}) == built_for


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (["a", 0, 0], True),
        (["a", 1, 2, {}], True),
        (["a", 0], False),
        (["a", -1, 0], False),
        (["a", 0.5, 0], False),
        ([0, 0, 0], False),
    ],
)
def test_a_reference_to_a_layer_is_told_from_other_lists(value, found):
    assert config_graph._is_reference(value) is found
