#!/usr/bin/env python3
"""Text token by token and decisions frame by frame, beside the program's."""
import itertools
import json
import pathlib
import subprocess
import threading
import unittest

from common import PROGRAM, SOURCE, inside_temporary_folder, main, np, sl

WEIGHTS = SOURCE / "tests/golden/spikegpt/A1_char_binary.weights.npz"
VOCABULARY = SOURCE / "tests/e2e/characters77.json"
LMU = {"family": "lmuformer", "dim": 24, "memory_size": 16, "num_classes": 3, "seq_len": 20, "theta": 16, "in_channels": 8}


def program(*words):
    return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, check=True).stdout


class Generate(unittest.TestCase):
    def test_as_the_program(self):
        made = sl.generate(WEIGHTS, "bad", vocab=VOCABULARY, tokens=40, seed=3)
        pieces = list(made)
        told = json.loads(program("generate", "--weights", WEIGHTS, "--vocab", VOCABULARY, "--prompt", "bad", "--tokens", 40,
                                  "--seed", 3, "--json"))
        self.assertEqual(len(pieces), 40)
        self.assertEqual("".join(pieces), told["text"])
        self.assertEqual(made.result["ids"], told["ids"])
        self.assertEqual(made.result["energy_per_token"], told["energy_per_token"])
        again = sl.generate(sl.Experiment({"model.family": "spikegpt", "weights.path": WEIGHTS, "dataset.vocab": VOCABULARY}),
                            ids=np.array(told["prompt_ids"], ">i8"), tokens=40, seed=3)
        self.assertEqual("".join(again), told["text"])

    def test_ends_early(self):
        before = threading.active_count()
        made = sl.generate(WEIGHTS, "bad", vocab=VOCABULARY, tokens=10**9)
        self.assertEqual(len(list(itertools.islice(made, 5))), 5)
        made.close()
        self.assertEqual(threading.active_count(), before)
        self.assertEqual(list(made), [])
        made = sl.generate(WEIGHTS, "bad", vocab=VOCABULARY, tokens=10**9)
        next(made)
        del made  # as a loop that is left
        self.assertEqual(threading.active_count(), before)

    def test_states(self):
        with inside_temporary_folder():
            whole = "".join(sl.generate(WEIGHTS, "bad", vocab=VOCABULARY, tokens=20, seed=1, state="a"))
            again = "".join(sl.generate(WEIGHTS, "bad", vocab=VOCABULARY, tokens=20, seed=1, state=pathlib.Path("b")))
            self.assertEqual(whole, again)
            self.assertEqual(pathlib.Path("a").read_bytes(), pathlib.Path("b").read_bytes())

    def test_errors(self):
        for kind, settings in ((sl.UsageError, {"tokens": 0}), (sl.UsageError, {"tokens": "many"}),
                               (sl.UsageError, {"temperature": 0.0}), (sl.UsageError, {"top_p": 2}), (sl.UsageError, {"seed": -1}),
                               (sl.UsageError, {"ids": [1]}), (sl.DataError, {"vocab": "none.json"}),
                               (sl.UsageError, {"prompt": 3}), (sl.UsageError, {"prompt": "\ud800"})):
            with self.subTest(settings):
                self.assertRaises(kind, lambda: list(sl.generate(WEIGHTS, **{"prompt": "a", "vocab": VOCABULARY, **settings})))
        self.assertRaises(sl.DataError, lambda: list(sl.generate(WEIGHTS, ids=[500], vocab=VOCABULARY)))
        self.assertRaises(sl.DataError, lambda: list(sl.generate("none.pth", "a")))
        self.assertRaises(sl.UsageError, lambda: list(sl.generate(sl.Experiment(model=LMU), "a")))


class Stream(unittest.TestCase):
    def test_as_the_program(self):
        frames = np.random.default_rng(0).random((20, 8), dtype=np.float32)
        net = sl.Experiment(model=LMU, weights={"random_seed": 3})
        with inside_temporary_folder():
            np.save("x.npy", frames)
            pathlib.Path("a.toml").write_text("[model]\n" + "\n".join(f"{k} = {json.dumps(v)}" for k, v in LMU.items()) +
                                              "\n[weights]\nrandom_seed = 3\n[dataset]\nkind = 'npy'\npath = 'x.npy'\n")
            lines = [json.loads(line) for line in program("stream", "x.npy", "--experiment", "a.toml", "--json").splitlines()]
            told = [(line["step"], line["answer"], line["probability"], line["same_since"]) for line in lines[:-1]]
            for source in (frames, list(frames), (f.astype(float).tolist() for f in frames), "x.npy", pathlib.Path("x.npy")):
                seen = [(d.step, d.answer, d.probability, d.same_since) for d in sl.stream(net, source)]
                self.assertEqual(seen, told)
        self.assertEqual(len(told), 20)
        batch = net.run(frames[None])
        self.assertEqual(told[-1][1], batch.logits[0].argmax())

    def test_one_frame_at_a_time(self):
        """An answer is there before the next frame is asked for, look-ahead aside."""
        net = sl.Experiment(model=LMU)
        asked = []

        def frames():
            for at in range(20):
                asked.append(at)
                yield np.full(8, at, np.float32)

        decisions = sl.stream(net, frames())
        self.assertEqual(asked, [])
        first = next(decisions)
        self.assertLess(len(asked), 10)
        self.assertEqual(first.step, 0 if first.step == 0 else 1)
        decided = list(sl.stream(net, frames(), decide=0.0))
        self.assertEqual((len(decided), decided[0].decided), (1, True))
        self.assertEqual(list(sl.stream(net, [])), [])

    def test_errors(self):
        net = sl.Experiment(model=LMU)
        for frame in (np.zeros(7), np.full(8, np.nan), "text", [1, [2]]):
            with self.subTest(repr(frame)):
                self.assertRaises(sl.Error, lambda: list(sl.stream(net, [frame] * 20)))
        self.assertRaises(sl.UsageError, sl.stream, sl.Experiment({"model.family": "spikegpt", "weights.path": WEIGHTS}), [])


if __name__ == "__main__":
    main()
