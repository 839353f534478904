"""Docstrings as claims: complete, in order, equal to the signature, equal across classes."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from numpydoc.docscrape import FunctionDoc, NumpyDocString, Parameter
from sklearn.base import BaseEstimator

import skrep
from skrep.utils.params import PARAMS

# Methods whose text scikit-learn or skorch wrote, and dunders that say what they do by name.
NOT_OURS = {"set_output", "set_params", "get_params", "get_metadata_routing"}


# Machinery behind the public names: it has docstrings, but nobody reads them on a page.
INTERNAL = ("skrep.engine", "skrep.utils")


def public_modules() -> Iterator[str]:
    """Every module that a user may import from: its path has no underscore."""
    yield "skrep"
    for info in pkgutil.walk_packages(skrep.__path__, "skrep."):
        private = any(part.startswith("_") for part in info.name.split("."))
        if not private and not info.name.startswith(INTERNAL):
            yield info.name


def public_objects() -> dict[str, Any]:
    """Functions and classes that some public module lists in `__all__`, by their full name."""
    found: dict[str, Any] = {}
    for name in public_modules():
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", ()):
            member = getattr(module, public)
            ours = str(getattr(member, "__module__", "")).startswith("skrep")
            if ours and (inspect.isclass(member) or inspect.isfunction(member)):
                found[f"{member.__module__}.{member.__qualname__}"] = member
    return dict(sorted(found.items()))


def public_methods(cls: type) -> dict[str, Any]:
    found = {}
    for name, member in vars(cls).items():
        plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        if inspect.isfunction(plain) and not name.startswith("_") and name not in NOT_OURS:
            found[name] = plain
    return found


OBJECTS = public_objects()
CLASSES = {name: obj for name, obj in OBJECTS.items() if inspect.isclass(obj)}
ESTIMATORS = {n: c for n, c in CLASSES.items() if issubclass(c, BaseEstimator)}
# Bases are read through the methods of the models that inherit them.
MODELS = {n: c for n, c in ESTIMATORS.items() if not inspect.isabstract(c)}
METHODS = {f"{n}.{m}": f for n, c in CLASSES.items() for m, f in public_methods(c).items()}


def fills_a_documented_hook(name: str) -> bool:
    """Tell whether a base declares the method as abstract: its text is the contract for all."""
    class_name, _, method = name.rpartition(".")
    bases = CLASSES[class_name].__mro__[1:]
    return any(getattr(vars(b).get(method), "__isabstractmethod__", False) for b in bases)


def is_machinery(cls: type) -> bool:
    """Tell whether users meet only the constructor: modules of torch, records, settings."""
    return (
        issubclass(cls, torch.nn.Module) or is_dataclass(cls) or cls.__module__.startswith(INTERNAL)
    )


CONTRACTS = [
    name
    for name in METHODS
    if not is_machinery(CLASSES[name.rpartition(".")[0]]) and not fills_a_documented_hook(name)
]


FUNCTIONS = {n: f for n, f in OBJECTS.items() if inspect.isfunction(f)}


def documented_parameters(doc: NumpyDocString) -> list[Parameter]:
    """Return the documented parameters, "a, b : int, default=1, 2" taken apart."""
    found = []
    for entry in [*doc["Parameters"], *doc["Other Parameters"]]:
        names = [name.strip() for name in entry.name.split(",")]
        kind, mark, default = entry.type.partition("default=")
        defaults = default.split(",") if len(names) > 1 and mark else [default] * len(names)
        for name, own_default in zip(names, defaults, strict=True):
            found.append(Parameter(name, f"{kind}{mark}{own_default.strip()}", entry.desc))
    return found


def signature_parameters(callable_: Any) -> list[inspect.Parameter]:
    parameters = inspect.signature(callable_).parameters.values()
    return [p for p in parameters if p.name not in ("self", "cls")]


def shown_name(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}
    return stars.get(parameter.kind, "") + parameter.name


def wrong_parameters(callable_: Any, docstring: str | None) -> list[str]:
    """Return how the Parameters section departs from the signature."""
    doc = NumpyDocString(docstring or "")
    documented = documented_parameters(doc)
    signature = signature_parameters(callable_)
    expected = [shown_name(p) for p in signature]
    names = [p.name for p in documented]
    if names != expected:
        return [f"documents {names}, takes {expected}"]
    found = [f"{p.name!r} has no text" for p in documented if not " ".join(p.desc).strip()]
    return found + [
        f"{p.name!r} is documented with default={shown}, its default is {p.default!r}"
        for p, entry in zip(signature, documented, strict=True)
        if not default_agrees(p, shown := documented_default(entry.type))
    ]


def documented_default(type_line: str) -> str | None:
    match = re.search(r"\bdefault=(.+)$", type_line)
    return match.group(1).strip() if match else None


def default_agrees(parameter: inspect.Parameter, shown: str | None) -> bool:
    if parameter.default is inspect.Parameter.empty:
        return shown is None
    if shown is None:
        # `y` stands in a signature for scikit-learn's protocol: "y : Ignored" says enough.
        return parameter.name == "y" and parameter.default is None
    default = parameter.default
    spellings = {repr(default), str(default) if not isinstance(default, str) else repr(default)}
    spellings |= {f'"{default}"', f"'{default}'"} if isinstance(default, str) else set()
    if shown in spellings:
        return True
    try:
        return bool(float(shown) == default)
    except (ValueError, TypeError):
        return False


def wrong_summary(docstring: str | None) -> list[str]:
    if not docstring or not docstring.strip():
        return ["has no docstring"]
    summary = " ".join(NumpyDocString(inspect.cleandoc(docstring))["Summary"])
    found = [] if summary.endswith(".") else [f"summary {summary!r} needs a full stop"]
    return found if len(summary) < 100 else [*found, f"summary {summary!r} is long"]


@pytest.mark.parametrize("name", OBJECTS)
def test_public_object_has_a_summary(name):
    assert wrong_summary(inspect.getdoc(OBJECTS[name])) == []


@pytest.mark.parametrize("name", METHODS)
def test_public_method_has_a_summary(name):
    assert wrong_summary(METHODS[name].__doc__) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_parameters(name):
    function = FUNCTIONS[name]
    assert wrong_parameters(function, inspect.getdoc(function)) == []


@pytest.mark.parametrize("name", CONTRACTS)
def test_method_parameters(name):
    method = METHODS[name]
    assert wrong_parameters(method, inspect.getdoc(method)) == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_says_what_it_returns(name):
    function = FUNCTIONS[name]
    hint = inspect.signature(function).return_annotation
    doc = FunctionDoc(function)
    if hint not in (None, "None", inspect.Signature.empty):
        assert doc["Returns"] or doc["Yields"]


def has_parameters(cls: type) -> bool:
    """Tell whether a class is made by calling it with arguments of its own."""
    if is_dataclass(cls):
        return bool(vars(cls).get("__annotations__"))
    return "__init__" in vars(cls) and not getattr(cls, "_is_protocol", False)


@pytest.mark.parametrize("name", [n for n in CLASSES if has_parameters(CLASSES[n])])
def test_class_parameters(name):
    cls = CLASSES[name]
    text = inspect.getdoc(cls)
    if is_dataclass(cls) and "Attributes\n----" in text:
        # What a record is made of and what it holds are the same list.
        text = text.replace("Attributes\n----------", "Parameters\n----------")
    assert wrong_parameters(cls, text) == []


@pytest.mark.parametrize("name", MODELS)
def test_model_stands_alone(name):
    doc = NumpyDocString(inspect.getdoc(MODELS[name]))
    fitted = ["Attributes"] if "fit" in dir(MODELS[name]) else []
    missing = [section for section in ["Parameters", "Examples", *fitted] if not doc[section]]
    assert not missing, f"{name} lacks the sections {missing}"


# The seven that stand in every gradient-trained signature.
TRAINING = {
    *("max_epochs", "batch_size", "learning_rate"),
    *("device", "random_state", "verbose", "trainer"),
}
TRAINED = {n: c for n, c in MODELS.items() if "max_epochs" in inspect.signature(c).parameters}


def without_default(text: str) -> str:
    """Leave the default out: families start from different ones, which another test compares."""
    kind, _, rest = unindented(text).partition("\n")
    return kind.partition(", default=")[0] + "\n" + rest


def unindented(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def any_default(text: str) -> str:
    """Leave the default out: it is a model's own, and compared with its signature above."""
    first, _, rest = unindented(text).partition("\n")
    return f"{re.sub(r'default=.*', 'default', first)}\n{rest}"


