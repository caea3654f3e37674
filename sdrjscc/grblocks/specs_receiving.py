"""The blocks from samples to a picture, what measures and what records."""

from sdrjscc.grblocks.spec import (
    ANTENNAS_PARAMETER,
    CARRIER_PARAMETER,
    DEVICE_PARAMETER,
    LINK_PARAMETER,
    OWN_PROCESS_PARAMETER,
    RATE_PARAMETER,
    Block,
    Parameter,
    Port,
)

FRAME_RECEIVER = Block(
    id="sdrjscc_frame_receiver",
    label="Frame Receiver",
    make="FrameReceiver",
    doc=(
        "Finds frames, equalises them and gathers pictures' symbols: with every symbol goes its noise "
        "variance, infinite where it was lost. Why something was not accepted is logged.\n"
        "Samples that a radio lost are known by the rx_time tag behind them. A picture of which packets are "
        "missing comes out when a newer one of its sender begins, after the link's receiver.timeout_s, "
        "or at an rx_end tag, as the SigMF Source sets it; where a stream just ends, it does not."
    ),
    parameters=(
        LINK_PARAMETER,
        RATE_PARAMETER,
        CARRIER_PARAMETER,
        Parameter("clock_ppm", "Clock Accuracy (ppm)", "real", "10.0", "Of each end's clock.", hide="part"),
        ANTENNAS_PARAMETER,
        OWN_PROCESS_PARAMETER,
    ),
    inputs=(
        Port("samples", "Samples, full scale 1.", domain="stream", optional=False, multiplicity="antennas"),
    ),
    outputs=(
        Port("packets", "Every packet: equalised symbols, noise variance, CFO, SNR, impulse response."),
        Port("transmissions", "A picture's symbols with their noise variance, as far as they came."),
    ),
    asserts=("${ antennas >= 1 }", "${ samp_rate > 0 }", "${ clock_ppm >= 0 }"),
)

SYMBOL_DEMAPPER = Block(
    id="sdrjscc_symbol_demapper",
    label="Symbol Demapper",
    make="SymbolDemapper",
    doc="Received symbols and their noise variance to the payload's estimate.",
    parameters=(LINK_PARAMETER,),
    inputs=(Port("transmissions", "Received symbols of one picture.", optional=False),),
    outputs=(Port("payloads", "Estimates of payloads.", optional=False),),
)

JSCC_DECODER = Block(
    id="sdrjscc_jscc_decoder",
    label="JSCC Decoder",
    make="JsccDecoder",
    doc=(
        "Estimates of payloads to pictures. Give it a Link of its own to try another decoder on the "
        "same air: "
        "one that was trained for the same encoder."
    ),
    parameters=(LINK_PARAMETER, DEVICE_PARAMETER, OWN_PROCESS_PARAMETER),
    inputs=(Port("payloads", "Estimates of payloads.", optional=False),),
    outputs=(Port("pictures", "Received pictures.", optional=False),),
)

IMAGE_SINK = Block(
    id="sdrjscc_image_sink",
    label="Image Sink",
    make="ImageSink",
    doc=(
        "Writes every picture as PNG, named by arrival, sender (n) and number (t), such as "
        "000012_n3_t12.png; each file appears whole. Numbers go on after those that are there. What was "
        "measured is added to results.jsonl beside them."
    ),
    parameters=(
        Parameter("folder", "Folder", "dir_select", "received", "Made where it is missing."),
        Parameter(
            "limit",
            "Keep At Most",
            "int",
            "0",
            "Delete the oldest beyond so many, those of earlier runs too; 0: keep all.",
            hide="part",
        ),
    ),
    inputs=(
        Port("pictures", "Pictures.", optional=False),
        Port("results", "Measurements of the link probe."),
    ),
    asserts=("${ limit >= 0 }",),
)

IMAGE_VIEW = Block(
    id="sdrjscc_image_view",
    label="QT Image View",
    make="ImageView",
    gui=True,
    doc=(
        "Shows pictures as they come, with their name and size and, where they were received, SNR and "
        "carrier offset. Where the probe is connected there is PSNR too, and a picture is then shown when "
        "its own measurement has come, so that a view of what was sent and one of what was received show "
        "the same."
    ),
    parameters=(
        Parameter("label", "Label", "string", "received", "Title above the picture."),
        Parameter("gui_hint", "GUI Hint", "gui_hint", "", "Place in the window.", hide="part"),
    ),
    inputs=(
        Port("pictures", "Pictures.", optional=False),
        Port("results", "Measurements of the link probe."),
    ),
)

