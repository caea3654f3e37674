"""The table of blocks: Companion's descriptions are rendered from it, and tests hold the classes to it."""

from sdrjscc.grblocks.specs_receiving import (
    FRAME_RECEIVER,
    IMAGE_SINK,
    IMAGE_VIEW,
    JSCC_DECODER,
    LINK_PROBE,
    SIGMF_SINK,
    SIGMF_SOURCE,
    SYMBOL_DEMAPPER,
)
from sdrjscc.grblocks.specs_sending import (
    FRAME_TRANSMITTER,
    IMAGE_SOURCE,
    IMPAIRMENT_CHANNEL,
    JSCC_ENCODER,
    LINK,
    SYMBOL_MAPPER,
)

BLOCKS = (
    LINK,
    IMAGE_SOURCE,
    JSCC_ENCODER,
    SYMBOL_MAPPER,
    FRAME_TRANSMITTER,
    IMPAIRMENT_CHANNEL,
    FRAME_RECEIVER,
    SYMBOL_DEMAPPER,
    JSCC_DECODER,
    IMAGE_SINK,
    IMAGE_VIEW,
    LINK_PROBE,
    SIGMF_SINK,
    SIGMF_SOURCE,
)
