#!/usr/bin/env python3
"""make_recurrent.py: a recurrent layer of 1,000 LIF neurons as a plain numpy loop, for recurrent_test.cpp.

current[t] = W_in x[t] + W_back s[t-1]; v = v + (current - v) / tau; s = v >= 1; v = 0 where it fired; tau = 2. Sums
take the set inputs in ascending order, one float32 addition each. Weights and inputs: counter-based numbers, the
same function as core/rng.hpp. Prints spikes by step and the SHA-256 of all spike bytes (0 or 1, step by step).
"""
import hashlib

import numpy as np

NEURONS, INPUTS, STEPS, SEED = 1000, 200, 100, 20261130
MASK = (1 << 64) - 1


def mix(z):
    with np.errstate(over="ignore"):
        z = z + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(stream, count):
    seed = mix(np.array([SEED], np.uint64))
    bits = mix(mix(seed ^ np.uint64(stream)) ^ np.arange(count, dtype=np.uint64))
    return (bits >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def main():
    def weights(stream, inputs, middle, scale):
        values = uniform(stream, NEURONS * inputs).reshape(NEURONS, inputs)
        return (values - np.float32(middle)) * np.float32(scale)

    w_in, w_back = weights(1, INPUTS, 0.4375, 0.5), weights(2, NEURONS, 0.53125, 0.125)
    x = uniform(3, STEPS * INPUTS).reshape(STEPS, INPUTS) < np.float32(0.2)
    v, fired = np.zeros(NEURONS, np.float32), np.zeros(NEURONS, bool)
    digest, counts = hashlib.sha256(), []
    for t in range(STEPS):
        driven, back = np.zeros(NEURONS, np.float32), np.zeros(NEURONS, np.float32)
        for i in np.flatnonzero(x[t]):
            driven += w_in[:, i]
        for i in np.flatnonzero(fired):
            back += w_back[:, i]
        v = v + ((driven + back) - v) * np.float32(0.5)
        fired = v >= np.float32(1)
        v[fired] = 0
        digest.update(fired.astype(np.uint8).tobytes())
        counts.append(int(fired.sum()))
    print(*counts)
    print(digest.hexdigest())


main()
