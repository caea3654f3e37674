"""GNU Radio blocks: ports, tags and messages around the package's own functions, and nothing else.

Flowgraphs name blocks as ``grblocks.ImageSource(...)``; the table they are described in is ``specs.py``.
"""

from typing import Any

_HOMES = {
    "FrameReceiver": "frame_receiver",
    "FrameTransmitter": "frame_transmitter",
    "ImageSink": "image_sink",
    "ImageSource": "image_source",
    "ImageView": "image_view",
    "ImpairmentChannel": "impairment_channel",
    "JsccDecoder": "jscc_decoder",
    "JsccEncoder": "jscc_encoder",
    "LinkProbe": "link_probe",
    "SigmfSink": "sigmf_sink",
    "SigmfSource": "sigmf_source",
    "SymbolDemapper": "symbol_demapper",
    "SymbolMapper": "symbol_mapper",
    "describe_link": "link_variable",
    "open_link": "link_variable",
}

__all__ = list(_HOMES)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    # the table can be read, and rendered, without GNU Radio, and only the view needs Qt
    if name not in _HOMES:
        raise AttributeError(f"module 'sdrjscc.grblocks' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(f"sdrjscc.grblocks.{_HOMES[name]}"), name)
