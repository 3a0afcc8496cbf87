"""Networks of PyTorch: `record` counts any of them from what it does, `from_torch` makes an experiment of those whose every
module has an operator here. PyTorch computes; Spikeloom gets the graph, the shapes of the weights and the spikes
(docs/record.md)."""
from .convert import NotConvertible, from_torch
from .record import Recording, record

__all__ = ["NotConvertible", "Recording", "from_torch", "record"]
