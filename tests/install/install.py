#!/usr/bin/env python3
"""The installed tree: the example of docs/ is compiled and run through find_package and through pkg-config.

usage: install.py BUILD_DIR SOURCE_DIR CXX; in a temporary folder.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile


def run(words, **options):
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}\n{done.stdout}exit {done.returncode}")
    return done.stdout


def example(program, folder, experiment):
    """Both ways to start it: nothing given, and an experiment file. Signatures and reports."""
    environment = {**os.environ, "TMPDIR": folder}
    built = run([program], env=environment, cwd=folder)
    assert "4 of 4 samples, signature " in built, built
    read = run([program, experiment], env=environment, cwd=folder)
    with open(os.path.join(folder, "out", "report.json"), encoding="utf-8") as file:
        assert json.load(file)["signature"] in read, read
    refused = subprocess.run([program, "none.toml"], text=True, capture_output=True, cwd=folder)
    assert refused.returncode in (2, 3) and "none.toml" in refused.stderr, refused
    return built, read


def competitors(prefix, folder):
    """What only bench needs, only bench loads: the module with oneDNN, where it was built."""
    program = os.path.join(prefix, "bin", "spikeloom")
    loaded = run(["ldd", program])
    for library in ("dnnl", "gomp", "OpenCL"):
        assert library not in loaded, loaded
    modules = [os.path.join(where, name) for where, _, files in os.walk(prefix) for name in files
               if name == "libspikeloom_onednn.so"]
    bench = [program, "bench", "kernels", "--layer", "linear:5x33x20", "--rates", "10", "--steps", "1", "--precision", "fp32",
             "--rounds", "1", "--turn-ms", "0"]
    found = run(bench, cwd=folder)
    assert ("; oneDNN: not there;" in found) == (not modules), found
    for module in modules:
        os.remove(module)
    assert "; oneDNN: not there;" in run(bench, cwd=folder)


def main():
    build, source = (os.path.abspath(word) for word in sys.argv[1:3])
    compiler = sys.argv[3]
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "prefix")
        run(["cmake", "--install", build, "--prefix", prefix])
        run([os.path.join(prefix, "bin", "spikeloom"), "--version"])
        competitors(prefix, folder)
        for name in ("images.npy", "tiny.toml"):
            made = os.path.join(folder, name)
            if name.endswith(".toml"):
                shutil.copy(os.path.join(source, "tests", "e2e", name), made)
            else:
                sys.path.insert(0, os.path.join(source, "tests", "e2e"))
                import fixtures
                fixtures.make(folder, ["npy", name, "2", "1", "32", "32"])
        experiment = os.path.join(folder, "tiny.toml")
        example_source = os.path.join(source, "docs", "example")

        run(["cmake", "-S", example_source, "-B", os.path.join(folder, "build"), f"-DCMAKE_PREFIX_PATH={prefix}",
             f"-DCMAKE_CXX_COMPILER={compiler}"])
        run(["cmake", "--build", os.path.join(folder, "build")])
        by_cmake = example(os.path.join(folder, "build", "example"), folder, experiment)

        environment = {**os.environ, "PKG_CONFIG_PATH": ":".join(
            os.path.join(where, "pkgconfig") for where, _, files in os.walk(prefix) if "pkgconfig" in os.listdir(where))}
        # Installed somewhere else than it was configured for.
        flags = run(["pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs", "spikeloom"],
                    env=environment).split()
        program, compiled = os.path.join(folder, "by_pkg_config"), os.path.join(folder, "example.o")
        run([compiler, "-std=c++20", "-fPIC", "-c", os.path.join(example_source, "example.cpp"), "-o", compiled,
             *(flag for flag in flags if flag.startswith(("-I", "-D")))])
        run([compiler, compiled, "-o", program, *flags])
        by_pkg_config = example(program, folder, experiment)
        assert by_cmake == by_pkg_config, (by_cmake, by_pkg_config)
        # A module of another program: position-independent, all of it.
        run([compiler, "-shared", compiled, "-o", os.path.join(folder, "module.so"), *flags])
    print("installed, found by CMake and pkg-config, run")


if __name__ == "__main__":
    main()
