"""What an estimator can do, said once: tests and composers read it instead of probing."""

from dataclasses import dataclass, fields

from sklearn.utils import Tags

__all__ = ["SkrepTags"]


@dataclass
class SkrepTags(Tags):
    """scikit-learn's tags and the capabilities that only representation models have.

    Attributes
    ----------
    reconstruction : bool
        `inverse_transform` and `reconstruct` give data back.
    density : bool
        `score_samples` gives a log-probability or a bound on it.
    generative : bool
        `sample` draws new data.
    multi_view : bool
        A tuple of arrays, a dict, `Views` or a two-level DataFrame is accepted.
    absent_views : bool
        Samples that lack some of their views are accepted.
    coordinated : bool
        `transform` gives one code per view instead of one joint code.
    imputation : bool
        `impute` fills absent views in.
    conditional : bool
        `sample_given` draws absent views.
    fine_tunable : bool
        `module_.encode` is differentiable, and `_fit_untrained(X)` builds the module without
        training it: what `skrep.compose.FineTunedClassifier` needs.
    """

    reconstruction: bool = False
    density: bool = False
    generative: bool = False
    multi_view: bool = False
    absent_views: bool = False
    coordinated: bool = False
    imputation: bool = False
    conditional: bool = False
    fine_tunable: bool = False

    @classmethod
    def extend(cls, tags: Tags) -> "SkrepTags":
        """Take scikit-learn's tags over, all capabilities off."""
        return cls(**{field.name: getattr(tags, field.name) for field in fields(Tags)})
