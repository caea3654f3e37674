"""Recordings in the SigMF format: written while samples come in, read as a stream, recovered.

A recording is two files: NAME.sigmf-data, samples of all antennas interleaved, and
NAME.sigmf-meta, JSON. Lost samples are not in the data: each gap starts a new capture segment, whose
``core:global_index`` counts them. What is this project's own lies in the extension ``sdrjscc``:

=========================  =========================================================================
global                     ``sdrjscc:samples`` that this metadata vouches for, ``sdrjscc:full_scale``
                           (the code of 1.0; where it is not 1), ``sdrjscc:clipped``,
                           ``sdrjscc:dropped`` by the radio and ``sdrjscc:lost`` by a slow disk, in
                           all; whatever else a header's ``extra`` holds
capture segments           ``sdrjscc:dropped`` and ``sdrjscc:lost`` just before it
annotations                whatever their ``extra`` holds
=========================  =========================================================================

SigMF: https://sigmf.org, version 1.2.
"""

from sdrjscc.capture._meta import Annotation, Gap, Header
from sdrjscc.capture._names import numbered, taken
from sdrjscc.capture._reading import Capture, open_capture
from sdrjscc.capture._recorder import Recorder
from sdrjscc.capture._recover import Report, recover

__all__ = [
    "Annotation",
    "Capture",
    "Gap",
    "Header",
    "Recorder",
    "Report",
    "numbered",
    "open_capture",
    "recover",
    "taken",
]
