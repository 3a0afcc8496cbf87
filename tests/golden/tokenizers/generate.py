"""Writes the tokenizers of this folder and what Hugging Face tokenizers 0.23.3 makes of nasty texts.

    pip install tokenizers==0.23.3
    python3 generate.py

Each tokenizer is trained on a few lines, as the models named write theirs. vectors.json holds for
every tokenizer and text the ids, without special tokens in front or behind, and the text they give.
"""

import json
import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from tokenizers import pre_tokenizers as pre
from tokenizers import processors
from tokenizers.trainers import BpeTrainer

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")

CORPUS = ["Hello world, it's the end of the story.", "They're here; we've seen them, I'll say!",
          "In 2023 there were 12345 words\n\nand 67 lines.", "  for (int i = 0; i < 10; ++i) {",
          "naïve café déjà vu", "Привет, мир! Это тест.", "你好，世界", "x = a + b  # the sum",
          "The the THE then there", "it's its it's 100 1000 10000"] * 3

TEXTS = [
    "", " ", "a", "Hello world", " Hello  world ", "   three   spaces   ", "\t\ttabs\tand\nlines\n\n\n",
    "CRLF\r\nline\r\n\r\n  indented\r\n", "\r\r\n\n\r", "   \n  \n x", "end with spaces   ",
    "it's IT'S don't DON'T we'll We'LL I'd I'D they're THEY'RE I'm I'M I've", "'s 'sx ''s ' s' 'tis rock'n'roll",
    "it\u2019s it\u017f 'S'\u017f", "12345 1 22 333 4444 1,234.56 ½²Ⅷ ٣٤٥٦ 𝟙𝟚𝟛𝟜", "a1b22c333d4444", "x=1;y=-2.5e10",
    "naïve café déjà vu", "e\u0301 a\u0308\u0323 \u0301start", "ﬁ ﷺ Å ① ｱ ㎏ x² …", "İstanbul ΑΣ ẞ ǅ Straße",
    "Привет мир это тест", "你好世界 こんにちは 안녕하세요", "שלום עולם مرحبا بالعالم", "हिन्दी ไทย ქართული",
    "\U0001F600\U0001F468\u200d\U0001F469\u200d\U0001F467 \U0001F1E9\U0001F1EA\u2764\ufe0f!!", "\u200b\ufeff\u00ad\u2060",
    "\u00a0\u2003\u3000x\u2028y\u2029z\u0085", "a\u0000b\u0001\u001f\u007f", "!!!???...---___", "(a)[b]{c}<d>", "$5 €6 £7 +x ^y `z` ~",
    "<|endoftext|>", "a<|endoftext|>b", " <|endoftext|> ", "<|endoftext|><|endoftext|>", "<|endoftext", "<s>x</s>  <mask>  y",
    "<mask>", "a<|endoftext|>   \n  x  tok    y", "a <mask> b", "<mask><mask> <mask>", "word wordy sword word. word_ éword word", "tok tokk  tok  \n tok",
    "Éa ÉA éa", "<one> <onetwo> <onetwothree>", "[INST] hi [/INST]", "<0x41> <0xE4> <unk>", "▁▁ x ▁y", "the" * 50, " the" * 50,
    " " * 100, " " * 37 + "x", "\n" * 50, "x" + " " * 20 + "\n" + " " * 20 + "y", "1" * 40, "." * 40 + "\n" * 3, "é" * 30,
    "for (int i = 0; i < 10; ++i) {\n    printf(\"%d\\n\", i);\n}\n", "https://example.org/a_b?c=d&e=f#g", "snake_case camelCase",
    "The quick brown fox\tjumps over 13 lazy dogs; it's 7 o'clock.", "mixed Привет123你好!?\r\n  ok",
]
rng = random.Random(5)
LETTERS = "aetTh'sl 19  \n\r\té.!_<|>▁界Ж\u0301½"
TEXTS += ["".join(rng.choice(LETTERS) for _ in range(60)) for _ in range(20)]


def byte_level(prefix=False, pattern=True):
    return pre.ByteLevel(add_prefix_space=prefix, use_regex=pattern)


def train(name, size=360, alphabet=True, tokens=(), model=None, **parts):
    tokenizer = Tokenizer(models.BPE(**(model or {})))
    for part, value in parts.items():
        setattr(tokenizer, part, value)
    trainer = BpeTrainer(vocab_size=size, show_progress=False,
                         initial_alphabet=pre.ByteLevel.alphabet() if alphabet else [],
                         special_tokens=[t for t in tokens if isinstance(t, str)])
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens([t for t in tokens if not isinstance(t, str)])
    return name, tokenizer


def with_model(named, text_merges=False, **settings):
    """The same with settings that training does not know; merges as older versions write them."""
    name, tokenizer = named
    root = json.loads(tokenizer.to_str())
    root["model"].update(settings)
    if text_merges:
        root["model"]["merges"] = [" ".join(pair) for pair in root["model"]["merges"]]
    return name, Tokenizer.from_str(json.dumps(root)), root


