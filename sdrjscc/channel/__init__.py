"""Channel models, from one impairment per class to whole scenarios.

Plug-ins: ``awgn``, ``fading`` and ``recorded`` work on symbols (training), ``awgn``, ``chain``
and ``recorded`` on samples (links, benchmarks). The impairments that ``chain`` is made of are
importable one by one; each takes its parameters at construction and has ``apply(samples) ->
samples``:

* ``_amplifier``: RappAmplifier, Clipper (transmitter)
* ``_multipath``: Tap, TappedDelayLine (static, Rayleigh, Rician, moving with Doppler)
* ``_clock``: Delay, SamplingClockOffset
* ``_oscillator``: CarrierOffset, PhaseNoise
* ``_noise``: Noise, noise_variance, mean_active_power
* ``_frontend``: GainStep, IqImbalance, DcOffset, Quantiser, SampleDrop (receiver)
"""
