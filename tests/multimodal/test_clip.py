"""CLIP: its gradient in chunks, its temperature, its positives, and what it finds."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from torch import nn

from skrep import Views
from skrep.base import ModuleSpec
from skrep.datasets import make_multiview
from skrep.multimodal import CLIP
from skrep.multimodal._aligned import aligned_maps
from skrep.nn import MLP
from skrep.nn.module import Batch
from skrep.nn.scaling import ViewScaler
from skrep.utils.sklearn_private import InvalidParameterError
from skrep.utils.temperature import Temperature
from skrep.utils.validation import CheckedViews

QUICK = {"n_components": 3, "max_epochs": 4, "batch_size": 32, "hidden_layer_sizes": (16,)}


def clip(**settings):
    return CLIP(**{**QUICK, "random_state": 0, **settings})


@pytest.fixture
def views(seed):
    return make_multiview(120, random_state=seed)


@pytest.fixture
def three_views(seed):
    views = make_multiview(80, random_state=seed)
    rng = np.random.default_rng(seed)
    third = np.tanh(views[0][:, :5]) + 0.1 * rng.normal(size=(80, 5))
    return Views({"a": views[0], "b": views[1], "c": third})


def with_holes(views, seed):
    present = np.random.default_rng(seed).random((len(views), views.n_views)) > 0.3
    present[~present.any(axis=1), 0] = True
    return Views(views.arrays, views.names, present)


def built(model, X, y=None):
    """Return an untrained module in float64 and the whole data as one batch."""
    checked = model._check_for_fit(X, reset=True, min_samples=2)
    model._start(checked, 0)
    labels = None if y is None else torch.as_tensor(y)
    present = None if checked.present is None else torch.tensor(checked.present)
    arrays = tuple(torch.tensor(np.array(a), dtype=torch.float64) for a in checked.arrays)
    module = model.module_.double()
    with torch.no_grad():  # the networks beside the linear paths are silent at the start
        for parameter in module.towers.parameters():
            generator = torch.Generator().manual_seed(parameter.numel())
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter += 0.1 * noise
    return module, Batch(arrays, present, None, labels)


def gradient(module, batch):
    module.zero_grad()
    module.training_loss(batch, torch.Generator()).total.backward()
    return torch.cat([parameter.grad.ravel() for parameter in module.parameters()])


# -- the gradient of a batch in chunks ------------------------------------------------------


@pytest.mark.parametrize("objective", ["infonce", "sigmoid"])
@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("incomplete", [False, True])
def test_the_gradient_in_chunks_is_that_of_the_whole_batch(
    objective, labelled, incomplete, three_views, seed
):
    X = with_holes(three_views, seed) if incomplete else three_views
    y = np.arange(80) % 7 if labelled else None
    whole, batch = built(clip(objective=objective), X, y)
    chunked, _ = built(clip(objective=objective, chunk_size=9), X, y)
    expected, found = gradient(whole, batch), gradient(chunked, batch)
    assert float((found - expected).abs().max()) <= 1e-6 * float(expected.abs().max())
    assert float(expected.abs().max()) > 0.0


def test_chunks_keep_little_for_the_gradient(views):
    def kept(chunk_size):
        module, batch = built(clip(hidden_layer_sizes=(512, 512), chunk_size=chunk_size), views)
        sizes = {}

        def note(tensor):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            module.training_loss(batch, torch.Generator())
        weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
        return sum(size for place, size in sizes.items() if place not in weights)

    assert kept(16) < 0.1 * kept(None)


def test_fits_in_chunks_and_at_once_agree(views):
    at_once = clip().set_params(trainer__precision="float64")
    chunked = clip(chunk_size=10).set_params(trainer__precision="float64")
    codes = [np.asarray(model.fit(views).transform(views)) for model in (at_once, chunked)]
    np.testing.assert_allclose(codes[0], codes[1], atol=1e-6)
    np.testing.assert_allclose(at_once.loss_curve_, chunked.loss_curve_, rtol=1e-6)


class WithDropout:
    """A factory of towers that draw."""

    def __call__(self, n_in, n_out):
        return nn.Sequential(nn.Linear(n_in, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, n_out))


def test_dropout_draws_the_same_values_both_times(views):
    model = clip(encoder=WithDropout(), chunk_size=16)
    module, batch = built(model, views)
    found = []
    for keeps in (False, True):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            if keeps:  # the same chunks, everything kept for the gradient
                module._codes = lambda i, view: torch.cat(
                    [module.encode_view(i, chunk) for chunk in view.split(16)]
                )
            found.append(gradient(module, batch))
    torch.testing.assert_close(found[0], found[1])


def test_training_with_dropout_in_chunks_leaves_the_global_generator_alone(views):
    before = torch.get_rng_state()
    model = clip(encoder=WithDropout(), chunk_size=16).fit(views)
    assert torch.equal(torch.get_rng_state(), before)
    again = clip(encoder=WithDropout(), chunk_size=16).fit(views)
    np.testing.assert_array_equal(model.loss_curve_, again.loss_curve_)


# -- the temperature ------------------------------------------------------------------------


def test_the_temperature_stays_within_its_bounds(views):
    for rate in (0.3, 30.0):
        model = clip(temperature=Temperature(0.1, bounds=(0.05, 0.2)), learning_rate=rate)
        # float32 rounds.
        assert 0.05 * (1 - 1e-6) <= model.fit(views).temperature_ <= 0.2 * (1 + 1e-6)
    assert clip(learning_rate=0.01).fit(views).temperature_ != pytest.approx(0.07, rel=1e-4)


def test_a_fixed_temperature_does_not_move(views):
    model = clip(temperature=Temperature(0.3, learned=False)).fit(views)
    assert model.temperature_ == pytest.approx(0.3, rel=1e-6)


def test_the_temperature_can_be_searched_from_outside(views):
    model = clip(temperature=0.3).set_params(temperature__learned=False)
    assert model.temperature.value == 0.3
    assert model.fit(views).temperature_ == pytest.approx(0.3, rel=1e-6)


def test_bounds_widen_for_a_start_outside_them():
    assert Temperature(0.004).resolve() == (0.002, 1.0)
    assert Temperature(3.0).resolve() == (0.01, 6.0)


@pytest.mark.parametrize("value", [0.0, -0.1])
def test_a_temperature_that_is_not_positive_is_refused(value, views):
    with pytest.raises(InvalidParameterError, match="'temperature' parameter of CLIP must be"):
        clip(temperature=value).fit(views)
    with pytest.raises(InvalidParameterError, match="'value' parameter of Temperature must be"):
        clip(temperature=Temperature(value)).fit(views)


@pytest.mark.parametrize("bounds", [(0.1, 1.0), (0.0, 1.0), (0.01,), ("a", "b"), (0.01, np.inf)])
def test_bounds_must_hold_the_start(bounds, views):
    with pytest.raises(ValueError, match="two positive numbers with `value` between them"):
        clip(temperature=Temperature(0.07, bounds=bounds)).fit(views)


# -- what belongs together ------------------------------------------------------------------


def planted(seed, n=300):
    """Two views that share only a class: no sample resembles its partner more than another."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    means = 3.0 * rng.normal(size=(2, 3, 6))
    a, b = (mean[y] + rng.normal(size=(n, 6)) for mean in means)
    return Views({"image": a, "text": b}), y


