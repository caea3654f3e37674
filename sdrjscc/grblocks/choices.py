"""What the Link variable's drop-downs offer: what the package has."""

from sdrjscc import plugins
from sdrjscc.codecs._catalogue import weight_rows
from sdrjscc.linkfile import preset_names


def preset_choices() -> tuple[str, ...]:
    """Names of presets."""
    return tuple(preset_names())


def codec_choices() -> tuple[str, ...]:
    """``codec/variant`` of everything that works as it is: with weights of the package, or without any."""
    trained = [f"{row['codec']}/{row['variant']}" for row in weight_rows()]
    return tuple(dict.fromkeys([*trained, *_without_weights()]))


def _without_weights() -> list[str]:
    names = []
    for name in plugins.available("codecs"):
        fields = getattr(plugins.load("codecs", name).config, "model_fields", {})
        if "weights" in fields and fields["weights"].default == "none":
            names += [f"{name}/{variant}" for variant in plugins.variants("codecs", name)]
    return names


def mapping_choices() -> tuple[str, ...]:
    """Names of mappings."""
    return tuple(plugins.available("mapping"))
