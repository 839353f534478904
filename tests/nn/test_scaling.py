import numpy as np
import pytest
import torch

from skrep.nn.scaling import ViewScaler


def parts(seed):
    generator = torch.Generator().manual_seed(seed)
    centres = [torch.randn(w, generator=generator) for w in (3, 2)]
    scales = [torch.rand(w, generator=generator) + 0.5 for w in (3, 2)]
    views = tuple(torch.randn(4, w, generator=generator) for w in (3, 2))
    return centres, scales, views


def test_join_is_the_standardised_matrix_and_split_undoes_it(seed):
    centres, scales, views = parts(seed)
    scaler = ViewScaler(centres, scales)
    joined = scaler.join(views)
    expected = [(v - c) / s for v, c, s in zip(views, centres, scales, strict=True)]
    torch.testing.assert_close(joined, torch.cat(expected, dim=1))
    back = scaler.split(joined)
    assert isinstance(back, tuple)
    for view, again in zip(views, back, strict=True):
        torch.testing.assert_close(again, view)


def test_leading_axes_pass(seed):
    centres, scales, views = parts(seed)
    scaler = ViewScaler(centres, scales)
    stacked = scaler.join(views).expand(6, 4, 5)
    assert [tuple(v.shape) for v in scaler.split(stacked)] == [(6, 4, 3), (6, 4, 2)]


def test_nothing_to_do_is_done_without_copying():
    scaler = ViewScaler([torch.zeros(3)], [torch.ones(3)])
    view = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    assert scaler.is_identity
    assert scaler.join((view,)) is view
    assert scaler.split(view)[0].data_ptr() == view.data_ptr()


def test_it_travels_with_the_module(seed):
    centres, scales, views = parts(seed)
    scaler = ViewScaler(centres, scales, [1.0, 2.0])
    assert scaler.variances == (1.0, 2.0)
    assert not list(scaler.parameters())
    double = ViewScaler(centres, scales).double()
    assert double.join([v.double() for v in views]).dtype == torch.float64
    copy = ViewScaler([torch.zeros(3), torch.zeros(2)], [torch.ones(3), torch.ones(2)])
    copy.load_state_dict(scaler.state_dict())
    np.testing.assert_array_equal(copy.centre.numpy(), scaler.centre.numpy())


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_rounding_of_a_round_trip_is_relative_to_the_values(shift, seed):
    centres, scales, views = parts(seed)
    scaler = ViewScaler([c + shift for c in centres], scales)
    moved = tuple(v + shift for v in views)
    for view, again in zip(moved, scaler.split(scaler.join(moved)), strict=True):
        torch.testing.assert_close(again, view, rtol=1e-6, atol=1e-6)