def test_labels_say_what_belongs_together(seed):
    X, y = planted(seed)
    model = clip(positives="labels", batch_size=100, max_epochs=20).fit(X, y)
    image, text = model.transform(X)
    cosines = image @ text.T
    same = y[:, None] == y
    assert cosines[same].mean() > cosines[~same].mean() + 0.5


def test_any_labels_do(views):
    words = np.array(["cat", "dog", "cow"])[np.arange(120) % 3]
    model = clip(positives="labels").fit(views, words)
    other = clip(positives="labels").fit(views, np.unique(words, return_inverse=True)[1])
    np.testing.assert_array_equal(model.loss_curve_, other.loss_curve_)


def test_pairs_ignore_labels_from_a_pipeline(views):
    y = np.arange(120) % 2
    pipeline = make_pipeline(clip(), LogisticRegression()).fit(views, y)
    alone = clip().fit(views)
    np.testing.assert_array_equal(pipeline[0].transform(views)[0], alone.transform(views)[0])
    assert not get_tags(clip()).target_tags.required
    assert get_tags(clip(positives="labels")).target_tags.required


def test_labels_that_do_not_fit_are_refused(views):
    model = clip(positives="labels")
    with pytest.raises(ValueError, match="requires y to be passed, but the target y is None"):
        model.fit(views)
    with pytest.raises(ValueError, match="y has 7 labels, but X has 120 samples"):
        model.fit(views, np.arange(7))
    missing = np.where(np.arange(120) == 5, np.nan, 1.0)
    with pytest.raises(ValueError, match="contains NaN in row 5"):
        model.fit(views, missing)


# -- codes ----------------------------------------------------------------------------------


