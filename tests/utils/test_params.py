import inspect

import pytest

from skrep import VAE, Autoencoder, DenoisingAutoencoder, SparseAutoencoder
from skrep.utils.params import PARAMS


def described(cls):
    """The Parameters section of a docstring, one stripped entry a parameter."""
    doc = inspect.cleandoc(cls.__doc__)
    section = doc.split("Parameters\n----------\n")[1].split("\n\nAttributes\n")[0]
    entries, name = {}, None
    for line in section.splitlines():
        if line and not line.startswith(" "):
            name, _, rest = line.partition(" : ")
            entries[name] = [rest]
        else:
            entries[name].append(line.strip())
    return {key: " ".join(part for part in lines if part) for key, lines in entries.items()}


@pytest.mark.parametrize("cls", [Autoencoder, DenoisingAutoencoder, SparseAutoencoder, VAE])
def test_shared_parameters_have_one_wording(cls):
    entries = described(cls)
    assert list(entries) == list(inspect.signature(cls).parameters)
    for name in set(entries) & set(PARAMS):
        assert entries[name] == " ".join(PARAMS[name].split()), name
