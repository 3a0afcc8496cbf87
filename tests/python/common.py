"""What the tests of the package share: the package itself, and a network so small that a run takes a moment."""
import contextlib
import os
import pathlib
import sys
import tempfile
import unittest

try:
    import numpy as np
    import spikeloom as sl
except ImportError as error:  # NumPy is not there, or the package was not built
    print(f"skipped: {error}")
    sys.exit(77)

SOURCE = pathlib.Path(os.environ["SPIKELOOM_SOURCE"])
PROGRAM = os.path.join(os.path.dirname(sl.__file__), "bin", "spikeloom")

TINY = {"family": "meta_spikeformer", "embed_dim": [8, 16, 16, 24], "num_heads": 2, "num_classes": 4, "in_channels": 1,
        "depths": [1, 1, 1, 1, 1], "strides": [2, 2, 1, 2, 1], "mlp_ratio": 2, "time_steps": 2}


def images(count=2, side=16, seed=1):
    return np.random.default_rng(seed).random((count, 1, side, side), dtype=np.float32)


def tiny(**settings):
    return sl.Experiment(model=TINY, **{"run.threads": 1, "weights.random_seed": 7, **settings})


@contextlib.contextmanager
def inside_temporary_folder():
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield pathlib.Path(folder)
        finally:
            os.chdir(before)


def main():
    unittest.main(verbosity=1)