@pytest.mark.parametrize("name", TRAINED)
def test_shared_parameters_have_the_canonical_text(name):
    """The text is written out in every class, and is the same text in every class."""
    for entry in NumpyDocString(inspect.getdoc(TRAINED[name]))["Parameters"]:
        if entry.name in PARAMS:
            text = "\n".join([entry.type, *entry.desc])
            assert any_default(text) == any_default(PARAMS[entry.name]), entry.name


@pytest.mark.parametrize("name", TRAINED)
def test_trained_models_take_the_training_parameters(name):
    assert set(inspect.signature(TRAINED[name]).parameters) >= TRAINING


def test_training_parameters_have_a_canonical_text():
    assert set(PARAMS) >= TRAINING


def test_parameters_of_one_name_in_several_models_have_one_text():
    """What three models share and `PARAMS` does not hold should move there."""
    texts: dict[str, list[str]] = {}
    for cls in TRAINED.values():
        for entry in NumpyDocString(inspect.getdoc(cls))["Parameters"]:
            texts.setdefault(entry.name, []).append("\n".join([entry.type, *entry.desc]))
    shared = {n for n, said in texts.items() if len(said) > 2 and len(set(said)) == 1}
    assert shared <= set(PARAMS)


def literal_values(hint: Any) -> set[str]:
    if get_origin(hint) is Literal:
        return {value for value in get_args(hint) if isinstance(value, str)}
    return set().union(*map(literal_values, get_args(hint))) if get_args(hint) else set()