def llama2():
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    name, tokenizer = train(
        "llama2", 420, False, tokens, {"unk_token": "<unk>", "byte_fallback": True, "fuse_unk": True},
        normalizer=normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
        decoder=decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                   decoders.Strip(" ", 1, 0)]),
        post_processor=processors.TemplateProcessing("<s> $A", None, [("<s>", 1)]))
    root = json.loads(tokenizer.to_str())
    root["added_tokens"] = root["added_tokens"][:3]  # bytes are ordinary tokens
    return name, Tokenizer.from_str(json.dumps(root)), root


def tokenizers():
    level = decoders.ByteLevel()
    yield with_model(train("gpt2", tokens=["<|endoftext|>"], pre_tokenizer=byte_level(), decoder=level,
                           post_processor=processors.ByteLevel(trim_offsets=False)), text_merges=True)
    yield train("roberta", tokens=["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, special=True)],
                pre_tokenizer=byte_level(True), decoder=level,
                post_processor=processors.RobertaProcessing(("</s>", 2), ("<s>", 0)))
    yield with_model(train("llama3", 420, tokens=["<|begin_of_text|>", "<|endoftext|>"],
                           pre_tokenizer=pre.Sequence([pre.Split(Regex(LLAMA3), "isolated"), byte_level(False, False)]),
                           decoder=level, post_processor=processors.Sequence([
                               processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
                                   "<|begin_of_text|> $A", None, [("<|begin_of_text|>", 0)])])), ignore_merges=True)
    yield train("qwen2", tokens=["<|endoftext|>", "<|im_start|>"], normalizer=normalizers.NFC(),
                pre_tokenizer=pre.Sequence([pre.Split(Regex(QWEN2), "isolated"), byte_level(False, False)]),
                decoder=level)
    yield train("gpt2_by_split", tokens=["<|endoftext|>"], decoder=level,
                pre_tokenizer=pre.Sequence([pre.Split(Regex(GPT2), "removed", True), byte_level(False, False)]))
    yield train("starcoder", tokens=["<|endoftext|>"], pre_tokenizer=pre.Sequence([pre.Digits(True), byte_level()]),
                decoder=level)
    yield llama2()
    yield train("plain_letters", tokens=["<|endoftext|>"], decoder=level, pre_tokenizer=byte_level(True),
                normalizer=normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents()]))
    yield train("compatible", tokens=["<|endoftext|>"], decoder=level,
                normalizer=normalizers.Sequence([normalizers.Strip(), normalizers.NFKC(), normalizers.Replace("the", "THE")]),
                pre_tokenizer=pre.Sequence([pre.Punctuation(), pre.Digits(False), byte_level(True, False)]))
    yield train("missing_bytes", 200, False, ["<unk>"], {"unk_token": "<unk>"}, pre_tokenizer=byte_level(), decoder=level)
    yield train("dropped_bytes", 200, False, normalizer=normalizers.NFKD(), pre_tokenizer=byte_level(), decoder=level)
    yield train("characters", 200, False, ["<unk>"], {"unk_token": "<unk>"},
                pre_tokenizer=pre.Split(" ", "merged_with_next"), decoder=decoders.Fuse())
    for behavior in ("removed", "merged_with_previous", "contiguous", "isolated"):
        yield train("split_" + behavior, 300, decoder=level,
                    pre_tokenizer=pre.Sequence([pre.Split("e", behavior), byte_level(False, False)]))
    yield train("split_inverted", 300, decoder=level,
                pre_tokenizer=pre.Sequence([pre.Split("e", "removed", True), byte_level(False, False)]))
    yield train("added", tokens=[
        AddedToken("word", single_word=True), AddedToken("tok", lstrip=True, rstrip=True), AddedToken("Éa", normalized=True),
        AddedToken("<one>", normalized=False), AddedToken("<onetwo>", rstrip=True), AddedToken("  ", normalized=False),
        AddedToken("[INST]", lstrip=True, special=True), AddedToken("<|endoftext|>", rstrip=True, special=True),
        AddedToken("tokk", single_word=True, normalized=False), AddedToken("<onetwothree>")],
        normalizer=normalizers.NFD(), pre_tokenizer=byte_level(True), decoder=level)


def main():
    vectors = []
    for name, tokenizer, *root in tokenizers():
        root = root[0] if root else json.loads(tokenizer.to_str())
        with open(name + ".json", "w", encoding="utf-8") as file:
            json.dump(root, file, ensure_ascii=False, separators=(",", ":"))
        cases = []
        for text in TEXTS:
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            cases.append([ids, tokenizer.decode(ids, skip_special_tokens=False)])
        vectors.append({"name": name, "size": tokenizer.get_vocab_size(), "cases": cases})
    with open("vectors.json", "w", encoding="utf-8") as file:
        json.dump({"texts": TEXTS, "tokenizers": vectors}, file, ensure_ascii=False, separators=(",", ":"))


main()
