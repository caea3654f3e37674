"""The blocks from a picture to the channel's samples."""

from sdrjscc.grblocks.choices import codec_choices, mapping_choices, preset_choices
from sdrjscc.grblocks.spec import (
    DEVICE_PARAMETER,
    LINK_PARAMETER,
    OWN_PROCESS_PARAMETER,
    RATE_PARAMETER,
    Block,
    Parameter,
    Port,
)

LINK = Block(
    id="variable_sdrjscc_link",
    label="sdrjscc Link",
    make="open_link",
    variable=True,
    doc=(
        "Codec, mapping and waveform of a link, which the other blocks of sdrjscc take. It begins with a "
        "preset or a TOML file; what is filled in below replaces that. Both ends must have the same codec, "
        "weights, mapping and waveform: a hash of them is in every frame's header.\n"
        "Give it the ID link, which the other blocks look for.\n"
        "Your own codec: write my_codec:build, a function of a module in the working folder."
    ),
    parameters=(
        Parameter(
            "source",
            "Preset or TOML",
            "string",
            "loopback",
            "A preset's name or a file.",
            options=preset_choices(),
        ),
        Parameter(
            "codec",
            "Codec",
            "string",
            "",
            "NAME, NAME/VARIANT or module:build; empty: the preset's.",
            options=("", *codec_choices()),
            labels=("as the preset says", *codec_choices()),
        ),
        Parameter(
            "weights",
            "Weights",
            "file_open",
            "",
            "A safetensors file, or the word untrained; empty: those that come with the codec.",
            hide="part",
        ),
        Parameter(
            "mapping",
            "Mapping",
            "string",
            "",
            "Payload to symbols; empty: what the codec is made for.",
            options=("", *mapping_choices()),
            labels=("what the codec is made for", *mapping_choices()),
            hide="part",
        ),
    ),
)

IMAGE_SOURCE = Block(
    id="sdrjscc_image_source",
    label="Image Source",
    make="ImageSource",
    doc=(
        "Pictures as messages: a file, a folder, several of them, the photos that come with scikit-image "
        "(samples), or a camera (camera:0, needs opencv-python).\n"
        "With interval 0 it sends one whenever the port next asks for one, which is what the frame "
        "transmitter does; the first two go out unasked. A file that cannot be read is skipped with a "
        "warning.\n"
        "An interval is the least time between two; where next is connected, it never runs ahead of what "
        "is asked for. samples is always the bundled photos: a folder of that name is ./samples."
    ),
    parameters=(
        Parameter(
            "places",
            "Pictures",
            "raw",
            '"samples"',
            "A file, a folder, a list of them, samples, or camera:N.",
        ),
        Parameter("repeat", "Repeat", "bool", "False", "Begin again after the last one."),
        Parameter(
            "count", "Count", "int", "0", "End after so many pictures; 0: after the last one.", hide="part"
        ),
        Parameter(
            "interval_s", "Interval (s)", "real", "0.0", "Between two pictures; 0: when asked.", setter=True
        ),
        Parameter(
            "max_side",
            "Largest Side (px)",
            "int",
            "0",
            "Shrink larger pictures to this; 0: leave them.",
            hide="part",
        ),
        Parameter(
            "crop",
            "Crop To (px)",
            "int",
            "0",
            "Square cut from the middle; 0: the whole picture.",
            hide="part",
        ),
    ),
    inputs=(Port("next", "Any message asks for one more picture."),),
    outputs=(Port("pictures", "Pictures.", optional=False),),
    asserts=("${ interval_s >= 0 }", "${ count >= 0 }", "${ max_side >= 0 }", "${ crop >= 0 }"),
)

JSCC_ENCODER = Block(
    id="sdrjscc_jscc_encoder",
    label="JSCC Encoder",
    make="JsccEncoder",
    doc="Pictures to payloads: latent values, indices or bits, as the link's codec makes them.",
    parameters=(
        LINK_PARAMETER,
        Parameter(
            "mode",
            "Mode",
            "raw",
            '"auto"',
            "Number of the modulation order, 0 where the mapping is analog; auto: by the SNR.",
            setter=True,
        ),
        Parameter(
            "snr_db",
            "SNR For Auto (dB)",
            "raw",
            "None",
            "What the mode is chosen for; None: the SNR of the link's [channel].",
            setter=True,
            hide="part",
        ),
        DEVICE_PARAMETER,
        OWN_PROCESS_PARAMETER,
    ),
    inputs=(Port("pictures", "Pictures.", optional=False),),
    outputs=(Port("payloads", "Payloads.", optional=False),),
)