def test_codes_have_unit_length(views):
    model = clip().fit(views)
    codes = model.transform(views)
    for code in codes:
        np.testing.assert_allclose(np.linalg.norm(code, axis=1), 1.0, rtol=1e-5)
    each = model.transform_each(views)
    np.testing.assert_array_equal(np.asarray(each), np.asarray(codes))


def test_partners_find_each_other_in_new_samples(seed):
    X = make_multiview(600, random_state=seed)
    for objective in ("infonce", "sigmoid"):
        model = clip(n_components=8, max_epochs=20, objective=objective).fit(X[:400])
        # By chance a query in 200 would.
        assert model.score(X[400:]) > 0.2


def test_the_start_has_the_canonical_correlations(views):
    arrays = [np.asarray(array, dtype=float) for array in views.arrays]
    checked = CheckedViews(tuple(arrays), views.names)
    scalers = [ViewScaler([torch.zeros(a.shape[1])], [torch.ones(a.shape[1])]) for a in arrays]
    maps = aligned_maps(ModuleSpec(checked, 2, 0), scalers, 0.0)
    whitened = [np.linalg.qr(a - a.mean(axis=0))[0] for a in arrays]
    expected = np.linalg.svd(whitened[0].T @ whitened[1], compute_uv=False)[:2]
    codes = [a @ m.T for a, m in zip(arrays, maps, strict=True)]
    found = [np.corrcoef(codes[0][:, j], codes[1][:, j])[0, 1] for j in range(2)]
    # The small draws that fill spare components are in there too.
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_a_view_that_does_not_vary_says_nothing(views):
    constant = np.ones((120, 4))
    model = clip().fit(Views((*views.arrays, constant)))
    assert np.isfinite(np.asarray(model.transform((*views.arrays, constant)))).all()
    # Pairs without the constant view are found: by chance one query in 120 would.
    codes = Views(tuple(model.transform((*views.arrays, constant)))[:2])
    assert (np.argmax(codes[0] @ codes[1].T, axis=1) == np.arange(120)).mean() > 0.1
    clip().fit((views[0], constant))
    # No complete sample differs from another: the start is random.
    same = np.array(views[0])
    same[:30] = same[0]
    holes = np.array(views[1])
    holes[:30] = holes[0]
    holes[30:] = np.nan
    clip().fit((same, holes))


def test_three_views_share_one_space(three_views):
    model = clip(max_epochs=20, n_components=8).fit(three_views)
    assert model.transform(three_views).widths == (8, 8, 8)
    assert model.score(three_views) > 10 / 80


def test_inverse_transform_is_a_regression_on_the_mean_code(views):
    model = clip().fit(views)
    codes = model.transform(views)
    mean = np.mean([codes[0], codes[1]], axis=0)
    design = np.column_stack([mean, np.ones(len(mean))])
    fitted = design @ np.linalg.lstsq(design, np.asarray(views[0]), rcond=None)[0]
    np.testing.assert_allclose(model.inverse_transform(codes)[0], fitted, atol=1e-3)


def test_sparse_views_give_the_same_codes(views):
    zeros = Views(tuple(np.where(a > 0, a, 0.0) for a in views.arrays), views.names)
    model = clip().fit(zeros)
    csr = Views(tuple(sparse.csr_array(a) for a in zeros.arrays), zeros.names)
    codes = clip().fit(csr).transform(csr)
    np.testing.assert_allclose(codes[0], model.transform(zeros)[0], atol=1e-4)


# -- incomplete samples ---------------------------------------------------------------------


def test_incomplete_samples_take_part_in_the_pairs_they_have(three_views, seed):
    X = with_holes(three_views, seed)
    model = clip(max_epochs=10).fit(X)
    codes = model.transform(X)
    np.testing.assert_array_equal(codes.present, X.present)
    np.testing.assert_allclose(np.linalg.norm(codes[2][X.present[:, 2]], axis=1), 1.0, rtol=1e-5)
    assert 0.0 < model.score(X) <= 1.0


def test_only_complete_pairs_count_in_the_loss(views, seed):
    module, batch = built(clip(), views)
    present = torch.ones(120, 2, dtype=torch.bool)
    present[60:, 0] = False
    part = batch._replace(present=present)
    first = Batch(tuple(view[:60] for view in batch.views))
    generator = torch.Generator()
    alone, within = (module.training_loss(b, generator).total for b in (first, part))
    torch.testing.assert_close(within, alone)


def test_a_batch_without_pairs_has_no_loss(views):
    module, batch = built(clip(), views)
    present = torch.zeros(120, 2, dtype=torch.bool)
    present[:60, 0] = present[60:, 1] = True
    loss = module.training_loss(batch._replace(present=present), None).total
    assert loss.requires_grad
    assert loss.item() == 0.0


