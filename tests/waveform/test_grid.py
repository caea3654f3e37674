import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc.errors import SignalError
from sdrjscc.waveform.base import HEADER, Grid, phasor, tilted_phasor, to_samples, to_spectrum, tone


def random_cells(grid: Grid, batch: int = 2, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, grid.data_cells, dtype=torch.complex64, generator=generator)


grids = st.builds(
    Grid,
    fft_size=st.sampled_from([64, 256, 512]),
    cyclic_prefix=st.integers(8, 32),
    active_carriers=st.just(26),
    pilot_spacing=st.sampled_from([4, 13, 26]),
    symbols=st.integers(1, 30),
    pilot_seed=st.integers(0, 1000),
)


def test_transform_is_unitary_with_dc_in_the_middle():
    samples = random_cells(HEADER)[:, :512]
    assert torch.allclose(
        to_spectrum(samples).abs().square().sum(-1), samples.abs().square().sum(-1), rtol=1e-5
    )
    assert torch.allclose(to_samples(to_spectrum(samples)), samples, atol=1e-5)
    constant = to_spectrum(torch.ones(64, dtype=torch.complex64))
    assert constant.abs().argmax() == 32
    slowest = to_spectrum(tone(torch.tensor(1 / 64), 64))
    assert slowest.abs().argmax() == 33


@settings(max_examples=30, deadline=None)
@given(grids, st.integers(0, 8))
def test_demodulate_inverts_modulate_at_any_advance_into_the_prefix(grid, advance):
    data = random_cells(grid)
    cells = grid.demodulate(grid.modulate(grid.fill(data)), advance=advance)
    assert torch.allclose(grid.data_of(cells).flatten(-2), data, atol=1e-4)
    assert torch.allclose(grid.pilots_of(cells), grid.pilots.expand(2, -1, -1), atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(grids, st.floats(-0.4, 0.4))
def test_demodulate_takes_a_carrier_offset_out(grid, cfo):
    data = random_cells(grid)
    samples = grid.modulate(grid.fill(data)) * tone(torch.tensor(cfo), grid.samples)
    cells = grid.demodulate(samples, torch.full((2,), cfo, dtype=torch.float32), advance=2)
    assert torch.allclose(grid.data_of(cells).flatten(-2), data, atol=2e-4)


@settings(max_examples=30, deadline=None)
@given(grids)
def test_every_cell_is_data_or_pilot_and_every_carrier_is_seen(grid):
    both = torch.cat([grid.data_index, grid.pilot_index], dim=1).sort(dim=1).values
    assert torch.equal(both, torch.arange(grid.active).expand(grid.symbols, -1))
    if grid.symbols >= grid.pilot_spacing:
        assert len(grid.pilot_index.unique()) == grid.active


def test_pilots_scatter_as_the_formula_says():
    for m, row in enumerate(HEADER.pilot_index.tolist()):
        assert row == [i for i in range(208) if (i + 5 * m) % 26 == 0]


def test_unit_cells_give_unit_mean_power():
    grid = Grid(256, 16, 104, 26, 200, 1)
    power = grid.modulate(grid.fill(random_cells(grid, 4))).abs().square().mean()
    # 4 * 200 * 208 exponential powers: three standard deviations.
    assert power == pytest.approx(1.0, abs=3 / (4 * 200 * 208) ** 0.5)


def test_grid_is_differentiable():
    data = random_cells(HEADER).requires_grad_()
    HEADER.modulate(HEADER.fill(data)).abs().square().sum().backward()
    assert data.grad is not None and bool((data.grad.abs() > 0).all())


def test_tables_first_made_by_a_receiver_still_serve_training():
    grid = Grid(256, 16, 104, 26, 7, 12345)
    with torch.inference_mode():
        grid.demodulate(torch.zeros(1, grid.samples, dtype=torch.complex64), torch.zeros(1), 4)
    data = random_cells(grid).requires_grad_()
    samples = grid.modulate(grid.fill(data))
    grid.demodulate(samples, advance=4).abs().sum().backward()
    assert data.grad is not None


def test_wrong_number_of_symbols_is_refused():
    with pytest.raises(SignalError, match="must be filled with 1000 symbols \\(got 999\\)"):
        HEADER.fill(torch.zeros(1, 999, dtype=torch.complex64))


def test_phasors_are_exact_to_single_precision():
    cycles = torch.linspace(-3000.3, 3000.7, 40_001, dtype=torch.float64)
    angle = 2 * torch.pi * cycles
    truth = torch.complex(torch.cos(angle), torch.sin(angle))
    assert (phasor(cycles) - truth).abs().max() < 1e-6
    carrying = cycles.clone().requires_grad_()  # where a gradient flows it is another path
    assert (phasor(carrying).detach() - truth).abs().max() < 1e-6


def test_tilted_phasors_are_those_of_the_sum():
    start = torch.tensor([[0.1, -7.3], [1e4, 0.49]], dtype=torch.float64)
    slope, at = torch.tensor([[0.01], [-0.2]], dtype=torch.float64), torch.arange(-4.0, 5.0).double()
    found = tilted_phasor(start, slope, at)
    assert found.shape == (2, 2, 9)
    assert torch.allclose(found, phasor(start[..., None] + slope[..., None] * at), atol=1e-6)