SYMBOL_MAPPER = Block(
    id="sdrjscc_symbol_mapper",
    label="Symbol Mapper",
    make="SymbolMapper",
    doc="Payloads to complex symbols of unit mean power: analog, QAM, vector quantisation, learned points.",
    parameters=(LINK_PARAMETER,),
    inputs=(Port("payloads", "Payloads.", optional=False),),
    outputs=(Port("symbols", "Symbols of one picture.", optional=False),),
)

FRAME_TRANSMITTER = Block(
    id="sdrjscc_frame_transmitter",
    label="Frame Transmitter",
    make="FrameTransmitter",
    doc=(
        "Symbols to tagged bursts of samples: preamble, header, OFDM payload; a burst is all frames of one "
        "picture, mean power 1 (peaks 11 dB up: scale it for a radio).\n"
        "Between bursts it waits, after enough zeros for a receiver behind it to finish, or gives zeros for "
        "ever, which a PlutoSDR and screens want, or nothing, which a USRP wants: zeros are in no burst."
    ),
    parameters=(
        LINK_PARAMETER,
        Parameter(
            "idle",
            "Between Bursts",
            "enum",
            "wait",
            "What comes out when there is no picture.",
            options=("wait", "zeros", "nothing"),
            labels=("zeros until a receiver is through", "zeros for ever", "nothing"),
        ),
        Parameter("gap_samples", "Gap (samples)", "int", "0", "Zeros after every burst.", hide="part"),
        Parameter(
            "nonce",
            "Sender Nonce",
            "int",
            "-1",
            "0 to 255, tells senders apart; -1: drawn at the start.",
            hide="part",
        ),
        Parameter(
            "length_tag",
            "Length Tag",
            "string",
            "packet_len",
            "Key of the burst's length tag.",
            hide="part",
        ),
    ),
    inputs=(Port("symbols", "Symbols of one picture.", optional=False),),
    outputs=(
        Port("samples", "Samples, mean power 1 inside of bursts.", domain="stream", optional=False),
        Port("next", "A message whenever there is room for one more picture."),
        Port("sent", "What went out under which header, as it begins."),
    ),
    asserts=("${ gap_samples >= 0 }", "${ -1 <= nonce <= 255 }"),
)

IMPAIRMENT_CHANNEL = Block(
    id="sdrjscc_impairment_channel",
    label="Impairment Channel",
    make="ImpairmentChannel",
    doc=(
        "Noise, carrier and clock offsets, multipath and converters, one realisation for each burst, "
        "noise in between. Scenario link takes the impairments of the link's [channel]; SNR is always "
        "the one given here.\n"
        "With the same seed a burst gets what the loopback radio of the command line gives it. It goes out "
        "when all of it has come in; what the stream's end cuts short is not passed on."
    ),
    parameters=(
        LINK_PARAMETER,
        RATE_PARAMETER,
        Parameter(
            "scenario",
            "Scenario",
            "enum",
            "link",
            "Where the other impairments come from.",
            options=("link", "none", "awgn", "cfo", "full", "pluto_pair"),
            labels=(
                "the link's [channel]",
                "noise only",
                "awgn: small offset",
                "cfo: 48 kHz",
                "full: offsets, echoes, converters",
                "pluto_pair: 120 kHz, 50 ppm",
            ),
        ),
        Parameter("snr_db", "SNR (dB)", "real", "10.0", "Per symbol, over the occupied band.", setter=True),
        Parameter(
            "cfo_hz", "CFO (Hz)", "real", "0.0", "Added to the scenario's carrier offset.", setter=True
        ),
        Parameter(
            "echo_db",
            "Echo (dB)",
            "real",
            "-100.0",
            "Power of one more path; -60 and less: none.",
            setter=True,
        ),
        Parameter("echo_delay", "Echo Delay (samples)", "real", "5.0", "Delay of that path.", setter=True),
        Parameter("antennas", "Antennas", "int", "1", "Receive antennas, one output for each.", hide="part"),
        Parameter("seed", "Seed", "int", "0", "Of all that is drawn.", hide="part"),
        Parameter(
            "length_tag",
            "Length Tag",
            "string",
            "packet_len",
            "Key of the bursts' length tag.",
            hide="part",
        ),
    ),
    inputs=(Port("sent", "Samples with burst tags.", domain="stream", optional=False),),
    outputs=(Port("received", "Samples.", domain="stream", optional=False, multiplicity="antennas"),),
    asserts=("${ antennas >= 1 }", "${ seed >= 0 }", "${ samp_rate > 0 }"),
)
