"""The contract of the family, for every plug-in that is there."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdrjscc import plugins
from sdrjscc.config import Section
from sdrjscc.errors import ConfigError
from sdrjscc.mapping.base import Mapper, build_mapper
from sdrjscc.payload import PayloadKind

NAMES = plugins.available("mapping")
LATENT = [name for name in NAMES if build_mapper({"name": name}).kind is PayloadKind.LATENT]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def latent(batch, symbols, seed=0):
    """Payloads of very different power each."""
    scale = 10.0 ** torch.linspace(-3.0, 3.0, batch).reshape(-1, 1, 1)
    return scale * torch.randn(batch, symbols, 2, generator=seeded(seed))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_mapper(name):
    mapper = build_mapper({"name": name})
    assert isinstance(mapper, Mapper)
    assert mapper.kind in PayloadKind
    assert issubclass(plugins.load("mapping", name).config, Section)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_options_are_refused(name):
    with pytest.raises(ConfigError, match=r"mapping\.no_such_key is not a known key"):
        build_mapper({"name": name, "no_such_key": 1})


def test_a_users_own_that_is_no_mapper_is_refused(tmp_path, monkeypatch):
    (tmp_path / "no_mapper.py").write_text("def build(config): return 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="'no_mapper:build' must have kind, map and demap"):
        build_mapper({"name": "no_mapper:build"})


@pytest.mark.parametrize("name", LATENT)
@given(st.integers(1, 4), st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=30)
def test_every_transmission_has_unit_mean_power(name, batch, symbols, seed):
    mapped = build_mapper({"name": name}).map(latent(batch, symbols, seed))
    assert mapped.shape == (batch, symbols)
    assert mapped.dtype == torch.complex64
    torch.testing.assert_close(mapped.abs().square().mean(-1), torch.ones(batch), rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("name", LATENT)
def test_power_is_normalised_over_the_transmission_not_its_parts(name):
    payload = torch.ones(1, 200, 2)
    payload[:, 100:] *= 3.0
    mapped = build_mapper({"name": name}).map(payload).abs().square()
    assert mapped[0, -1] / mapped[0, 0] == pytest.approx(9.0, rel=1e-5)


@pytest.mark.parametrize("name", LATENT)
def test_without_noise_demap_undoes_map_up_to_power(name):
    mapper, payload = build_mapper({"name": name}), latent(3, 50)
    back = mapper.demap(mapper.map(payload), torch.zeros(3, 50))
    power = payload.square().sum(-1).mean(-1).reshape(-1, 1, 1)
    assert back.dtype == torch.float32
    torch.testing.assert_close(back, payload / power.sqrt(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LATENT)
@pytest.mark.parametrize("left", [0.0, 3.0, float("nan"), float("inf")])
def test_a_lost_symbol_is_exactly_zero_whatever_it_holds(name, left):
    symbols = torch.full((1, 3), complex(left, left), dtype=torch.complex64)
    symbols[0, 1] = 1.0
    noise_var = torch.tensor([[torch.inf, 0.25, torch.inf]])
    back = build_mapper({"name": name}).demap(symbols, noise_var)
    assert torch.equal(back[0, [0, 2]], torch.zeros(2, 2))
    assert back.isfinite().all()


@pytest.mark.parametrize("name", LATENT)
def test_gradients_of_map_are_those_of_finite_differences(name):
    payload = torch.randn(2, 5, 2, dtype=torch.float64, generator=seeded(), requires_grad=True)
    mapper = build_mapper({"name": name})
    assert torch.autograd.gradcheck(lambda p: torch.view_as_real(mapper.map(p)), payload)


@pytest.mark.parametrize("name", LATENT)
def test_gradients_of_demap_are_those_of_finite_differences(name):
    symbols = torch.randn(2, 5, dtype=torch.complex128, generator=seeded(), requires_grad=True)
    noise_var = torch.rand(2, 5, dtype=torch.float64, generator=seeded(1)).add(0.1).requires_grad_()
    mapper = build_mapper({"name": name})
    assert torch.autograd.gradcheck(mapper.demap, (symbols, noise_var))


@pytest.mark.parametrize("name", LATENT)
def test_a_lost_symbol_leaves_finite_gradients(name):
    symbols = torch.tensor([[1.0 + 1.0j, complex("nan")]], dtype=torch.complex64, requires_grad=True)
    noise_var = torch.tensor([[0.1, torch.inf]])
    build_mapper({"name": name}).demap(symbols, noise_var).square().sum().backward()
    assert symbols.grad.isfinite().all()
    assert symbols.grad[0, 1] == 0.0


@pytest.mark.parametrize("name", LATENT)
def test_it_runs_on_the_meta_device(name):
    mapper = build_mapper({"name": name})
    symbols = mapper.map(torch.empty(2, 7, 2, device="meta"))
    back = mapper.demap(symbols, torch.empty(2, 7, device="meta"))
    assert symbols.shape == (2, 7)
    assert back.shape == (2, 7, 2)
    assert back.device.type == "meta"