LINK_PROBE = Block(
    id="sdrjscc_link_probe",
    label="Link Probe",
    make="LinkProbe",
    doc=(
        "Measures every received picture against the one that was sent: PSNR, SSIM, data-aided SNR, "
        "EVM, pilot SNR, "
        "carrier and clock offset, packets, latency. Without the sender's pictures it gives what the "
        "receiver "
        "knows. results is for the image sink and view; the others carry the last values, newest at the "
        "end, for "
        "a QT GUI Time Sink of type Float Message.\n"
        "The data-aided SNR is that of a transmission's symbols as they go to the demapper, after copies "
        "were combined. What was sent is kept for 256 pictures and 64 MiB at most."
    ),
    parameters=(
        LINK_PARAMETER,
        Parameter("history", "History", "int", "100", "Values kept for the time sinks."),
        Parameter(
            "ssim_share",
            "Time For SSIM (share)",
            "real",
            "0.05",
            "SSIM of a 256x256 picture takes some 80 ms, PSNR 2: it is measured for as many pictures as "
            "take this share of the time, and for none while others wait; 1: for every one, 0: for none.",
            hide="part",
        ),
    ),
    inputs=(
        Port("sent_pictures", "From the image source."),
        Port("sent_symbols", "From the symbol mapper, for the data-aided SNR, together with packets."),
        Port("packets", "From the frame receiver, for the data-aided SNR."),
        Port("pictures", "From the JSCC decoder."),
    ),
    outputs=(
        Port("results", "One dictionary a picture."),
        Port("psnr_db", "The last values, dB."),
        Port("snr_db", "The last values, dB: data-aided, or by pilots."),
        Port("cfo_hz", "The last values, Hz."),
    ),
    asserts=("${ history >= 1 }", "${ 0 <= ssim_share <= 1 }"),
)

SIGMF_SINK = Block(
    id="sdrjscc_sigmf_sink",
    label="SigMF Sink",
    make="SigmfSink",
    doc=(
        "Records samples as SigMF with the whole link's configuration, so that sdrjscc replay reads it; "
        "with the receiver's packets connected, with an annotation for each frame. Samples lost by a radio "
        "(rx_time tags) and those that the disk is too slow for are marked as lost, and everything up to "
        "the last second survives a killed process.\n"
        "Every start makes a recording of its own: started again, NAME-2 and so on. Whatever was there "
        "before the flowgraph is left alone, unless overwrite is on."
    ),
    parameters=(
        LINK_PARAMETER,
        Parameter("path", "Recording", "file_save", "recording", "With or without a suffix."),
        RATE_PARAMETER,
        CARRIER_PARAMETER,
        ANTENNAS_PARAMETER,
        Parameter(
            "datatype",
            "Datatype",
            "enum",
            "ci16_le",
            "What a sample is in the file.",
            options=("ci16_le", "cf32_le"),
            labels=("16-bit integers, full scale 1", "32-bit floats"),
            hide="part",
        ),
        Parameter("overwrite", "Overwrite", "bool", "False", "Replace recordings that were there before."),
    ),
    inputs=(
        Port("samples", "Samples, full scale 1.", domain="stream", optional=False, multiplicity="antennas"),
        Port("packets", "From the frame receiver."),
    ),
    asserts=("${ antennas >= 1 }", "${ samp_rate > 0 }"),
)

SIGMF_SOURCE = Block(
    id="sdrjscc_sigmf_source",
    label="SigMF Source",
    make="SigmfSource",
    doc=(
        "Plays a SigMF recording, or a bundled one by its name (awgn-10db). Samples that are missing are "
        "not filled in: the sample behind them has an rx_time tag, as a radio sets it. The recording ends "
        "with an rx_end tag, at which the frame receiver gives out what it has, and zeros."
    ),
    parameters=(
        Parameter("path", "Recording", "file_open", "awgn-10db", "With or without a suffix."),
        Parameter("repeat", "Repeat", "bool", "False", "Begin again at the end."),
        ANTENNAS_PARAMETER,
    ),
    outputs=(
        Port("samples", "Samples, full scale 1.", domain="stream", optional=False, multiplicity="antennas"),
    ),
    asserts=("${ antennas >= 1 }",),
)
