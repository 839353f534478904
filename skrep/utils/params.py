"""The one wording of parameters that several estimators share; a test compares docstrings to it."""

from typing import Final

__all__ = ["PARAMS"]

PARAMS: Final[dict[str, str]] = {
    "n_components": """int, default=16
        Size of the code. Start near the number of factors you expect; more reconstructs better
        and compresses less.""",
    "hidden_layer_sizes": """tuple of int, default=(256,)
        Widths of the encoder's hidden layers; the decoder mirrors them. `()` gives a linear model.
        Unused by a network that comes from a factory.""",
    "activation": """str, default="relu"
        Between layers: "identity", "logistic", "tanh", "relu" or another name in
        `skrep.nn.activations.ACTIVATIONS`.""",
    "output_activation": """str, default="identity"
        After the decoder. "identity" suits real data; "logistic" data in [0, 1], anything else
        is refused there; with it reconstructions stay in the data's range.""",
    "encoder": """callable or None, default=None
        Factory `(n_in, n_out) -> torch.nn.Module` that replaces the default encoder, such as
        `skrep.nn.conv_encoder((1, 28, 28))`. Picklable; a module instance is refused.""",
    "gradient": """{"centred", "plain"} or Gradient, default="centred"
        How the gradient is estimated; a name stands for `skrep.Gradient(name)`. Its momentum,
        averaging of weights, number of chains and of temperatures can be set and searched as
        `gradient__momentum`.""",
    "scaling": """{"view", "feature"}, dict, tuple or None, default="view"
        Data are centred and divided, inside the model, by one overall standard deviation per
        view, or by one per feature, so that a learning rate means the same on any data. What
        comes out is in the units that went in. One for all views, a dict by view name, or a tuple
        by position.""",
    "weight_by_correlation": """bool, default=False
        Whether codes are multiplied by their canonical correlation, so that in distances between
        codes of different views the components count by how far they can be trusted. For
        retrieval.""",
    "max_epochs": """int, default=100
        Passes over the data, at most.""",
    "batch_size": """int, default=128
        Rows a step. Larger is faster per epoch and takes fewer steps.""",
    "learning_rate": """float, default=1e-3
        Length of a step. Too large ends in an error that says so; too small needs more epochs.""",
    "device": """str, default="auto"
        Where to compute: "auto" takes CUDA, then MPS, then the CPU. Fitted modules come back to
        the CPU.""",
    "random_state": """int, RandomState or None, default=None
        An integer makes a fit repeatable on one device and version. None takes fresh entropy;
        no global generator is touched either way.""",
    "verbose": """int, default=0
        1 shows a progress bar with the loss, its parts and the time left.""",
    "trainer": """Trainer or None, default=None
        Optimiser, schedule, early stopping, callbacks and other rarer settings; None takes the
        defaults of `skrep.Trainer`.""",
}
