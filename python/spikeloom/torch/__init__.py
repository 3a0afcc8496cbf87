"""Networks of PyTorch: `record` counts any of them from what it does. PyTorch computes; Spikeloom gets the graph, the
shapes of the weights and the spikes (docs/record.md)."""
from .record import Recording, record

__all__ = ["Recording", "record"]
