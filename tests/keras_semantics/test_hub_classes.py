"""The table of KerasHub's classes, and what is made of it where no preset is at hand."""

import numpy as np

from regaudit.keras_semantics.describe import describe
from regaudit.keras_semantics.group_names import snake_case
from regaudit.keras_semantics.hub_classes import hub_class, hub_classes
from regaudit.keras_semantics.layer_table import all_slots
from regaudit.model import Status
from regaudit.tensors.tensor import ArrayTensor, TensorGroup


def layer(*shapes, name=None, **groups):
    """Return the group of a layer with weights of some shapes."""
    arrays = {str(index): ArrayTensor(np.ones(shape)) for index, shape in enumerate(shapes)}
    return TensorGroup(groups={"vars": TensorGroup(arrays, name=name), **groups})


def of_hub(class_name, module="keras_hub.src.layers.x", package="keras_hub", **config):
    return {
        "module": module,
        "class_name": class_name,
        "registered_name": f"{package}>{class_name}",
        "config": {"name": "it", **config},
    }


def described(layer_config, group):
    """Describe a model of one's own with one layer in it."""
    key = snake_case(layer_config["class_name"])
    model = {"class_name": "Sequential", "config": {"name": "m", "layers": [layer_config]}}
    return describe(model, {}, TensorGroup(groups={"layers": TensorGroup(groups={key: group})}))


def test_all_that_is_held_is_known():
    every = hub_classes()
    held = {
        child.class_name
        for row in every.values()
        for attribute in row.held
        for child in row.children(attribute)
    }
    assert all(all_slots(name, before_keras_3=False) is not None for name in held - set(every))


def test_classes_of_one_name_are_told_apart_by_their_module():
    module = "keras_hub.src.models.gemma3.rms_normalization"
    assert hub_class(of_hub("RMSNormalization", module)) == "RMSNormalization@gemma3"
    assert hub_class(of_hub("RMSNormalization", package="mine")) is None
    assert hub_class(of_hub("Nothing")) is None


def test_a_regularizer_is_that_of_the_layers_it_is_handed_on_to():
    strength = {"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.5}}
    pyramid = of_hub("FeaturePyramid", kernel_regularizer=strength, bias_regularizer=None)
    convolution = layer((1, 1, 4, 2), (2,), name="lateral")
    convolutions = TensorGroup(groups={"conv2d": convolution})
    found = described(pyramid, layer(lateral_conv_layers=convolutions)).model
    (weight,) = (weight for _, weight in found.weights() if weight.role == "kernel")
    assert weight.path == "it/lateral/kernel"
    assert weight.regularizer.l2 == 0.5
    assert weight.regularizer.status is Status.IN_FORCE
    assert not any(one.unplaced for one in found.layers)


def test_a_model_in_the_configuration_is_taken_from_there():
    backbone = {"class_name": "Sequential", "config": {"name": "own", "layers": []}}
    backbone["config"]["layers"] = [{"class_name": "Dense", "config": {"name": "d", "units": 2}}]
    task = of_hub("BertTextClassifier", backbone=backbone)
    dense = TensorGroup(groups={"dense": layer((3, 2), (2,), name="d")})
    stored = TensorGroup(groups={"backbone": TensorGroup(groups={"layers": dense})})
    weights = [weight.path for _, weight in describe(task, {}, stored).model.weights()]
    assert weights == ["own/d/kernel", "own/d/bias"]