def test_views_that_never_meet_are_refused(views):
    present = np.ones((120, 2), dtype=bool)
    present[:60, 0] = present[60:, 1] = False
    with pytest.raises(ValueError, match=r"stands beside another view in 0 sample\(s\)"):
        clip().fit(Views(views.arrays, views.names, present))


def test_without_partners_there_is_no_score(views):
    model = clip().fit(views)
    with pytest.raises(ValueError, match="No sample of X has two views"):
        model.score(Views((views[0], None), views.names))


# -- zero-shot ------------------------------------------------------------------------------


def test_zero_shot_knows_classes_that_it_was_never_told(seed):
    X, y = planted(seed, n=400)
    model = clip(batch_size=100, max_epochs=20, n_components=4).fit(X[:300])
    prompts = np.array([X["text"][:300][y[:300] == c].mean(axis=0) for c in range(3)])
    for given in (X[300:], X["image"][300:]):
        probabilities = model.zero_shot(given, prompts)
        assert probabilities.shape == (100, 3)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)
        # A guess is right in a third of 100 cases: 60 or more has odds below 1e-7.
        assert (probabilities.argmax(axis=1) == y[300:]).mean() >= 0.6
    back = model.zero_shot(X["text"][300:], X["image"][:2], source="text")
    assert back.shape == (100, 2)
    alone = model.zero_shot(X[300:], X["image"][:2], source="text", target="image")
    np.testing.assert_allclose(alone, back, atol=1e-6)


def test_zero_shot_names_the_views(three_views):
    model = clip().fit(three_views)
    with pytest.raises(ValueError, match=r"`target` must be one of the views .*'d'"):
        model.zero_shot(three_views, three_views["b"][:2], target="d")
    with pytest.raises(ValueError, match="say which of them the prompts are with `target`"):
        model.zero_shot(three_views, three_views["b"][:2])
    assert model.zero_shot(
        three_views["c"], three_views["a"][:2], target="a", source="c"
    ).shape == (
        80,
        2,
    )
    absent = Views((None, *three_views.arrays[1:]), three_views.names)
    with pytest.raises(ValueError, match="`X` lacks the view 'a' for some rows"):
        model.zero_shot(absent, three_views["b"][:2], source="a", target="b")


# -- what is refused, and factories ---------------------------------------------------------


def test_batches_of_one_are_refused(views):
    with pytest.raises(ValueError, match=r"a batch needs at least 2. Got batch_size=1"):
        clip(batch_size=1).fit(views)
    model = clip().partial_fit(views)
    with pytest.raises(ValueError, match=r"a batch needs at least 2. Got one sample"):
        model.partial_fit(views[:1])


def test_one_view_is_refused(views):
    with pytest.raises(ValueError, match=r"CLIP relates views .* needs at least 2. Got 1"):
        clip().fit(np.asarray(views))


def test_last_batches_join_the_one_before_them(views):
    # 120 rows are 2 batches of 50 and 20 more, which is less than half a batch.
    seen = []

    class Note(nn.Module):
        def forward(self, x):
            seen.append(len(x))
            return x

    def factory(n_in, n_out):
        return nn.Sequential(Note(), nn.Linear(n_in, n_out))

    clip(batch_size=50, max_epochs=1, encoder=factory).fit(views)
    # Twice two rows, while the factory is tried out; the data come once more for the decoder.
    assert seen[2:-2] == [50, 50, 70, 70]


def test_encoders_can_differ_by_view(views):
    names = views.names
    model = clip(encoder={names[0]: MLP((5,)), names[1]: None}).fit(views)
    assert isinstance(model.module_.towers[0], nn.Sequential)
    assert model.module_.towers[0][0].out_features == 5
    assert not isinstance(model.module_.towers[1], nn.Sequential)
    with pytest.raises(ValueError, match=r"`encoder` holds 3 values for 2 view"):
        clip(encoder=(None, None, None)).fit(views)
    with pytest.raises(TypeError, match=r"for every view. Got 'mlp'"):
        clip(encoder=(None, "mlp")).fit(views)
    with pytest.raises(TypeError, match=r"`encoder` must be a factory .* Got the module"):
        clip(encoder=(None, nn.Linear(2, 2))).fit(views)


def test_the_module_has_no_decoder(views):
    with pytest.raises(NotImplementedError, match="no decoder network"):
        clip().fit(views).module_.decode(torch.zeros(2, 3))
