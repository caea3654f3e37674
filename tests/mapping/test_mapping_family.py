"""The contract of the family, for every plug-in that is there and every way it demaps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from payload_examples import decided, example, label, modes, noisy, seeded, tables

from sdrjscc import plugins
from sdrjscc.config import Section
from sdrjscc.errors import ConfigError
from sdrjscc.mapping.base import Mapper, Passed, bind, build_mapper, modulation_orders, transmit
from sdrjscc.payload import PayloadKind

NAMES = plugins.available("mapping")
TABLES = tables()
every_mapper = pytest.mark.parametrize("table", TABLES, ids=label)
POWER_SYMBOLS = 20_000


def first_and_last(mapper):
    return sorted({0, modes(mapper) - 1})


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_mapper(name):
    mapper = build_mapper({"name": name})
    assert isinstance(mapper, Mapper)
    assert mapper.kind in PayloadKind
    assert issubclass(plugins.load("mapping", name).config, Section)
    assert name in {table["name"] for table in TABLES}


@pytest.mark.parametrize("name", NAMES)
def test_unknown_options_are_refused(name):
    with pytest.raises(ConfigError, match=r"mapping\.no_such_key is not a known key"):
        build_mapper({"name": name, "no_such_key": 1})


def test_a_users_own_that_is_no_mapper_is_refused(tmp_path, monkeypatch):
    (tmp_path / "no_mapper.py").write_text("def build(config): return 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="'no_mapper:build' must have kind, map and demap"):
        build_mapper({"name": "no_mapper:build"})


@every_mapper
@given(st.integers(1, 3), st.integers(1, 20), st.integers(0, 15), st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_shapes_and_types(table, batch, symbols, mode, seed):
    mapper = build_mapper(table)
    mode %= modes(mapper)
    payload = example(mapper, batch, symbols, mode, seed)
    before = payload.clone()
    mapped = mapper.map(payload, mode)
    assert mapped.shape == (batch, symbols)
    assert mapped.dtype == torch.complex64
    assert torch.equal(payload, before)
    estimate = mapper.demap(mapped, torch.full((batch, symbols), 0.1), mode)
    assert estimate.shape[0] == batch
    assert estimate.isfinite().all()
    assert estimate.dtype in (torch.float32, torch.int64, torch.uint8)
    if mapper.kind is PayloadKind.LATENT:
        assert estimate.shape == payload.shape
        assert estimate.dtype == payload.dtype
    assert decided(mapper, estimate).shape == payload.shape


@every_mapper
def test_mean_power_is_1(table):
    """Exactly over the points of a constellation; otherwise over many symbols.

    Of an analog symbol |s|^2 <= 3 for uniform values, so its deviation is at most 1.5.
    """
    mapper = build_mapper(table)
    for mode in range(modes(mapper)):
        mapped = mapper.map(example(mapper, 2, POWER_SYMBOLS, mode), mode)
        if not hasattr(mapper, "points"):
            power = mapped.abs().square().mean().item()
            assert power == pytest.approx(1.0, abs=5 * 1.5 / (2 * POWER_SYMBOLS) ** 0.5)
            continue
        points = mapper.points(mode)
        assert points.abs().square().mean().item() == pytest.approx(1.0, rel=1e-9)
        used = mapped[:, :200].flatten()
        assert (used[:, None] - points).abs().amin(-1).max() < 1e-6


@every_mapper
def test_its_orders_are_those_of_its_modes(table):
    mapper = build_mapper(table)
    orders = modulation_orders(mapper)
    assert max(1, len(orders)) == modes(mapper)
    assert bool(orders) == hasattr(mapper, "points")
    assert orders == tuple(len(mapper.points(mode)) for mode in range(len(orders)))


@every_mapper
def test_values_are_those_that_a_symbol_takes(table):
    mapper = build_mapper(table)
    values = getattr(mapper, "values", ())
    assert bool(values) == (mapper.kind is PayloadKind.LATENT)
    for mode in range(modes(mapper) if values else 0):
        taken = values[min(mode, len(values) - 1)]
        assert example(mapper, 1, 2, mode).shape[-1] == taken
        with pytest.raises(ConfigError):
            mapper.map(torch.zeros(1, 2, taken + 1), mode)


@every_mapper
def test_without_noise_demap_undoes_map(table):
    """What comes back is mapped to the same symbols again."""
    mapper = build_mapper(table)
    for mode in range(modes(mapper)):
        symbols = mapper.map(example(mapper, 2, 200, mode), mode)
        back = decided(mapper, mapper.demap(symbols, torch.zeros(2, 200), mode))
        torch.testing.assert_close(mapper.map(back, mode), symbols, rtol=1e-5, atol=1e-6)


@every_mapper
@pytest.mark.parametrize("left", [3.0, float("nan"), float("inf")])
def test_a_lost_symbols_value_is_not_looked_at(table, left):
    mapper = build_mapper(table)
    noise_var = torch.tensor([[torch.inf, 0.25, torch.inf]])
    for mode in first_and_last(mapper):
        clean = torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.complex64)
        dirty = torch.tensor([[complex(left, left), 1.0, complex(-left, left)]], dtype=torch.complex64)
        estimate = mapper.demap(dirty, noise_var, mode)
        assert estimate.isfinite().all()
        assert torch.equal(estimate, mapper.demap(clean, noise_var, mode))


@every_mapper
def test_each_symbol_is_demapped_by_itself(table):
    mapper = build_mapper(table)
    symbols = torch.randn(2, 30, dtype=torch.complex64, generator=seeded())
    noise_var = torch.rand(2, 30, generator=seeded(1)).add(0.05)
    for mode in first_and_last(mapper):
        whole = mapper.demap(symbols, noise_var, mode)
        parts = [mapper.demap(symbols[:, i : i + 10], noise_var[:, i : i + 10], mode) for i in (0, 10, 20)]
        torch.testing.assert_close(torch.cat(parts, 1), whole)


@every_mapper
def test_gradients_of_demap_are_those_of_finite_differences(table):
    mapper = build_mapper(table)
    symbols = torch.randn(1, 3, dtype=torch.complex128, generator=seeded(), requires_grad=True)
    noise_var = torch.rand(1, 3, dtype=torch.float64, generator=seeded(1)).add(0.1).requires_grad_()
    for mode in first_and_last(mapper):
        estimate = mapper.demap(symbols, noise_var, mode)
        if not estimate.requires_grad:
            assert table["demap"] in ("hard", "paper")
            continue
        assert estimate.dtype == torch.float64
        assert torch.autograd.gradcheck(lambda s, v, m=mode: mapper.demap(s, v, m), (symbols, noise_var))


@every_mapper
def test_a_lost_symbol_leaves_finite_gradients(table):
    mapper = build_mapper(table)
    symbols = torch.tensor([[1.0 + 1.0j, complex("nan")]], dtype=torch.complex64, requires_grad=True)
    noise_var = torch.tensor([[0.1, torch.inf]], requires_grad=True)
    estimate = mapper.demap(symbols, noise_var)
    if estimate.requires_grad:
        estimate.square().sum().backward()
        assert symbols.grad.isfinite().all()
        assert symbols.grad[0, 1] == 0.0
        assert noise_var.grad is None or noise_var.grad.isfinite().all()


@every_mapper
def test_the_training_pass_gives_what_map_and_demap_give(table):
    mapper, send = build_mapper(table), noisy(10.0)
    for mode in first_and_last(mapper):
        payload = example(mapper, 2, 50, mode)
        passed = transmit(mapper, payload, send, mode)
        received, noise_var = send(mapper.map(payload, mode))
        assert isinstance(passed, Passed)
        torch.testing.assert_close(passed.payload_hat, mapper.demap(received, noise_var, mode))
        assert torch.equal(passed.noise_var, noise_var)
        assert all(term.ndim == 0 and term.isfinite() for term in passed.terms.values())


@every_mapper
def test_the_training_pass_brings_a_gradient_to_a_latent(table):
    mapper = build_mapper(table)
    if mapper.kind is not PayloadKind.LATENT:
        return
    for mode in first_and_last(mapper):
        payload = example(mapper, 2, 20, mode).requires_grad_()
        transmit(mapper, payload, noisy(5.0), mode).payload_hat.square().sum().backward()
        assert payload.grad.isfinite().all()
        assert (payload.grad != 0).any(-1).float().mean() > 0.5


@every_mapper
def test_a_network_in_16_bit_floats_is_mapped_in_32(table):
    mapper = build_mapper(table)
    for mode in first_and_last(mapper):
        payload = example(mapper, 2, 50, mode)
        if mapper.kind is PayloadKind.LATENT:
            payload = payload.bfloat16()
        with torch.autocast("cpu", torch.bfloat16):
            passed = transmit(mapper, payload, noisy(10.0), mode)
        full = payload.float() if mapper.kind is PayloadKind.LATENT else payload
        assert torch.equal(passed.payload_hat, transmit(mapper, full, noisy(10.0), mode).payload_hat)


@every_mapper
@pytest.mark.parametrize("mode", [-1, 16])
def test_unknown_modes_are_refused(table, mode):
    mapper = build_mapper(table)
    with pytest.raises(ConfigError, match=rf"mode.*\(got .*{mode}\)"):
        mapper.map(example(mapper, 1, 4), mode)


@every_mapper
def test_a_payload_of_another_kind_is_refused(table):
    mapper = build_mapper(table)
    wrong = torch.rand(2, 6) if mapper.kind is not PayloadKind.LATENT else torch.rand(2, 6, 40)
    with pytest.raises(ConfigError, match="must get"):
        mapper.map(wrong)


@every_mapper
def test_it_runs_on_the_meta_device(table):
    mapper = build_mapper(table)
    for mode in first_and_last(mapper):
        symbols = mapper.map(example(mapper, 2, 12, mode).to("meta"), mode)
        back = mapper.demap(symbols, torch.empty(2, 12, device="meta"), mode)
        assert symbols.shape == (2, 12)
        assert back.shape[0] == 2
        assert back.device.type == "meta"


@every_mapper
def test_it_is_the_same_every_time_and_leaves_global_randomness_alone(table):
    before = torch.random.get_rng_state()
    first, second = build_mapper(table), build_mapper(table)
    payload = example(first, 2, 30)
    assert torch.equal(first.map(payload), second.map(payload))
    transmit(first, payload, noisy(3.0))
    assert torch.equal(before, torch.random.get_rng_state())


@every_mapper
def test_a_codec_without_tables_changes_nothing(table):
    mapper = build_mapper(table)
    assert bind(mapper, object()) is mapper


@every_mapper
def test_tables_of_other_mappers_are_left_alone(table):
    class Codec:
        mapper_tables = {"no_such_table": torch.ones(3)}

    mapper = build_mapper(table)
    payload = example(mapper, 1, 9)
    assert torch.equal(bind(mapper, Codec()).map(payload), mapper.map(payload))
