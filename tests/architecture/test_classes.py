"""What a class of ours looks like: constructors that store, flat families, nothing overridden."""

import ast
import importlib
import inspect
import pkgutil
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass

import pytest
from sklearn.base import BaseEstimator

import skrep

MAX_PARAMETERS = 15

# Class name -> why it has more. Every entry is a sign that an object is missing, so say which.
MORE_PARAMETERS: dict[str, str] = {
    "DCCAE": "an object for objective and ridge, which DCCA can do without",
}

# (class name, method name) -> why a concrete method is overridden all the same.
OVERRIDES: dict[tuple[str, str], str] = {
    ("BoltzmannMachine", "gibbs"): "gives the chain too, whose state has hidden units in it",
}

# What Python, scikit-learn and torch define for everybody and expect to be replaced.
OPEN_HOOKS = {"__sklearn_tags__", "__repr__", "__init_subclass__", "__getstate__", "__setstate__"}

# Hooks to which every class on the way adds its share and calls the next with `super()`.
COOPERATIVE = {"_check_parameters"}


def modules() -> Iterator[str]:
    yield "skrep"
    for info in pkgutil.walk_packages(skrep.__path__, "skrep."):
        if not info.name.endswith("__main__"):
            yield info.name


def own_classes() -> dict[str, type]:
    found: dict[str, type] = {}
    for name in modules():
        for cls in vars(importlib.import_module(name)).values():
            if inspect.isclass(cls) and cls.__module__.startswith("skrep."):
                found[f"{cls.__module__}.{cls.__qualname__}"] = cls
    return dict(sorted(found.items()))


def is_public(cls: type) -> bool:
    """Tell whether users meet the class: of the engine they meet what `skrep` lists."""
    if cls.__module__.startswith("skrep.engine"):
        return cls.__name__ in skrep.__all__
    return not cls.__name__.startswith("_")


CLASSES = own_classes()
ESTIMATORS = {n: c for n, c in CLASSES.items() if issubclass(c, BaseEstimator) and is_public(c)}


def own(cls: type) -> bool:
    return cls.__module__.startswith("skrep")


def constructor_stores(cls: type) -> list[str]:
    """Return what in `__init__` is not `self.name = name`."""
    if "__init__" not in vars(cls):
        return []
    source = textwrap.dedent(inspect.getsource(cls.__init__))
    function = ast.parse(source).body[0]
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    names = set(inspect.signature(cls).parameters)
    found = [
        f"{cls.__name__}.__init__: {ast.unparse(line)!r} does more than store"
        for line in body
        if not (
            isinstance(line, ast.Assign)
            and len(line.targets) == 1
            and isinstance(line.value, ast.Name)
            and line.value.id in names
            and ast.unparse(line.targets[0]) == f"self.{line.value.id}"
        )
    ]
    stored = {ast.unparse(line.value) for line in body if isinstance(line, ast.Assign)}
    return found + [f"{cls.__name__}.__init__ does not store {n!r}" for n in sorted(names - stored)]


def constructor_signature(cls: type) -> list[str]:
    """Return what is wrong with the shape of the signature."""
    found = []
    parameters = list(inspect.signature(cls).parameters.values())
    if len(parameters) > MAX_PARAMETERS and cls.__name__ not in MORE_PARAMETERS:
        found.append(f"{cls.__name__} takes {len(parameters)} parameters, {MAX_PARAMETERS} at most")
    for position, parameter in enumerate(parameters):
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            found.append(f"{cls.__name__} takes {parameter}; name what it accepts")
        elif position > 0 and parameter.kind is not parameter.KEYWORD_ONLY:
            found.append(f"{cls.__name__}: {parameter.name!r} must be keyword-only")
    return found


def is_mixin(cls: type) -> bool:
    return cls.__name__.endswith("Mixin")


def levels_above(cls: type) -> int:
    """Count our own classes above, mixins apart."""
    return sum(own(base) and not is_mixin(base) for base in cls.__mro__[1:])


def method_body(member: object) -> list[ast.stmt]:
    """Return the statements of a method, its docstring left out."""
    function = member.fget if isinstance(member, property) else inspect.unwrap(member)
    function = getattr(function, "__func__", function)
    body = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].body
    return [line for line in body if not isinstance(line, ast.Pass) and not is_constant(line)]


