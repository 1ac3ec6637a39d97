import pytest
from rule_values import evidence, kernel, l2, layer

from regaudit.rules.reg207_paper_decay_not_halved import PaperDecayNotHalved


def vgg16(strength, below="", convolutions=13, **changes):
    """The layers of VGG16, its convolutions regularized alike."""
    found = []
    for number in range(convolutions):
        path = f"{below}conv_{number}"
        weight = kernel(path, (3, 3, 8, 8), **{"regularizer": l2(strength), **changes})
        found.append(layer(path, "Conv2D", (weight,), kernel_size=[3, 3]))
    return (*found, *(layer(f"{below}pool_{n}", "MaxPooling2D") for n in range(5)))


def check(*layers):
    return list(PaperDecayNotHalved().check(evidence(*layers)))


@pytest.mark.parametrize(
    ("strength", "fires"),
    [
        (5e-4, True),
        (5.000000237e-4, True),  # the float32 nearest to it
        (5.001e-4, False),
        (2.5e-4, False),
        (1e-4, False),  # ResNet's
    ],
)
def test_fires_on_the_decay_of_the_architectures_own_paper(strength, fires):
    assert len(check(*vgg16(strength))) == (13 if fires else 0)


def test_a_backbone_and_not_the_head_beside_it():
    weight = kernel("head", regularizer=l2(5e-4))
    found = check(
        *vgg16(5e-4, "vgg/"), layer("head", weights=(weight,)), *vgg16(0.0, convolutions=1)
    )
    assert {item.path.split("/")[0] for item in found} == {"vgg"}


@pytest.mark.parametrize(
    "changes",
    [{"regularizer": None}, {"regularizer": l2(5e-4, l1=1e-5)}, {"role": "bias"}],
)
def test_other_penalties_pass(changes):
    assert not check(*vgg16(5e-4, **changes))


def test_unknown_architectures_pass():
    assert not check(*vgg16(5e-4, convolutions=12))
