from sklearn.linear_model import LinearRegression
from sklearn.utils import get_tags

from skrep import VAE, Autoencoder, Trainer
from skrep.utils.tags import SkrepTags

CAPABILITIES = (
    "reconstruction",
    "density",
    "generative",
    "multi_view",
    "absent_views",
    "coordinated",
)


def capabilities(estimator):
    tags = get_tags(estimator)
    return {name for name in CAPABILITIES if getattr(tags, name)}


def test_scikit_learns_tags_are_taken_over():
    given = get_tags(LinearRegression())
    extended = SkrepTags.extend(given)
    assert extended.estimator_type == given.estimator_type
    assert extended.input_tags is given.input_tags
    assert not any(getattr(extended, name) for name in CAPABILITIES)


def test_what_estimators_declare():
    assert capabilities(Autoencoder()) == {"reconstruction", "multi_view"}
    assert capabilities(VAE()) == {"reconstruction", "multi_view", "density", "generative"}


def test_the_dtype_promise_follows_the_precision():
    assert get_tags(VAE()).transformer_tags.preserves_dtype == ["float32"]
    precise = VAE(trainer=Trainer(precision="float64"))
    assert get_tags(precise).transformer_tags.preserves_dtype == ["float64"]