def option_values(constraints: Any) -> set[str]:
    listed = constraints if isinstance(constraints, list) else []
    return {
        value
        for constraint in listed
        if type(constraint).__name__ == "StrOptions"
        for value in constraint.options
    }


@pytest.mark.parametrize("name", ESTIMATORS)
def test_literals_mirror_the_constraints(name):
    """`Literal` in the signature, `StrOptions` in the table and the documented set are one set."""
    cls = ESTIMATORS[name]
    hints = get_type_hints(cls.__init__) if "__init__" in vars(cls) else {}
    doc = {p.name: p for p in documented_parameters(NumpyDocString(inspect.getdoc(cls)))}
    for parameter, hint in hints.items():
        literals = literal_values(hint)
        options = option_values(cls._parameter_constraints.get(parameter))
        if literals:
            assert literals == options, parameter
        if options and parameter in doc and "{" in doc[parameter].type:
            braces = re.search(r"\{(.*?)\}", doc[parameter].type).group(1)
            assert set(re.findall(r"""["']([^"']+)["']""", braces)) == options, parameter


@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_has_a_constraint(name):
    cls = MODELS[name]
    assert set(inspect.signature(cls).parameters) == set(cls._parameter_constraints)


# The rules must be able to fail.


def drifted(x, *, rate=0.1, mode="a"):
    """Do something.

    Parameters
    ----------
    x : int
        A number.
    rate : float, default=0.2
        A rate.
    mode : {"a", "b"}, default="a"
        A mode.
    """


def incomplete(x, y):
    """Do something.

    Parameters
    ----------
    x : int
        A number.
    """


def test_rules_can_fail():
    (found,) = wrong_parameters(drifted, drifted.__doc__)
    assert found == "'rate' is documented with default=0.2, its default is 0.1"
    assert "takes ['x', 'y']" in wrong_parameters(incomplete, incomplete.__doc__)[0]
    assert wrong_summary("No stop") == ["summary 'No stop' needs a full stop"]
    assert literal_values(Literal["a", "b"] | None) == {"a", "b"}
