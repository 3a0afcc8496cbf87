#!/usr/bin/env bash
# For owners of an NVIDIA device: the tests of the CUDA backend on it, under the four tools of compute-sanitizer, and run times
# beside those of the CPU. Takes about a quarter of an hour.
# usage: tests/gpu/on_device.sh [BUILD]    BUILD: a built folder, default build/release-gpu, which is built if it is not there
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:-build/release-gpu}
if [ ! -e "$build/CMakeCache.txt" ]; then
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release
fi
cmake --build "$build" --target spikeloom test_gpu_device
spikeloom="$build/cli/spikeloom" tests="$build/tests/gpu/product/test_gpu_device"
"$spikeloom" list devices
"$spikeloom" list devices | grep -q '^cuda:0 ' || { echo "no device: nothing to test" >&2; exit 1; }

echo "== tests"
"$tests"
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck initcheck synccheck; do
    echo "== $tool"
    compute-sanitizer --tool "$tool" --error-exitcode 1 --launch-timeout 600 "$tests" "sums of spikes*,layer normalisation*,batch normalisation*,flattened*,causal attention*,positions*,the three forms*"
  done
else
  echo "compute-sanitizer is not there: no memcheck, racecheck, initcheck, synccheck" >&2
fi

echo "== networks: the same spikes, seconds"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
value() { python3 -c 'import functools, json, sys
print(functools.reduce(lambda at, key: at[key], sys.argv[2].split("."), json.load(open(sys.argv[1]))))' "$1" "$2"; }
for name in mnist digit_events spoken_spikes; do
  for batch in 1 16; do
    for device in cpu cuda:0; do
      "$spikeloom" run "experiments/$name.toml" --quiet --device "$device" --set run.batch="$batch" --set 'twin.weights=""' \
        --set trace.layers=none --set output.dir="$out/$device"
    done
    a="$out/cpu/report.json" b="$out/cuda:0/report.json"
    [ "$(value "$a" signature)" = "$(value "$b" signature)" ] || { echo "$name: signatures differ" >&2; exit 1; }
    printf '%-16s batch %-3s cpu %8.3f  cuda:0 %8.3f\n' "$name" "$batch" "$(value "$a" provenance.wall_seconds)" \
      "$(value "$b" provenance.wall_seconds)"
  done
done
