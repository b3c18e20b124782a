#!/usr/bin/env python3
"""Hard strings for the tokenizer, one JSON string a line: what token_vectors.py makes tests/golden/text/many.gz of.

usage: token_strings.py CLASS_NAMES | token_vectors.py MERGES --hash | gzip -9n > many.gz
CLASS_NAMES: class_names.txt, the names of the classes of the fifteen data sets, one a line.  Seeded; needs python3-regex.  SPDX-License-Identifier: Apache-2.0
"""
import html.entities
import json
import random
import sys
import unicodedata

import regex

R = random.Random(4)
NAMES = [line.rstrip("\n") for line in open(sys.argv[1], encoding="utf-8") if line.strip()]
TEMPLATES = ["a photo of a {}.", "a photo of a {}, a type of pet.", "{} texture.", "a centered satellite photo of {}.",
             "a photo of a person doing {}.", "art of the {}.", "a {} in a video game.", "X X X X {}."]
SPACES = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2004\u200a\u2028\u2029\u202f\u205f\u3000"
MARKS = "\u0300\u0301\u0308\u0327\u0345\u0307\u20d0\u20dd\ufe0f\u05b0\u064b\u093c\u0e31\u3099"
CONTROLS = [chr(c) for c in [*range(1, 32), *range(127, 160), 0xad, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f, 0x2060, 0xfeff, 0xfffd, 0xfffe,
                             0x180e, 0x202e, 0x2066, 0xe0001, 0x10ffff]]
SUFFIXES = ["s", "t", "re", "ve", "m", "ll", "d", "S", "T", "RE", "Re", "vE", "M", "LL", "lL", "D", "st", "x", "\u017f", "r", "v", "l", ""]
SPECIAL = ["<|startoftext|>", "<|endoftext|>", "<|StartOfText|>", "<|ENDOFTEXT|>", "<|end\u017fof|>", "<|\u017ftartoftext|>", "<|startoftext|",
           "<|", "|>", "<|endoftext|>>"]
SCRIPTS = ["abcdefgh", "абвгджЖЩЪ", "αβγδΩΣσς", "אבגדהוםןף", "ابتثجحخدڤ", "我你的猫狗画车山", "ひらがなカタカナー", "한국어고양이", "ไทยแมวหมาก่้",
           "कखगमािीं्", "தமிழ்புலி", "ქართულიᲐ", "አማርኛድ", "ԱԲգդև", "ƀƁǅǄǆʰªº", "ＡＢｃｄ", "𝐀𝒃𝔠ℵ", "𐐀𐐨𐐁", "ꭰᏸᎠ"]
EMOJI = ["😀", "👍", "👩", "👨", "🧑", "🐈", "🐕", "🚀", "❤", "☃", "✈", "🏴", "👁", "🗨", "🇩🇪", "🇯🇵", "1️⃣", "#️⃣", "*⃣", "©", "™", "🫠"]
TONES = ["🏻", "🏼", "🏽", "🏾", "🏿", "", "", "\ufe0f", "\ufe0e"]


def pick(seq, n=1):
    return "".join(R.choice(seq) for _ in range(n))


def words(n):
    return " ".join(R.choice(R.choice(NAMES).split() or ["x"]) for _ in range(n))


def groups(chars, n):
    """All the characters, n a string, between letters, spaces and each other."""
    for i in range(0, len(chars), n):
        yield "".join(c + pick(["", "", "a", " ", "7", "."]) for c in chars[i:i + n])


KIND = regex.compile(r"(\s)|(\p{L})|(\p{N})|")
KINDS = [KIND.match(chr(c)).lastindex for c in range(0x110000)]


def edge(c):
    return KINDS[c] != KINDS[c - 1] or KINDS[c] != KINDS[min(c + 1, 0x10ffff)]


def everything(f):
    return [chr(c) for c in range(1, 0x110000) if not 0xd800 <= c < 0xe000 and f(c)]


def entity():
    name = R.choice(list(html.entities.html5))
    way = R.randrange(9)
    if way == 0:
        return "&#" + pick(["", "0", "00"]) + str(R.choice([R.randrange(256), R.randrange(0x3000), R.randrange(0x120000)])) + pick([";", ""])
    if way == 1:
        return "&#" + pick("xX") + "%x" % R.choice([R.randrange(256), R.randrange(0x12000), R.randrange(1 << 24)]) + pick([";", ""])
    if way == 2:
        return "&amp;" + name
    if way == 3:
        return "&" + name[:R.randrange(1, len(name) + 1)] + pick(["", ";", "x", "="])
    if way == 4:
        return "&" + name.swapcase()
    if way == 5:
        return "&amp;amp;" + pick(["amp;", "", "#38;"]) + name
    return "&" + name + pick(["", " ", "b", ";"])


