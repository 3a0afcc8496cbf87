#!/usr/bin/env python3
"""experiments/fetch in a folder of its own: what it says of data sets, and that content decides. usage: fetch.py SOURCE_DIR"""
import os
import shutil
import subprocess
import sys
import tempfile


def main():
    with tempfile.TemporaryDirectory() as folder:
        tool = shutil.copy(os.path.join(sys.argv[1], "experiments/fetch"), folder)

        def run(*words):
            done = subprocess.run([sys.executable, tool, *words], text=True, capture_output=True, check=False)
            return done.returncode, done.stdout, done.stderr

        code, out, err = run()
        assert (code, err) == (0, "") and out.count("missing") == 3 and "shakespeare.toml" in out, (code, out, err)
        for name in ("shakespeare", "spoken_digits"):
            other = os.path.join(folder, "other")
            with open(other, "w") as file:
                file.write("something else")
            code, out, err = run(name, "--from", other)
            assert code == 1 and out == "" and err.count("\n") == 1, (code, out, err)
        code, out, err = run("mnist", "--from", os.path.join(folder, "nowhere"))
        assert code == 1 and err.count("\n") == 1 and "Traceback" not in err, (code, out, err)
        assert sorted(os.listdir(folder)) == ["fetch", "other"], os.listdir(folder)
        code, out, err = run("nothing")
        assert code == 2 and "no data set is called nothing" in err, (code, out, err)
        with open(os.path.join(folder, "tinyshakespeare.txt"), "w"):
            pass
        code, out, err = run("shakespeare")
        assert (code, out) == (0, "shakespeare: is here\n"), (code, out, err)


main()
