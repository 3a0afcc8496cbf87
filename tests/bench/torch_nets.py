#!/usr/bin/env python3
"""torch_nets.py RUNTIME NET NUMBER...: the other side of `spikeloom bench nets`, fp32, dense, random weights.

RUNTIME: PyTorch, eager; or onnxruntime or OpenVINO, which run what PyTorch exports of the same network.

  spikeformer E0 E1 E2 E3 HEADS SIZE STEPS CLASSES    an image a call
  spikegpt LAYERS WIDTH VOCABULARY                    a token a call
  lmuformer CHANNELS DIM STEPS CLASSES                a whole sequence a call

The first line it prints is "ready" and what it runs on, or "absent" and why. Then each line "THREADS CALLS" on standard
input is answered by the seconds on the wall and of processor time that so many calls took."""
import ctypes
import functools
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "experiments/train"))


# Networks are given as a module and the tensors of a call; what has a state of its own, as a function.
def spikeformer(e0, e1, e2, e3, heads, size, steps, classes):
    from model import MetaSpikeFormer
    net = MetaSpikeFormer((e0, e1, e2, e3), heads, num_classes=classes, T=steps).eval()
    image = torch.randn(1, 3, size, size)
    return net, (image,)


def lmuformer(channels, dim, steps, classes):
    from lmuformer import LMUFormer
    net = LMUFormer(channels, dim, classes, steps, steps, True).eval()
    frames = torch.randn(1, steps, channels)
    return net, (frames,)


class Stream:
    """SpikeGPT as its authors' recurrent run-time does it: matrix times vector (`Linear` modules are up to four times slower
    here), state rows and membranes, one token at a time."""

    def __init__(self, layers, width, vocabulary):
        def matrix(rows, columns):
            return torch.randn(rows, columns) / columns ** 0.5

        def block():
            return {"ln": [(torch.ones(width), torch.zeros(width)) for _ in range(2)],
                    "mix": [torch.rand(width) for _ in range(5)], "decay": -torch.rand(width), "first": torch.rand(width),
                    "key": matrix(width, width), "value": matrix(width, width), "receptance": matrix(width, width),
                    "output": matrix(width, width), "ffn_key": matrix(4 * width, width),
                    "ffn_value": matrix(width, 4 * width), "ffn_receptance": matrix(width, width)}

        self.vocabulary, self.width, self.made = vocabulary, width, 0
        self.embedding, self.head = matrix(vocabulary, width), matrix(vocabulary, width)
        self.outer = [(torch.ones(width), torch.zeros(width)) for _ in range(2)]
        self.blocks = [block() for _ in range(layers)]
        self.state = torch.zeros(5 * layers, width)
        self.state[4::5] = -1e30
        self.membranes = [torch.zeros(width) for _ in range(2 * layers)]

    def norm(self, x, parameters):
        return functional.layer_norm(x, (self.width,), *parameters)

    def fire(self, y, n):
        h = self.membranes[n] + (y - self.membranes[n]) / 2
        spikes = (h >= 1).to(h.dtype)
        self.membranes[n] = h * (1 - spikes)
        return spikes

    def time_mix(self, a, b, i):
        state = self.state
        k, v, r = (b[name] @ (a * m + state[5 * i + 1] * (1 - m))
                   for name, m in zip(("key", "value", "receptance"), b["mix"]))
        state[5 * i + 1] = a
        p, q, o = state[5 * i + 2], state[5 * i + 3], state[5 * i + 4]
        n = torch.maximum(o, b["first"] + k)
        e, f = torch.exp(o - n), torch.exp(b["first"] + k - n)
        wkv = (e * p + f * v) / (e * q + f)
        n = torch.maximum(o + b["decay"], k)
        e, f = torch.exp(o + b["decay"] - n), torch.exp(k - n)
        state[5 * i + 2], state[5 * i + 3], state[5 * i + 4] = e * p + f * v, e * q + f, n
        return b["output"] @ (torch.sigmoid(r) * wkv)

    def channel_mix(self, f, b, i):
        k, r = (f * m + self.state[5 * i] * (1 - m) for m in b["mix"][3:])
        self.state[5 * i] = f
        hidden = torch.relu(b["ffn_key"] @ k).square()
        return torch.sigmoid(b["ffn_receptance"] @ r) * (b["ffn_value"] @ hidden)

    def __call__(self):
        x = self.norm(self.embedding[self.made * 7919 % self.vocabulary], self.outer[0])
        self.made += 1
        for i, b in enumerate(self.blocks):
            x = x + self.fire(self.time_mix(self.norm(x, b["ln"][0]), b, i), 2 * i)
            x = x + self.fire(self.channel_mix(self.norm(x, b["ln"][1]), b, i), 2 * i + 1)
        return self.head @ self.norm(x, self.outer[1])


