"""Tokenizers of at most a megabyte, each with the text of a megabyte that costs it most."""
import json
import os

SIZE = 1 << 20
ASCII = {chr(code): code - 32 for code in range(32, 127)}


def tokenizer(vocab=None, merges=(), normalizer=None, pre=None, decoder=None, added=(), **model):
    return {"added_tokens": list(added), "normalizer": normalizer, "pre_tokenizer": pre, "decoder": decoder,
            "model": {"type": "BPE", "vocab": vocab or ASCII, "merges": list(merges), **model}}


def replace(old, new):
    return {"type": "Replace", "pattern": {"String": old}, "content": new}


def chain(kind, parts):
    return {"type": "Sequence", kind: parts}


def split(pattern, behavior):
    return {"type": "Split", "pattern": {"String": pattern}, "behavior": behavior}


def added(number, text, **flags):
    return {"id": number, "content": text, **flags}


def marks(form):
    """Two runs of marks in the wrong order: sorting them by exchanges is quadratic."""
    return tokenizer(normalizer={"type": form}, unk_token="a"), "a" + "\u0301" * (SIZE // 4) + "\u0316" * (SIZE // 4 - 1)


def fans():
    """Tokens that differ behind ever longer runs of one character, before and after normalisation."""
    tokens = [added(95 + n, "a" * n + "b") for n in range(256)]
    tokens += [added(351 + n, "a" * n + "d", normalized=False) for n in range(256)]
    return tokenizer(normalizer=replace("c", "aaaa"), added=tokens), "c" * SIZE


DIGITS = {"type": "Digits", "individual_digits": False}
GROWING = replace("1", "1111")
PREFIXES = {"a" * n: n - 1 for n in range(1, 700)}
BAR = [added(95, "|", normalized=False)]

BOMBS = {
    "replace_grows": lambda: (tokenizer(normalizer=chain("normalizers", [replace("a", "aa")] * 16)), "a" * SIZE),
    "prepend_grows": lambda: (tokenizer(normalizer={"type": "Prepend", "prepend": "b" * 66}, added=BAR), "a|" * (SIZE // 2)),
    "joined_digits": lambda: (tokenizer(normalizer=GROWING, pre=chain("pretokenizers", [DIGITS] * 16)), "1" * SIZE),
    "joined_splits": lambda: (tokenizer(normalizer=GROWING, pre=chain("pretokenizers", [split("1", "MergedWithNext")] * 16)), "1" * SIZE),
    "almost_literal": lambda: (tokenizer(normalizer=replace("b", "aaaa"), pre=chain("pretokenizers", [split("a" * 255 + "b", "Isolated")] * 16)), "b" * SIZE),
    "fans_of_added": fans,
    "prefixes_added": lambda: (tokenizer(added=[added(93 + n, "a" * n) for n in range(2, 257)]), "a" * SIZE),
    "words_added": lambda: (tokenizer(added=[added(93 + n, "a" * n, single_word=True) for n in range(2, 257)]), "a" * SIZE),
    "blanks_added": lambda: (tokenizer(added=[added(95, "<x>", lstrip=True, rstrip=True)]), (" " * 1000 + "<x>") * 1040),
    "marks_nfc": lambda: marks("NFC"),
    "marks_nfkd": lambda: marks("NFKD"),
    "marks_in_added": lambda: (tokenizer(normalizer={"type": "NFC"}, added=[added(95, marks("NFC")[1])]), "a"),
    "long_form": lambda: (tokenizer(normalizer={"type": "NFKD"}, unk_token="a"), "\ufdfa" * (SIZE // 3)),
    "decoder_grows": lambda: (tokenizer({"a" * 300000: 0, "a": 1}, decoder=replace("a", "b" * 300000)), "a"),
    "decoder_moves": lambda: (tokenizer({"a" * 900000: 0, "a": 1}, decoder=chain("decoders", [replace("a", "bb")] * 15)), "a"),
    "merges_chained": lambda: (tokenizer(PREFIXES, [["a" * n, "a"] for n in range(1, 699)]), "a" * SIZE),
    "merges_of_nothing": lambda: (tokenizer({"": 0, "a": 1, "aa": 2}, [["", "a"], ["a", ""], ["", ""]]), "a" * SIZE),
    "sequences_nested": lambda: (tokenizer(normalizer=chain("normalizers", [chain("normalizers", [])] * 20000)), "a"),
    "bytes_for_all": lambda: (tokenizer({**{"<0x%02X>" % n: n for n in range(256)}, "a": 256}, byte_fallback=True), "\U0001F600" * (SIZE // 4)),
}


def make_tokenizer_bomb(path, kind):
    """tokenizer_bomb KIND: a tokenizer; its text lies beside it, in a file `text`."""
    made, text = BOMBS[kind]()
    for name, content in ((path, json.dumps(made, ensure_ascii=False)), (os.path.join(os.path.dirname(path), "text"), text)):
        with open(name, "w", encoding="utf-8", newline="") as file:
            file.write(content)
