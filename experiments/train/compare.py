"""Which images do two runs of the same weights see differently?

usage: compare.py LOGITS.npy REFERENCE.npz
LOGITS.npy is the engine's output, REFERENCE.npz what evaluate.py --out wrote. Lists every image with another
prediction, and how far from its threshold the closest membrane was on images whose logits differ at all.
"""
import sys

import numpy as np

logits, reference = np.load(sys.argv[1]), np.load(sys.argv[2])
assert logits.shape == reference["logits"].shape, (logits.shape, reference["logits"].shape)
difference = np.abs(logits - reference["logits"]).max(axis=1)
margin, labels = reference["margin"], reference["labels"]
ours, theirs = logits.argmax(axis=1), reference["predictions"]

other = difference > 1e-5
print(f"{len(ours)} images: accuracy {np.mean(ours == labels):.4%} against {np.mean(theirs == labels):.4%}")
print(f"logits within 1e-5 on {np.sum(~other)} images; on the other {np.sum(other)} the smallest |h - v_th| "
      f"is at most {margin[other].max(initial=0):.2g} (median of all images {np.median(margin):.2g})")
for i in np.nonzero(ours != theirs)[0]:
    print(f"image {i}: label {labels[i]}, engine {ours[i]}, reference {theirs[i]}, margin {margin[i]:.2g}")
