#!/usr/bin/env python3
"""Runs, results, traces, chips and errors of the Python package, beside the program and files."""
import copy
import csv
import gc
import io
import json
import os
import pathlib
import re
import pickle
import signal
import subprocess
import sys
import threading
import time
import unittest

from common import PROGRAM, SOURCE, TINY, images, inside_temporary_folder, main, np, sl, tiny

TINY_TOML = (SOURCE / "tests/e2e/tiny.toml").read_text()


def without_time(report):
    """What two runs of one experiment must agree in."""
    report = copy.deepcopy(report)
    for key in ("wall_seconds", "peak_memory_bytes"):
        report["provenance"].pop(key)
    return report


def program(*words, code=0):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True)
    assert done.returncode == code, (words, done)
    return done.stdout


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def save(name, array):
    with open(name, "wb") as file:  # under that very name
        np.save(file, array)


class AsTheProgram(unittest.TestCase):
    def same_files(self, result, folder, trace=True):
        folder = pathlib.Path(folder)
        self.assertEqual(sorted(result.files), sorted(p.name for p in folder.iterdir()))
        # Every byte but those of the two figures, whose digits Python would write otherwise.
        times = r'("(?:wall_seconds|peak_memory_bytes)": ?)[-+.0-9e]+'
        mine, expected = (re.sub(times, r"\1-", (path / "report.json").read_text()) for path in (result.folder, folder))
        self.assertNotEqual(mine, (result.folder / "report.json").read_text())
        self.assertEqual(mine, expected)
        for name in ("report.csv", "energy.csv", "logits.npy"):
            self.assertEqual((result.folder / name).read_bytes(), (folder / name).read_bytes(), name)
        if trace:
            a, b = sl.open(result.folder), sl.open(folder)
            self.assertEqual(list(a), list(b))
            self.assertEqual((a.signature, a.config, a.graph, a.header["run_id"]),
                             (b.signature, b.config, b.graph, b.header["run_id"]))
            for name in a:
                np.testing.assert_array_equal(a[name].numpy(), b[name].numpy())

    def test_an_experiment_of_a_file(self):
        with inside_temporary_folder():
            pathlib.Path("tiny.toml").write_text(TINY_TOML)
            np.save("images.npy", images(3))
            program("run", "tiny.toml", "-q", "--set", "output.membranes=[\"downsample1_2.encode_lif\"]")
            os.rename("out", "theirs")
            net = sl.load("tiny.toml", **{"output.membranes": ["downsample1_2.encode_lif"]})
            result = net.run()
            self.assertEqual(result.folder, pathlib.Path("out"))  # as the file says
            self.same_files(result, "theirs")
            self.assertEqual(result.signature, json.loads(pathlib.Path("theirs/report.json").read_text())["signature"])
            self.assertEqual(result.arrays["downsample1_2.encode_lif.v"].shape[:2], (3, 2))

    def test_arrays_are_as_their_files(self):
        """A temporary folder leaves no mark, and arrays are as files of their names would be."""
        with inside_temporary_folder():
            x, labels = images(3), np.array([0, 3, 2])
            result = tiny(**{"chip.name": "loihi2"}).run(x, labels=labels)
            save("array x", x)
            save("array labels", labels)
            toml = TINY_TOML.replace('"images.npy"', '"array x"\nlabels = "array labels"')
            toml = toml.replace('[output]\ndir = "out"\n', '[chip]\nname = "loihi2"\n')
            pathlib.Path("a.toml").write_text(toml)
            program("run", "a.toml", "-q")
            self.same_files(result, "out")
            names = result.save("saved/here")
            self.assertEqual(sorted(names), sorted(os.listdir("saved/here")))
            for name in names:
                self.assertEqual((result.folder / name).read_bytes(), pathlib.Path("saved/here", name).read_bytes())

    def test_every_type_and_layout_of_numbers(self):
        with inside_temporary_folder():
            base = (images(3, 16) * 100).astype(np.float32)
            arrays = {kind: base.astype(kind) for kind in
                      ("<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "i1", "<i2", ">i2", "<i4", "<i8", ">i8", "u1", "<u2", ">u4",
                       "<u8", "?")}
            arrays["fortran"] = np.asfortranarray(base)
            arrays["strided"] = np.repeat(base, 2, axis=3)[..., ::2]
            arrays["reversed"] = base[::-1][::-1]
            arrays["transposed"] = np.ascontiguousarray(base.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
            arrays["read only"] = base.copy()
            arrays["read only"].flags.writeable = False
            arrays["unaligned"] = np.frombuffer(b"x" + base.tobytes(), np.uint8)[1:].view(np.float32).reshape(base.shape)
            for name, x in arrays.items():
                with self.subTest(name):
                    np.save("x.npy", x)
                    by_file = tiny(dataset={"kind": "npy", "path": "x.npy"}).run()
                    by_memory = tiny().run(x)
                    self.assertEqual(by_memory.signature, by_file.signature)
                    np.testing.assert_array_equal(by_memory.logits, by_file.logits)
                    a, b = by_memory.report["provenance"], by_file.report["provenance"]
                    self.assertEqual(a["inputs"]["dataset.path"], b["inputs"]["dataset.path"])
                    if name not in ("strided", "reversed"):
                        self.assertEqual(by_memory.report["dataset"], by_file.report["dataset"])

    def test_tokens_in_memory(self):
        with inside_temporary_folder():
            weights = SOURCE / "tests/golden/spikegpt/A1_char_binary.weights.npz"
            ids = np.random.default_rng(2).integers(0, 77, (2, 12))
            for kind in ("<i8", ">i4", "u1"):
                np.save("t.npy", ids.astype(kind))
                settings = {"model.family": "spikegpt", "weights.path": weights}
                by_file = sl.Experiment(settings, dataset={"kind": "tokens", "path": "t.npy"}).run()
                by_memory = sl.Experiment(settings).run(ids.astype(kind))
                self.assertEqual(by_memory.signature, by_file.signature)
                np.testing.assert_array_equal(by_memory.logits, by_file.logits)
                self.assertEqual(by_memory.report["provenance"]["inputs"], by_file.report["provenance"]["inputs"])
            for wrong in (ids + 77, ids.astype(float), ids[0, 0]):
                self.assertRaises(sl.DataError, sl.Experiment(settings).run, wrong)
            with self.assertRaises(sl.UsageError) as caught:
                sl.Experiment(settings).run(ids, labels=[1, 2])
            self.assertEqual(caught.exception.key, "dataset.labels")

    def test_networks_of_nir_files(self):
        """An HDF5 file of another program: the program inside the package reads it."""
        with inside_temporary_folder():
            net = sl.from_nir(SOURCE / "tests/golden/nir/conv_if.nir", dt=1)
            golden = np.load(SOURCE / "tests/golden/nir/conv_if.npz")
            x = np.stack([golden["input"]] * 3)
            result = net.run(x, **{"dataset.events": True})
            neurons = {n["name"]: n["spikes"] for n in result.counts["neurons"]}
            self.assertEqual(neurons["1"], 1206)
            np.save("x.npy", x)
            by_file = net.run(**{"dataset.kind": "npy", "dataset.path": "x.npy", "dataset.events": True})
            self.assertEqual(result.signature, by_file.signature)
            with self.assertRaises(sl.DataError) as caught:
                sl.from_nir("none.nir", dt=1).run(x)
            self.assertEqual(caught.exception.file, "none.nir")

    def test_chips(self):
        with inside_temporary_folder():
            result = tiny().run(images(), out="out")
            program("chip", "out", "--chip", "loihi2,spinnaker2", "--set", "noc.cast=unicast", "--level", "event", "--out",
                    "theirs", "-q")
            chips = sl.open("out").on_chip("loihi2", "spinnaker2", level="event", **{"noc.cast": "unicast"})
            self.assertEqual(len(chips.runs), 2)
            chips.save("mine")
            self.assertEqual(sorted(os.listdir("mine")), sorted(os.listdir("theirs")))
            for name in os.listdir("mine"):
                self.assertEqual(pathlib.Path("mine", name).read_bytes(), pathlib.Path("theirs", name).read_bytes())
            self.assertIn("loihi2", result.on_chip("loihi2").table)
            self.assertIn("<pre>", chips._repr_html_())
            swept = result.on_chip("loihi2", sweep={"noc.cast": ["unicast", "multicast"]})
            self.assertEqual(len(swept.runs), 2)
            for wrong in ({"level": "evnt"}, {"nocast": 1}, {"weight_bits": 0}, {"weight_bits": "8"}, {"unsupported": "drop"},
                          {"noc.cst": 1}, {"dense": ["none"]}, {"dense": "eyeriss65"},
                          {"html": "a.html", "sweep": {"noc.cast": ["unicast", "multicast"]}}):
                with self.subTest(wrong):
                    self.assertRaises(sl.UsageError, result.on_chip, "loihi2", **wrong)
            self.assertRaises(sl.UsageError, result.on_chip)
            self.assertRaises(sl.Error, result.on_chip, "loihi3")


class Results(unittest.TestCase):
    def test_what_a_result_has(self):
        x = images(3)
        result = tiny().run(x, labels=[1, 1, 1])
        self.assertEqual((result.done, result.size, result.unit, result.cancelled), (3, 3, "sample", False))
        self.assertEqual(result.logits.shape, (3, 4))
        self.assertEqual(result.accuracy, (result.logits.argmax(1) == 1).mean())
        self.assertIsNone(tiny().run(x).accuracy)
        self.assertIn("random weights", result.verdict)
        self.assertEqual(result.report["signature"], result.signature)
        energy = result.energy()
        rows = energy if isinstance(energy, list) else energy.to_dict("records")
        first = next(csv.DictReader(io.StringIO((result.folder / "energy.csv").read_text())))
        self.assertEqual(rows[0]["scheme"], first["scheme"])
        self.assertEqual(rows[0]["total_J"], float(first["total_J"]))
        self.assertEqual(rows[0]["samples"], 3)
        self.assertIsInstance(rows[0]["samples"], int)
        self.assertIn("<svg", result.page())
        self.assertTrue(result._repr_html_().startswith("<iframe sandbox"))
        self.assertIn("&lt;svg", result._repr_html_())
        self.assertIn(result.signature, repr(result))
        no_trace = tiny(**{"trace.layers": "none"}).run(x)
        self.assertRaises(sl.UsageError, lambda: no_trace.spikes)

    def test_folders_live_as_long_as_results(self):
        result = tiny().run(images())
        folder, spikes = result.folder, result.spikes
        del result
        gc.collect()
        self.assertTrue(folder.exists())  # the trace still needs it
        self.assertGreater(spikes[next(iter(spikes))].numpy().size, 0)
        del spikes
        gc.collect()
        self.assertFalse(folder.exists())

    def test_spikes(self):
        result = tiny().run(images(3))
        neurons = {n["name"]: n for n in result.counts["neurons"]}
        seen = 0
        for name, spikes in result.spikes.items():
            values = spikes.numpy()
            self.assertEqual(values.shape, spikes.shape)
            self.assertEqual(values.shape[:2], (3, 2))
            self.assertEqual(values.dtype, bool)
            axes = tuple(range(2, values.ndim))
            np.testing.assert_array_equal(values.sum(axes), spikes.counts)
            for at in (0, 2, -1):
                np.testing.assert_array_equal(spikes[at], values[at])
            np.testing.assert_array_equal(spikes[1:, 0], values[1:, 0])
            np.testing.assert_array_equal(np.asarray(spikes), values)
            np.testing.assert_array_equal(spikes.rows, [(s, t) for s in range(3) for t in range(2)])
            if spikes.layer in neurons:
                self.assertEqual(values.sum(), neurons[spikes.layer]["spikes"])
                seen += 1
            self.assertRaises(IndexError, lambda: spikes[3])
        self.assertGreater(seen, 5)
        with self.assertRaises(sl.UsageError) as caught:
            result.spikes["no_such"]
        self.assertIn("no_such", str(caught.exception))
        self.assertEqual(result.spikes.get("no_such", 3), 3)
        self.assertNotIn("no_such", result.spikes)
        self.assertEqual(list(result.spikes.samples["index"]), [0, 1, 2])

    def test_spikes_against_h5py(self):
        """Channels first, of the file's bits, which are channels last."""
        result = tiny().run(images(3), out=None)
        code = ("import h5py, json, numpy as np, sys\n"
                "f = h5py.File(sys.argv[1])['spikeloom']\n"
                "out = {}\n"
                "for name, p in f['populations'].items():\n"
                "    bits = np.unpackbits(f['activity'][name]['bits'][()], axis=1, bitorder='little')\n"
                "    shape = list(p.attrs['shape'])\n"
                "    out[name] = bits[:, :np.prod(shape)].reshape(3, 2, *shape)\n"
                "np.savez(sys.argv[2], **out)\n")
        with inside_temporary_folder():  # another process: two copies of HDF5 need not meet
            done = subprocess.run([sys.executable, "-c", code, str(result.folder / "trace.h5"), "a.npz"], capture_output=True,
                                  text=True)
            if "No module named 'h5py'" in done.stderr:
                self.skipTest("h5py")
            self.assertEqual(done.returncode, 0, done.stderr)
            for name, bits in np.load("a.npz").items():
                np.testing.assert_array_equal(result.spikes[name].numpy(), np.moveaxis(bits, -1, 2))

    def test_selected_steps_and_samples(self):
        whole = tiny().run(images(4))
        part = tiny(**{"trace.samples": [1, 3], "trace.every": 2}).run(images(4))
        for name in whole.spikes:
            np.testing.assert_array_equal(part.spikes[name].numpy(), whole.spikes[name].numpy()[[1, 3], ::2])
            np.testing.assert_array_equal(part.spikes[name].rows, [(1, 0), (3, 0)])

    def test_levels(self):
        """Small integers where more than a spike may come."""
        x = np.zeros((2, 3, 1, 16, 16), np.int8)
        x[0, 1, 0, 2, 3], x[1, 2, 0, 4, 5] = 3, 2
        net = sl.Experiment(model={**TINY, "time_steps": 3})
        result = net.run(x, **{"dataset.levels": [0, 3]})
        spikes = next(s for s in result.spikes.values() if s.neuron_model == "input")
        self.assertEqual(spikes.numpy().dtype, np.int8)
        np.testing.assert_array_equal(spikes.numpy(), x)


class Errors(unittest.TestCase):
    def raised(self, kind, call, *args, **named):
        with self.assertRaises(kind) as caught:
            call(*args, **named)
        error = caught.exception
        self.assertIs(type(error), kind)
        self.assertIsInstance(error, sl.Error)
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((type(again), str(again), vars(again)), (kind, str(error), vars(error)))
        return error

    def test_usage(self):
        error = self.raised(sl.UsageError, sl.Experiment, model=dict(TINY, num_head=2))
        self.assertEqual((error.key, error.file, error.line), ("model.num_head", None, None))
        self.assertIn("model.num_heads", str(error))
        with inside_temporary_folder():
            pathlib.Path("a.toml").write_text(TINY_TOML.replace("num_heads = 2", "num_heads = 'two'"))
            error = self.raised(sl.UsageError, sl.load, "a.toml")
            self.assertEqual((error.file, error.line, error.column, error.key), ("a.toml", 5, 13, "model.num_heads"))
        self.raised(sl.UsageError, sl.load, "none.toml")
        for settings in ({"model": 3}, {"model.family": TINY}, {"run.threads": 1.5}, {"run": 1, "run.threads": 1},
                         {"run.threads": 2**70}, {"dataset.mean": float("nan")}, {"weights.note": b"bytes"},
                         {"weights.note": object()}, {"output.dir": ""}, {"a..b": 1}, {"": 1}):
            with self.subTest(settings):
                self.raised(sl.UsageError, sl.Experiment, {"model": TINY, **settings})
        self.raised(sl.UsageError, sl.Experiment, {3: 4})
        self.raised(sl.UsageError, sl.Experiment)
        self.raised(sl.UsageError, tiny().run, images(), **{"run.thread": 1})
        self.raised(sl.UsageError, tiny(**{"dataset.kind": "npy", "dataset.path": "x.npy"}).run, labels=[1])
        self.assertRaises(TypeError, sl.Experiment, 3, 4)

    def test_data(self):
        for x in (images()[0, 0], np.zeros((0, 1, 16, 16)), np.zeros((2, 1, 0, 16)), np.array(3.0), images() * np.nan,
                  images() * np.float32(np.inf), images().astype(complex), np.array(["a"]), np.array([object()]),
                  np.zeros((2, 1, 16, 16), [("a", "f4")]), np.zeros((2, 1, 16, 16), "M8[s]"), [[1], [2, 3]], "text", {},
                  np.full((2, 1, 16, 16), 2**64 - 1, "u8")):
            with self.subTest(repr(x)[:60]):
                self.raised(sl.DataError, tiny().run, x)
        for labels in ([0, 1, 2], [0, -1], [0.5, 1], [[0], [1]], ["a", "b"], [0, 4]):
            with self.subTest(labels):
                self.raised(sl.DataError, tiny().run, images(), labels=labels)
        error = self.raised(sl.DataError, tiny(**{"dataset.kind": "npy", "dataset.path": "none.npy"}).run)
        self.assertEqual(error.file, "none.npy")
        self.raised(sl.DataError, sl.open, "none.h5")
        with inside_temporary_folder():
            pathlib.Path("text.h5").write_text("no trace")
            self.raised(sl.DataError, sl.open, "text.h5")

    def test_what_numpy_would_pass_over(self):
        masked = np.ma.masked_less(images(), 0.5)
        self.assertIn("masked", str(self.raised(sl.DataError, tiny().run, masked)))
        self.assertEqual(tiny().run(np.ma.array(images())).signature, tiny().run(images()).signature)
        endless = np.broadcast_to(np.float32(1), (2**50, 1, 16, 16))
        self.raised(sl.CapacityError, tiny().run, endless)

    def test_paths_and_folders(self):
        with inside_temporary_folder() as here:
            result = tiny().run(images(), out=here / "out")
            for path in ("out\0", "\udcff", b"out", 3, None):
                with self.subTest(path):
                    self.raised(sl.UsageError, sl.open, path)
                    self.raised(sl.UsageError, result.save, path)
            self.raised(sl.UsageError, sl.Experiment, model=TINY, weights={"note": "\ud800"})
            pathlib.Path("file").write_text("")
            self.raised(sl.RunError, result.save, "file")
            self.raised(sl.RunError, result.on_chip("loihi2").save, "file/below")
            result.save(here / "out")  # onto itself
            first, trace = result.logits, sl.open("out")
            kept = tiny().run(images())
            tiny().run(images(3), out=here / "out")
            for late in (lambda: result.arrays, result.energy, result.page, lambda: result.save("b"),
                         lambda: result.on_chip("loihi2"), lambda: trace.on_chip("loihi2"), trace.page):
                self.raised(sl.RunError, late)  # not the figures of another run
            self.assertIs(result.logits, first)
            self.assertEqual(trace.signature, result.signature)
            self.assertEqual(len(next(iter(trace.values())).numpy()), 2)
            before, os.environ["TMPDIR"] = os.environ.get("TMPDIR"), "/no/such/folder"
            try:
                import tempfile
                tempfile.tempdir = "/no/such/folder"
                self.raised(sl.RunError, tiny().run, images())
            finally:
                tempfile.tempdir = None
                os.environ.pop("TMPDIR")
                if before is not None:
                    os.environ["TMPDIR"] = before
            self.assertEqual(kept.logits.shape, (2, 4))

    def test_samples_that_do_not_fit_the_network(self):
        error = self.raised(sl.UsageError, tiny().run, np.zeros((2, 3, 16, 16)))
        self.assertEqual(error.key, "model.in_channels")

    def test_capacity(self):
        self.raised(sl.CapacityError, tiny(**{"model.embed_dim": [65536] * 4}).run, images())

    def test_run(self):
        with inside_temporary_folder():
            pathlib.Path("file").write_text("")
            self.raised(sl.RunError, tiny().run, images(), out="file/out")

    def test_interrupted(self):
        token = sl.CancelToken()
        token.cancel()
        self.assertTrue(token.cancelled)
        try:  # before there was anything, or behind the first samples
            self.assertTrue(tiny().run(images(), cancel=token).cancelled)
        except sl.Interrupted as error:
            self.assertEqual(error.code, 130)

    def test_all_are_exported(self):
        codes = {sl.RunError: 1, sl.UsageError: 2, sl.DataError: 3, sl.CapacityError: 4, sl.InternalError: 70,
                 sl.Interrupted: 130}
        for kind, code in codes.items():
            self.assertTrue(issubclass(kind, sl.Error))
            self.assertEqual((kind.code, kind.__module__), (code, "spikeloom"))
        self.assertEqual(sl.__version__, program("--version").split()[1])
        for name in sl.__all__:
            self.assertTrue(hasattr(sl, name), name)


class Running(unittest.TestCase):
    def test_two_networks_at_once(self):
        nets = [tiny(), tiny(**{"weights.random_seed": 3, "model.time_steps": 3})]
        alone = [net.run(images(4)).signature for net in nets]
        self.assertNotEqual(*alone)
        found = [[], []]

        def work(at):
            for _ in range(6):
                result = nets[at].run(images(4))
                result.spikes[next(iter(result.spikes))].numpy()
                found[at].append(result.signature)

        threads = [threading.Thread(target=work, args=(at,)) for at in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, [[alone[0]] * 6, [alone[1]] * 6])

    def test_others_go_on_meanwhile(self):
        """The GIL is free while a network runs: a thread that only counts does not stand still."""
        count, stop = [0], threading.Event()

        def work():
            while not stop.wait(0.001):
                count[0] += 1

        thread = threading.Thread(target=work)
        thread.start()
        begin = time.monotonic()
        tiny().run(images(60, 32))
        took = time.monotonic() - begin
        stop.set()
        thread.join()
        self.assertGreater(count[0], took / 0.2)

    def test_other_processes(self):
        """A child that was forked behind a run runs as well; one that ends while a daemon thread runs ends in order."""
        net, x = tiny(**{"run.threads": 2}), images(4)
        signature = net.run(x).signature
        child = os.fork()
        if child == 0:
            os._exit(0 if net.run(x).signature == signature else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        code = ("import sys, threading, time\nsys.path.insert(0, sys.argv[1])\n"
                "from common import *\n"
                "running = threading.Event()\n"
                "threading.Thread(target=lambda: tiny().run(images(4000, 32), progress=lambda s, *_: s == 'run' and running.set()),\n"
                "                 daemon=True).start()\n"
                "running.wait()\n")
        done = subprocess.run([sys.executable, "-B", "-c", code, os.path.dirname(os.path.abspath(__file__))], timeout=120,
                              stderr=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0)

    def test_progress(self):
        self.assertRaises(sl.UsageError, tiny().run, images(), progress=3)
        seen = []
        tiny().run(images(20, 32), progress=lambda *state: seen.append(state))
        self.assertEqual(seen[-1][:3], ("run", 20, 20))
        self.assertTrue(all(isinstance(stage, str) and done <= total for stage, done, total, _ in seen))

        def fails(stage, done, total, note):
            raise ZeroDivisionError("of mine")

        with self.assertRaisesRegex(ZeroDivisionError, "of mine"):
            tiny().run(images(20, 32), progress=fails)
        token = sl.CancelToken()
        with inside_temporary_folder():
            result = tiny().run(images(200, 32), cancel=token, out="out", progress=lambda stage, *_: stage == "run" and token.cancel())
            if result.cancelled:
                self.assertLessEqual(result.done, 200)
                whole = tiny().run(images(200, 32), out="out", resume=True)
                self.assertEqual(whole.signature, tiny().run(images(200, 32)).signature)

    def test_ctrl_c(self):
        """KeyboardInterrupt soon, the folder in order, and --resume goes on from there."""
        code = ("import sys, time\nsys.path.insert(0, sys.argv[1])\n"
                "from common import *\n"
                "def started(stage, done, *_):\n"
                "    if done > 0:\n"
                "        print('runs', flush=True)\n"
                "        time.sleep(.02)  # the signal has time to come\n"
                "try:\n"
                "    tiny().run(images(4000, 32), out='out', progress=started)\n"
                "except KeyboardInterrupt:\n"
                "    print('interrupted', flush=True)\n"
                "    sys.exit(9)\n")
        with inside_temporary_folder():
            child = subprocess.Popen([sys.executable, "-B", "-c", code, os.path.dirname(os.path.abspath(__file__))], text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.assertEqual(child.stdout.readline(), "runs\n")
            child.send_signal(signal.SIGINT)
            begin = time.monotonic()
            rest, errors = child.communicate(timeout=120)
            self.assertEqual((child.returncode, rest.splitlines()[-1]), (9, "interrupted"), errors)
            self.assertLess(time.monotonic() - begin, 60)
            report = json.loads(pathlib.Path("out/report.json").read_text())
            done = report["run"]["samples"]
            self.assertTrue(0 < done < 4000)
            self.assertFalse([name for name in os.listdir("out") if name.endswith(".tmp")])
            again = tiny(**{"dataset.limit": done}).run(images(4000, 32))
            self.assertEqual(again.signature, report["signature"])

    def test_arrays_are_not_copied(self):
        """Memory does not grow by what the array takes, in either order."""
        for make in (np.ascontiguousarray, np.asfortranarray):
            x = make(np.ones((20000, 1, 32, 32), np.float32))  # 82 MB
            net = tiny(**{"dataset.limit": 2})
            net.run(x[:2])
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # the peak starts anew
            before = resident()
            net.run(x)
            with open("/proc/self/status") as file:
                peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
            self.assertLess(peak - before, 40e6)

    def test_runs_leak_nothing(self):
        net = sl.Experiment(model={"family": "lmuformer", "preset": "psmnist", "dim": 4, "memory_size": 4, "seq_len": 4,
                                   "num_classes": 2}, **{"run.threads": 1})
        x = np.random.default_rng(0).random((1, 4, 1), dtype=np.float32)
        runs = int(os.environ.get("SPIKELOOM_TEST_RUNS", "150"))

        def once():
            result = net.run(x)
            result.spikes[next(iter(result.spikes))].numpy()
            try:
                net.run(x[0])
            except sl.DataError:
                pass

        for _ in range(30):
            once()
        gc.collect()
        before, files = resident(), len(os.listdir("/proc/self/fd"))
        for _ in range(runs):
            once()
        gc.collect()
        grown = resident() - before
        if runs > 1000:
            print(f"{runs} runs: {before / 1e6:.1f} MB, then {grown / 1e6:+.1f} MB")
        self.assertEqual(len(os.listdir("/proc/self/fd")), files)
        self.assertLess(grown, 8e6)


if __name__ == "__main__":
    main()
