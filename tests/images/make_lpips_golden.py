"""Makes ``lpips_golden.json``: distances of PyPI ``lpips`` 0.1.4 on a narrow VGG-16.

    python make_lpips_golden.py [BACKBONE.safetensors]

Run it where ``lpips`` 0.1.4 and torch are installed. Where torchvision is not, the VGG-16
feature stack is laid out here instead (configuration D of Simonyan and Zisserman);
everything else, scaling, taps, normalisation, heads and averaging, is the package's own.
With a backbone named, prints its distances on the same pictures instead of writing.
"""

import json
import sys
import types
from pathlib import Path

import torch
from lpips_backbone import PAIRS, narrow_weights, picture_pair
from safetensors.torch import load_file
from torch import nn

PLAN = "CCP CCP CCCP CCCP CCCP".replace(" ", "")


def feature_stack(weights):
    """Convolution, ReLU and pooling in VGG-16's order, with the weights given."""
    layers, index = [], 0
    for kind in PLAN:
        if kind == "P":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        weight = weights[f"conv{index}.weight"].float()
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
        layer.weight.data, layer.bias.data = weight, weights[f"conv{index}.bias"].float()
        layers += [layer, nn.ReLU()]
        index += 1
    return nn.Sequential(*layers)


def reference(weights):
    """PyPI lpips with the backbone and the heads replaced."""
    models = types.ModuleType("torchvision.models")
    models.vgg16 = lambda pretrained: types.SimpleNamespace(features=feature_stack(weights))
    package = types.ModuleType("torchvision")
    package.models = models
    sys.modules.update({"torchvision": package, "torchvision.models": models})
    import lpips

    model = lpips.LPIPS(pretrained=False, net="vgg", verbose=False)
    for tap in range(5):
        model.lins[tap].model[-1].weight.data = weights[f"lin{tap}.weight"].float()
    return model.eval()


def main():
    weights = load_file(sys.argv[1]) if len(sys.argv) > 1 else narrow_weights()
    model, distances = reference(weights), []
    for pair in PAIRS:
        sent, received = (picture.float()[None] / 127.5 - 1.0 for picture in picture_pair(*pair))
        with torch.no_grad():
            distances.append(float(model(sent, received)))
    if len(sys.argv) > 1:
        print(distances)
        return
    golden = {"made_with": "lpips 0.1.4", "pairs": PAIRS, "distances": distances}
    Path(__file__).with_name("lpips_golden.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