def is_constant(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def is_concrete(member: object) -> bool:
    """Tell whether a method does something; a hook without a body waits to be filled."""
    if member is None or getattr(member, "__isabstractmethod__", False):
        return False
    return bool(method_body(member))


def adds_its_share(name: str, member: object) -> bool:
    calls = "\n".join(map(ast.unparse, method_body(member)))
    return name in COOPERATIVE and f"super().{name}(" in calls


def overridden(cls: type) -> list[str]:
    """Return the concrete methods of our own bases that the class replaces."""
    found = []
    for name, member in vars(cls).items():
        is_method = inspect.isfunction(member) or isinstance(member, property | classmethod)
        # Dunders of a dataclass are written by the decorator.
        written = not (is_dataclass(cls) and name.startswith("__") and name != "__call__")
        if not is_method or not written or name == "__init__" or name in OPEN_HOOKS:
            continue
        for base in filter(own, cls.__mro__[1:]):
            replaced = is_concrete(vars(base).get(name)) and not adds_its_share(name, member)
            if replaced and (cls.__name__, name) not in OVERRIDES:
                found.append(f"{cls.__name__}.{name} overrides {base.__name__}.{name}")
    return found


def subclassed(classes: list[type]) -> list[str]:
    """Return the concrete public classes that another class derives from: abstract or final."""
    return [
        f"{cls.__name__} derives from {base.__name__}, which is a finished model"
        for cls in classes
        for base in cls.__bases__
        if own(base) and is_public(base) and not is_mixin(base) and is_finished(base)
    ]


def is_finished(cls: type) -> bool:
    """Tell whether a class can be made and used as it is."""
    is_model = issubclass(cls, BaseEstimator)
    return is_model and not inspect.isabstract(cls) and "__init__" in vars(cls)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_constructor_only_stores(name):
    assert constructor_stores(ESTIMATORS[name]) == []


@pytest.mark.parametrize("name", ESTIMATORS)
def test_constructor_signature(name):
    assert constructor_signature(ESTIMATORS[name]) == []


@pytest.mark.parametrize("name", ESTIMATORS)
def test_at_most_two_levels_above_a_model(name):
    cls = ESTIMATORS[name]
    assert levels_above(cls) <= 2, [base.__name__ for base in cls.__mro__ if own(base)]


@pytest.mark.parametrize("name", CLASSES)
def test_nothing_concrete_is_overridden(name):
    assert overridden(CLASSES[name]) == []


def test_a_class_is_abstract_or_final():
    assert subclassed(list(CLASSES.values())) == []


@pytest.mark.parametrize("name", ESTIMATORS)
def test_no_public_method_swallows_keywords(name):
    for method_name, method in inspect.getmembers(ESTIMATORS[name], inspect.isfunction):
        if method_name.startswith("_") or not method.__module__.startswith("skrep"):
            continue
        # scikit-learn's own protocol passes any parameter name to set_params.
        if method_name == "set_params":
            continue
        kinds = {p.kind for p in inspect.signature(method).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds, f"{name}.{method_name} takes **kwargs"


def test_exceptions_to_the_rules_are_in_use():
    """An entry whose class or method is gone must leave its list."""
    by_name = {cls.__name__: cls for cls in CLASSES.values()}
    assert set(MORE_PARAMETERS) <= set(by_name)
    assert all(method in vars(by_name[cls]) for cls, method in OVERRIDES)
    for name in MORE_PARAMETERS:
        assert len(inspect.signature(by_name[name]).parameters) > MAX_PARAMETERS


# The rules must be able to fail.


class Derives(BaseEstimator):
    def __init__(self, n_components=2, *, rate=5):
        self.n_components = n_components
        self.rate_ = 2 * rate


class Forgets(BaseEstimator):
    def __init__(self, n_components=2, *, rate=5):
        self.n_components = n_components


class Stores(BaseEstimator):
    def __init__(self, n_components=2, *, rate=5):
        """Store."""
        self.n_components = n_components
        self.rate = rate


class Positional(BaseEstimator):
    def __init__(self, n_components=2, rate=5):
        self.n_components = n_components
        self.rate = rate


class TooMany(BaseEstimator):
    __signature__ = inspect.Signature(
        [inspect.Parameter(f"p{i}", inspect.Parameter.KEYWORD_ONLY, default=0) for i in range(16)]
    )


class Template(ABC):
    @abstractmethod
    def hook(self): ...

    def flow(self):
        return self.hook()

    def optional(self):  # noqa: B027
        """Do nothing unless a class says more."""

    def _check_parameters(self):
        return [self]


class FillsTheHooks(Template):
    def hook(self): ...

    def optional(self):
        return 1

    def _check_parameters(self):
        return [*super()._check_parameters(), 1]


class ReplacesTheFlow(Template):
    def hook(self): ...

    def flow(self): ...


class ForgetsTheOthers(Template):
    def hook(self): ...

    def _check_parameters(self):
        return []


@pytest.mark.parametrize(
    ("rule", "cls", "complaint"),
    [
        (constructor_stores, Derives, "self.rate_ = 2 * rate"),
        (constructor_stores, Forgets, "does not store 'rate'"),
        (constructor_stores, Stores, None),
        (constructor_signature, Positional, "'rate' must be keyword-only"),
        (constructor_signature, TooMany, "takes 16 parameters, 15 at most"),
        (constructor_signature, Stores, None),
        (overridden, FillsTheHooks, None),
        (overridden, ForgetsTheOthers, "ForgetsTheOthers._check_parameters overrides"),
        (overridden, ReplacesTheFlow, "ReplacesTheFlow.flow overrides Template.flow"),
    ],
)
def test_rules_can_fail(monkeypatch, rule: Callable, cls, complaint):
    for ours in (Template, FillsTheHooks, ReplacesTheFlow, ForgetsTheOthers):
        monkeypatch.setattr(ours, "__module__", "skrep.example")
    found = rule(cls)
    assert any(complaint in line for line in found) if complaint else found == []


def test_deriving_from_a_finished_model_is_seen(monkeypatch):
    class Child(Stores): ...

    monkeypatch.setattr(Stores, "__module__", "skrep.example")
    assert "finished model" in subclassed([Child])[0]
    monkeypatch.setattr(Child, "__module__", "skrep.example")
    assert levels_above(Child) == 1
