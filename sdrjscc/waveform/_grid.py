"""The resource grid: which cell of which OFDM symbol carries what, and samples to cells and back."""

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from sdrjscc.coding.lfsr import qpsk_sequence
from sdrjscc.errors import SignalError
from sdrjscc.waveform._fft import phasor, to_samples, to_spectrum, turned_spectra, turned_spectrum
from sdrjscc.waveform._tables import outside_inference

PILOT_STEP = 5
"""The pilot comb moves down by this many active carriers from one OFDM symbol to the next."""


@dataclass(frozen=True)
class Grid:
    """OFDM symbols of one numerology; a *cell* is one active carrier of one OFDM symbol.

    Attributes:
        fft_size: N, samples of an OFDM symbol without prefix.
        cyclic_prefix: samples repeated before each OFDM symbol.
        active_carriers: carriers on each side of DC; DC itself is empty.
        pilot_spacing: active carriers per pilot; pilots scatter over all carriers in turn.
        symbols: M, number of OFDM symbols.
        pilot_seed: initialisation of the pilots' Gold sequence.
    """

    fft_size: int
    cyclic_prefix: int
    active_carriers: int
    pilot_spacing: int
    symbols: int
    pilot_seed: int

    @property
    def symbol_samples(self) -> int:
        """Samples of one OFDM symbol with its cyclic prefix."""
        return self.fft_size + self.cyclic_prefix

    @property
    def samples(self) -> int:
        """Samples of the whole grid."""
        return self.symbols * self.symbol_samples

    @property
    def active(self) -> int:
        """C, active carriers of an OFDM symbol."""
        return 2 * self.active_carriers

    @property
    def pilots_per_symbol(self) -> int:
        """P, pilots of an OFDM symbol."""
        return self.active // self.pilot_spacing

    @property
    def data_per_symbol(self) -> int:
        """D, data cells of an OFDM symbol."""
        return self.active - self.pilots_per_symbol

    @property
    def data_cells(self) -> int:
        """Data cells of the whole grid."""
        return self.symbols * self.data_per_symbol

    @property
    def occupied_fraction(self) -> float:
        """Occupied bandwidth as a fraction of the sample rate."""
        return self.active / self.fft_size

    @cached_property
    @outside_inference
    def carriers(self) -> Tensor:
        """Carrier numbers ``[C]`` int64, ascending, without DC."""
        side = torch.arange(1, self.active_carriers + 1)
        return torch.cat([-side.flip(0), side])

    @cached_property
    @outside_inference
    def frequencies(self) -> Tensor:
        """Carrier frequencies ``[C]`` float64 in cycles per sample."""
        return self.carriers.double() / self.fft_size

    @cached_property
    @outside_inference
    def pilot_index(self) -> Tensor:
        """Active index of each pilot, ``[M, P]`` int64: i with i = -5m mod the spacing."""
        first = torch.remainder(-PILOT_STEP * torch.arange(self.symbols), self.pilot_spacing)
        return first[:, None] + self.pilot_spacing * torch.arange(self.pilots_per_symbol)

    @cached_property
    @outside_inference
    def data_index(self) -> Tensor:
        """Active index of each data cell, ``[M, D]`` int64, ascending in each OFDM symbol."""
        is_data = torch.ones(self.symbols, self.active, dtype=torch.bool)
        is_data.scatter_(1, self.pilot_index, value=False)
        return is_data.nonzero()[:, 1].reshape(self.symbols, self.data_per_symbol)

    @cached_property
    @outside_inference
    def pilots(self) -> Tensor:
        """Pilot values ``[M, P]`` complex64, unit modulus QPSK."""
        values = qpsk_sequence(self.pilot_seed, self.symbols * self.pilots_per_symbol)
        return values.reshape(self.symbols, self.pilots_per_symbol)

    @cached_property
    @outside_inference
    def _gather(self) -> Tensor:
        """``[M, C]``: where each active cell lies in the concatenation (data, pilots)."""
        return torch.argsort(torch.cat([self.data_index, self.pilot_index], dim=1), dim=1)

    @cached_property
    @outside_inference
    def symbol_starts(self) -> Tensor:
        """First useful sample (after the prefix) of each OFDM symbol, ``[M]`` int64."""
        return self.cyclic_prefix + self.symbol_samples * torch.arange(self.symbols)

    def fill(self, data: Tensor) -> Tensor:
        """Cells ``[..., M, C]`` from data symbols ``[..., M * D]``, pilots included; differentiable.

        Raises:
            SignalError: the number of data symbols is not that of the grid.
        """
        if data.shape[-1] != self.data_cells:
            raise SignalError(f"a grid must be filled with {self.data_cells} symbols (got {data.shape[-1]})")
        shape = (*data.shape[:-1], self.symbols)
        data = data.reshape(*shape, self.data_per_symbol)
        pilots = self.pilots.to(data.device).expand(*shape, -1)
        gather = self._gather.to(data.device).expand(*shape, -1)
        return torch.cat([data, pilots], dim=-1).gather(-1, gather)

    def data_of(self, cells: Tensor) -> Tensor:
        """Data cells ``[..., M, D]`` of cells ``[..., M, C]`` of any dtype."""
        index = self.data_index.to(cells.device).expand(*cells.shape[:-1], -1)
        return cells.gather(-1, index)

    def pilots_of(self, cells: Tensor) -> Tensor:
        """Pilot cells ``[..., M, P]`` of cells ``[..., M, C]`` of any dtype."""
        index = self.pilot_index.to(cells.device).expand(*cells.shape[:-1], -1)
        return cells.gather(-1, index)

    def place(self, cells: Tensor, size: int) -> Tensor:
        """Spectrum ``[..., size]`` (bin ``size // 2`` is DC) with ``cells [..., C]`` in it, 0 elsewhere.

        Args:
            cells: complex.
            size: even; a multiple of ``fft_size`` oversamples.
        """
        side = (*cells.shape[:-1], size // 2 - self.active_carriers)
        lower, upper = cells[..., : self.active_carriers], cells[..., self.active_carriers :]
        return torch.cat(
            [cells.new_zeros(side), lower, cells.new_zeros((*side[:-1], 1)), upper,
             cells.new_zeros((*side[:-1], side[-1] - 1))], dim=-1
        )  # fmt: skip

    def take(self, spectrum: Tensor) -> Tensor:
        """Cells ``[..., C]`` out of a spectrum ``[..., size]``, the inverse of :meth:`place`."""
        middle = spectrum.shape[-1] // 2
        return torch.cat(
            [spectrum[..., middle - self.active_carriers : middle],
             spectrum[..., middle + 1 : middle + 1 + self.active_carriers]], dim=-1
        )  # fmt: skip

    def modulate(self, cells: Tensor) -> Tensor:
        """Samples ``[..., M * (N + CP)]`` of cells ``[..., M, C]``: unit cells give unit mean power.

        The transform is unitary; the factor ``sqrt(N / C)`` makes up for the empty carriers.
        """
        samples = to_samples(self.place(cells, self.fft_size)) * math.sqrt(self.fft_size / self.active)
        return torch.cat([samples[..., self.fft_size - self.cyclic_prefix :], samples], dim=-1).flatten(-2)

    def demodulate(self, samples: Tensor, cfo: Tensor | None = None, advance: int = 0) -> Tensor:
        """Cells ``[..., M, C]`` of samples ``[..., M * (N + CP)]``, the inverse of :meth:`modulate`.

        Args:
            samples: complex, starting with the first OFDM symbol's prefix.
            cfo: carrier offset in cycles per sample, broadcastable to ``samples.shape[:-1]``;
                taken out relative to the first of ``samples``.
            advance: samples by which the window opens inside the prefix (room for paths that
                arrive before the one timing refers to); its phase slope is taken out.
        """
        cells = self.take(self.spectra(samples, cfo, advance))
        cells = cells * self.opening(advance).to(cells.device)
        return cells if cfo is None else cells * self.turns(cfo, advance)[..., None]

    def spectra(self, samples: Tensor, cfo: Tensor | None = None, advance: int = 0) -> Tensor:
        """Spectra ``[..., M, N]`` (bin ``N // 2`` is DC), each turned back from its own first sample only.

        Times :meth:`turns` and, on the active carriers, :meth:`opening`, these are the cells.
        """
        blocks = samples.reshape(*samples.shape[:-1], self.symbols, self.symbol_samples)
        first = self.cyclic_prefix - advance
        blocks = blocks[..., first : first + self.fft_size]
        return to_spectrum(blocks) if cfo is None else turned_spectrum(blocks, cfo[..., None])

    def spectra_at(self, stream: Tensor, starts: Tensor, cfo: Tensor, advance: int) -> Tensor:
        """The same ``[B, A, M, N]`` straight from a stream, without gradient.

        Args:
            stream: complex64 ``[A, n]`` on the CPU.
            starts: int64 ``[B]``, first sample of each grid, its first prefix.
            cfo: carrier offset ``[B]``.
            advance: see :meth:`demodulate`.
        """
        blocks = starts[:, None] + self.symbol_starts - advance
        return turned_spectra(stream, blocks, cfo, self.fft_size)

    def turns(self, cfo: Tensor, advance: int) -> Tensor:
        """Factor ``[..., M]`` that the carrier offset asks of each spectrum of :meth:`spectra`."""
        return phasor(-cfo.double()[..., None] * (self.symbol_starts.to(cfo.device) - advance))

    @cached_property
    @outside_inference
    def bins(self) -> Tensor:
        """Bin of each active carrier in a spectrum, ``[C]`` int64."""
        return self.carriers + self.fft_size // 2

    @lru_cache(maxsize=16)  # noqa: B019 (grids are few and live as long as the process)
    def opening(self, advance: int) -> Tensor:
        """Factor ``[C]`` that takes out a window's advance and the scale of :meth:`modulate`."""
        with torch.inference_mode(mode=False):
            return math.sqrt(self.active / self.fft_size) * phasor(self.frequencies * advance)