class Absent(Exception):
    """Why a competitor does not take part."""


def blas():
    """The BLAS that was really loaded, whatever PyTorch was built with; one that is none for speed is no competitor."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        paths = {os.path.realpath(line.split()[-1]) for line in maps if "blas" in line or "mkl" in line}
    fast = [name for name in ("openblas", "mkl", "blis", "atlas") if any(name in path.lower() for path in paths)]
    if fast:
        return {"openblas": "OpenBLAS", "mkl": "MKL", "blis": "BLIS", "atlas": "ATLAS"}[fast[0]]
    if not paths:
        return "MKL" if "BLAS_INFO=mkl" in torch.__config__.show() else "its own BLAS"
    raise Absent(f"refused: PyTorch {torch.__version__} runs on the reference BLAS here "
                 f"({' '.join(sorted(map(os.path.basename, paths)))}); libopenblas0-pthread brings a fast one")


def set_threads(threads):
    """PyTorch's own threads and those of OpenBLAS, which has a pool of its own and takes all cores otherwise."""
    torch.set_num_threads(threads)
    for name in ("libopenblas.so.0", "libblas.so.3"):
        try:
            ctypes.CDLL(name).openblas_set_num_threads(threads)
        except (OSError, AttributeError):
            pass


def by_pytorch(made):
    call = made if callable(made) else lambda: made[0](*made[1])
    call()
    return f"PyTorch {torch.__version__}, {blas()}", lambda threads: (set_threads(threads), call)[1]


def exported(made, folder):
    """The network as a file that other run-times read."""
    if callable(made):
        raise Absent("the state of a stream is not exported")
    path = os.path.join(folder, "net.onnx")
    warnings.simplefilter("ignore")  # that loops over steps are unrolled
    try:
        torch.onnx.export(made[0], made[1], path, opset_version=17, input_names=["in"])
    except Exception as error:  # whatever the exporter finds wrong
        raise Absent("PyTorch cannot export it: " + str(error).strip().splitlines()[0]) from error
    return path


def by_onnxruntime(made):
    import onnxruntime
    with tempfile.TemporaryDirectory() as folder:
        with open(exported(made, folder), "rb") as file:
            model = file.read()
    feed = {"in": made[1][0].numpy()}

    @functools.lru_cache(maxsize=None)
    def caller(threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        session.run(None, feed)  # what the first call sets up
        return lambda: session.run(None, feed)

    return f"onnxruntime {onnxruntime.__version__}", caller


def by_openvino(made):
    import openvino
    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        model = core.read_model(exported(made, folder))
        feed = made[1][0].numpy()

        @functools.lru_cache(maxsize=None)
        def caller(threads):
            settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
            request = core.compile_model(model, "CPU", settings).create_infer_request()
            request.infer([feed], share_inputs=True)
            return lambda: request.infer([feed], share_inputs=True)

        caller(1)()
    return f"OpenVINO {openvino.__version__}", caller


RUNTIMES = {"PyTorch": by_pytorch, "onnxruntime": by_onnxruntime, "OpenVINO": by_openvino}


def serve(caller):
    for line in sys.stdin:
        threads, calls = map(int, line.split())
        call = caller(threads)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            call()
        print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)


if __name__ == "__main__":
    try:
        import torch
        import torch.nn.functional as functional
    except ImportError as error:
        print("absent", str(error).splitlines()[0], flush=True)
        sys.exit()
    nets = {"spikeformer": spikeformer, "spikegpt": Stream, "lmuformer": lmuformer}
    torch.manual_seed(1)
    try:
        with torch.no_grad():
            about, run = RUNTIMES[sys.argv[1]](nets[sys.argv[2]](*map(int, sys.argv[3:])))
            run(1)()
            print("ready", about, flush=True)
            serve(run)
    except (ImportError, Absent) as error:
        print("absent", str(error).splitlines()[0], flush=True)
    except KeyboardInterrupt:
        pass
