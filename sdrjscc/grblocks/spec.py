"""What the table of blocks is made of."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Parameter:
    """One argument of a block.

    Attributes:
        id: keyword of the Python class, in Companion's terms the parameter's id.
        label: in the properties dialogue, with its unit.
        dtype: Companion's type: ``raw``, ``string``, ``int``, ``real``, ``bool``, ``enum``, ``file_open``,
            ``file_save``, ``dir_select``, ``gui_hint``.
        default: as Companion shows it: Python for ``raw`` and numbers, plain text for text and options.
        doc: one sentence.
        options: of a drop-down; any text may be typed where the dtype is not ``enum``.
        labels: what the drop-down shows; empty: the options themselves.
        setter: whether it can change while the flowgraph runs (method ``set_<id>``).
        hide: ``none``, ``part`` (not drawn on the block), ``all``.
        category: tab of the dialogue; empty: General.
    """

    id: str
    label: str
    dtype: str
    default: str
    doc: str
    options: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    setter: bool = False
    hide: Literal["none", "part", "all"] = "none"
    category: str = ""


@dataclass(frozen=True)
class Port:
    """One port.

    Attributes:
        id: a message port's name; of a stream port, its label.
        doc: what passes.
        domain: message or stream of complex samples.
        optional: whether it may stay unconnected.
        multiplicity: of a stream port: the parameter that says how many there are.
    """

    id: str
    doc: str
    domain: Literal["message", "stream"] = "message"
    optional: bool = True
    multiplicity: str = ""


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        id: Companion's id, which is the file's name.
        label: title.
        make: what is called, in ``sdrjscc.grblocks``: a class, or the function of a variable.
        doc: a paragraph, then what else there is to know.
        parameters, inputs, outputs: in Companion's order.
        asserts: conditions that Companion checks, as ``${ ... }``.
        gui: needs Qt, and is placed in the window.
        variable: a value that other blocks take, not a block.
    """

    id: str
    label: str
    make: str
    doc: str
    parameters: tuple[Parameter, ...] = ()
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    asserts: tuple[str, ...] = ()
    gui: bool = False
    variable: bool = False


LINK_PARAMETER = Parameter(
    "link",
    "Link",
    "raw",
    "link",
    "The sdrjscc Link variable, or the name of a preset or TOML file in quotes.",
)
RATE_PARAMETER = Parameter("samp_rate", "Sample Rate (Hz)", "real", "samp_rate", "Sample rate of the stream.")
CARRIER_PARAMETER = Parameter(
    "center_freq",
    "Center Frequency (Hz)",
    "real",
    "2.4e9",
    "Carrier, which with the clocks' accuracy sets how far a frame is searched for.",
)
ANTENNAS_PARAMETER = Parameter(
    "antennas", "Antennas", "int", "1", "Coherent streams, one for each antenna.", hide="part"
)
OWN_PROCESS_PARAMETER = Parameter(
    "own_process",
    "In A Process Of Its Own",
    "bool",
    "False",
    "Python runs one thread of a process at a time: another process is faster where pictures follow closely.",
    hide="part",
)
DEVICE_PARAMETER = Parameter(
    "device", "Device", "string", "cpu", "Where the network runs.", options=("cpu", "cuda"), hide="part"
)
