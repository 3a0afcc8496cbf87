"""Axes of tensors as products of atoms, so that reshapes, permutations and heads keep their meaning.

A tensor's axes are lists of atoms: [T*N, C, H*W] is [[T, N], [C], [H, W]]. An atom can be split later
(C into heads and channels of a head) or found to be the same as another (both sides of an addition); whoever
looks at it sees the smallest parts, its leaves. Atoms that stand for the step or the sample have a role."""


class Atom:
    __slots__ = ("size", "parts", "same", "role")

    def __init__(self, size, role=None):
        self.size, self.parts, self.same, self.role = size, None, None, role


def leaves(atoms):
    """The smallest known parts, in order."""
    out = []
    for atom in atoms:
        while atom.same is not None:
            atom = atom.same
        if atom.parts is None:
            out.append(atom)
        else:
            out += leaves(atom.parts)
    return out


def flat(axes):
    return leaves([atom for axis in axes for atom in axis])


def size_of(atoms):
    size = 1
    for atom in leaves(atoms):
        size *= atom.size
    return size


def fresh(shape):
    return [[Atom(size)] if size != 1 else [] for size in shape]


def split(atom, first):
    """Into parts of `first` and the rest; both leaves."""
    atom.parts = [Atom(first, atom.role), Atom(atom.size // first, atom.role)]
    return atom.parts


def regrouped(axes, shape):
    """The axes of the same elements in another shape; None where an axis of it cuts through atoms."""
    rest = flat(axes)
    out = []
    for size in shape:
        axis, have = [], 1
        while have < size:
            if not rest:
                return None
            atom = rest.pop(0)
            want = size // have
            if size % have or (want % atom.size and atom.size % want):
                return None
            if atom.size > want:
                atom, after = split(atom, want)
                rest.insert(0, after)
            axis.append(atom)
            have *= atom.size
        out.append(axis)
    return out if not rest else None


def unify(a, b):
    """Makes the atoms of two axes of one size the same; False where they are cut differently."""
    a, b = leaves(a), leaves(b)
    while a and b:
        x, y = a.pop(0), b.pop(0)
        if x is y:
            continue
        if x.size != y.size:
            big, small, rest = (x, y, a) if x.size > y.size else (y, x, b)
            if big.size % small.size:
                return False
            first, after = split(big, small.size)
            rest.insert(0, after)
            x, y = first, small
        if x is not y:
            x.role = x.role or y.role
            y.same = x
    return not a and not b


def mark(atoms, role):
    for atom in leaves(atoms):
        atom.role = role


def plain(atoms):
    """Leaves without those of steps and samples."""
    return [atom for atom in leaves(atoms) if atom.role is None]