def contraction():
    return pick(["cat", "DON", "It", "we", "", "7", "é", "."]) + pick(["'", "'", "'", "'", "’", "ʼ", "＇", "''", "&#39;"]) + R.choice(SUFFIXES) + \
        pick(["", " dog", "x", "'s", "!", "'"])


def sigma():
    around = ["Α", "a", "Σ", "σ", ".", "'", "\u0301", "-", " ", "·", "1", "ʰ", "\xad", "", "ª", "Ⅷ", "ⓐ", "我", "：", "^", "Ⲁ"]
    return pick(around, R.randrange(4)) + "Σ" + pick(around, R.randrange(4))


def emoji():
    return "\u200d".join(R.choice(EMOJI) + R.choice(TONES) for _ in range(R.choice([1, 1, 2, 3, 4])))


def marked():
    return "".join(pick(R.choice(SCRIPTS)) + pick(MARKS, R.choice([0, 1, 1, 2, 5])) for _ in range(R.randrange(1, 7)))


def script():
    s = R.choice(SCRIPTS)
    return pick(["", "", "\u202b", "\u200f"]) + pick(s, R.randrange(1, 9)) + pick(["", " ", "،", "。", "-"]) + pick(s, R.randrange(6))


def punctuation():
    return pick("!?.,;:-_/\\()[]{}<>|&%$#@*+=~^`\"'", R.randrange(1, 9)) + pick(["", "a", "1", " ", "…", "—", "¿", "«"])


def controls():
    return pick(["", *CONTROLS, *SPACES]) + "".join(words(1) + pick(CONTROLS + list(SPACES), R.randrange(1, 4)) for _ in range(R.randrange(1, 3)))


def turkish():
    return pick("İIıiŞşĞğ\u0307", R.randrange(1, 6)) + pick(["", "stanbul", "ĲŐǅ", "K", "Å", "ẞ"])


def digits():
    return pick(["737-200", "2012 ", "3.14", "1,000", "x2y", "½", "Ⅻ", "²", "①", "٣٤", "१२", "๙", "〇", "零", "𝟘", "𑁦", "৭", "Ⅷ", "㊿"], R.randrange(1, 4))


MAKERS = [(entity, 1500), (contraction, 500), (sigma, 500), (emoji, 400), (marked, 600), (script, 600), (punctuation, 500), (controls, 600),
          (turkish, 200), (digits, 300), (lambda: pick(["", "a", " "]) + R.choice(SPECIAL) + pick(["", "b", " c"]) + R.choice(SPECIAL), 120)]


def strings():
    for i, name in enumerate(NAMES):
        yield name
        yield TEMPLATES[0].format(name.replace("_", " "))
        yield TEMPLATES[1 + i % (len(TEMPLATES) - 1)].format(name.replace("_", " ").upper() if i % 3 else name.title())
    yield from groups(everything(lambda c: chr(c).lower() != chr(c)), 4)  # every letter that has a lower case
    yield from groups(everything(edge), 5)  # edges of the classes
    yield from groups(everything(lambda c: unicodedata.category(chr(c)) in ("Nd", "Nl", "No")), 6)
    yield from groups(everything(lambda c: c < 0x600), 5)
    for c in [*range(0xa2), 0xd7ff, 0xd800, 0xdfff, 0xfdcf, 0xfdd0, 0xfdef, 0xfdf0, 0xfffe, 0x1ffff, 0x10fffd, 0x10fffe, 0x110000, 1 << 40]:
        yield "a&#%d;b&#x%X c" % (c, c)
    for make, n in MAKERS:
        for _ in range(n):
            yield make()
    for _ in range(1500):
        yield "".join(R.choice(MAKERS)[0]() + pick(["", "", " ", "\u3000"]) for _ in range(R.randrange(2, 5)))
    for i in range(30):
        yield (words(3) + R.choice(MAKERS)[0]() + pick(["", " "])) * R.randrange(20, 200)
    yield from ["", " ", "\x1c", "&", "&#", "&#x", "&;", "'", "a" * 5000, "é" * 3000, "<|endoftext|>" * 300]


for text in dict.fromkeys(s.replace("\0", "") for s in strings()):
    print(json.dumps(text, ensure_ascii=False))
