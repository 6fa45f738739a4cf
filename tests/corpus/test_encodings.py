"""Encodings that lie about themselves: real Russian and English text in each, cut to every size, and damaged."""

from __future__ import annotations

import random

import pytest
from binding import as_fb2, read_bytes, refused, shared_book

from ontogeny.corpus.clean import clean
from ontogeny.corpus.encodings import decoded
from ontogeny.corpus.plausibility import plausibility
from ontogeny.corpus.selectors import ReadProblem

WHOLE = 10_000_000
RUSSIAN = ("cp1251", "koi8_r", "cp866", "mac_cyrillic", "iso8859_5", "utf-16-le", "utf-16-be", "utf-16")
SAID = (
    "Однажды, в студёную зимнюю пору, я из лесу вышел; был сильный мороз. Гляжу, поднимается медленно в гору лошадка.\n"
)


@pytest.mark.parametrize("size", [300, 4000, WHOLE])
@pytest.mark.parametrize("name", ["ruslit-istoriya", "ruslit-skazka"])
def test_russian_is_told_in_every_code_page(name, size):
    text = shared_book(name)
    for start in {0, len(text) // 3, len(text) // 2} if size < WHOLE else {0}:
        for codec in RUSSIAN:
            raw = text[start : start + size].encode(codec, "ignore")
            for language in ("ru", "en"):
                told, notes = decoded(raw, "book.txt", language)
                assert told == raw.decode(codec), (codec, language, start)
                assert [name for name, _ in notes] == ["encoding"]


@pytest.mark.parametrize("codec", ["cp1252", "latin-1", "mac_roman"])
@pytest.mark.parametrize(
    "name", ["11-alice", "2591-grimms", "37134-elements", "1228-origin", "5827-problems", "754-story"]
)
def test_english_is_told_by_a_few_letters(name, codec):
    text = shared_book(name).encode(codec, "ignore").decode(codec)
    high = [at for at, char in enumerate(text) if ord(char) > 127]
    for size in (300, 4000, WHOLE):
        middle = high[len(high) // 2] if high else 0
        part = text[max(0, middle - size // 2) :][:size] if size < WHOLE else text
        letters = [char for char in part if (ord(char) > 127 and char.isalpha()) or char in "“”‘’"]
        if len(letters) > 3:
            assert decoded(part.encode(codec), "book.txt", "en")[0] == part, size


@pytest.mark.parametrize(
    ("language", "codec", "text"),
    [
        ("pl", "cp1250", "Zażółć gęślą jaźń. Dzień dobry, miło mi państwa poznać, proszę państwa."),
        ("pl", "iso8859_2", "Zażółć gęślą jaźń. Dzień dobry, miło mi państwa poznać, proszę państwa."),
        ("de", "cp1252", "Der große König aß süße Äpfel über dem Fluß, und „das war gut“, sagte er."),
        ("fr", "mac_roman", "L’été où il naquit, la forêt était brûlée ; « c’est là », dit-elle."),
        ("tr", "cp1254", "Şimdi güneş doğdu, çocuklar bağçede ağaçların altında oynuyor, ışık vardı."),
        ("el", "cp1253", "Ελληνικά κείμενα γράφονται εδώ, και η θάλασσα είναι γαλανή."),
        ("uk", "cp1251", "Ще не вмерла України і слава, і воля, її ґанок, ще нам, браття молодії."),
        ("ja", "cp932", "日本語のテキストです。これは長い文章の一部であり、昔の人が書いた。"),
        ("zh", "gb18030", "中文文本。这是一个很长的句子，由古代的人写成，今天仍然可以读。"),
    ],
)
def test_other_languages_by_the_catalogue(language, codec, text):
    assert decoded(text.encode(codec), "book.txt", language)[0] == text


def test_clean_text_is_left_alone():
    for text in (
        "Plain.\n",
        "Naïve “café” — £5, 32°\n" * 50,
        SAID * 50,
        "Português: coração, irmã, são, â.\n" * 9,
        "日本語\n",
    ):
        assert decoded(text.encode(), "a", "en") == (text, [])
        assert decoded(b"\xef\xbb\xbf" + text.encode(), "a", "en") == (text, [])


def test_a_declaration_is_a_hint_and_no_more(tmp_path):
    page = "<html><head><meta charset='{}'></head><body><p>" + SAID + "</p></body></html>"
    for said, codec in (
        ("utf-8", "cp1251"),
        ("windows-1251", "utf-8"),
        ("windows-1251", "koi8-r"),
        ("koi8-r", "koi8-r"),
    ):
        book = read_bytes(tmp_path, "a.html", page.format(said).encode(codec), language="ru")
        assert book.text.strip() == SAID.strip()
        assert book.notes == (() if codec == "utf-8" else (("encoding", codec),))
    french = "Il était une fois une fée très âgée, qui aimait les forêts. " * 20
    for said in ("undefined", "hex", "idna", "punycode", "unicode_escape"):  # Python knows them; they are no code pages
        raw = page.format(said).replace(SAID, french).encode("cp1252")
        assert read_bytes(tmp_path, "a.html", raw, language="fr").text.split() == french.split()
    said_utf8 = as_fb2(f"<section><p>{SAID}</p></section>").decode().encode("cp1251")
    assert read_bytes(tmp_path, "a.fb2", said_utf8, language="ru").text.strip() == SAID.strip()


def test_a_few_bad_bytes_of_utf8_are_mended_and_counted():
    english = shared_book("11-alice")
    raw = english.encode().replace("“".encode(), b"\x93", 3).replace("’".encode(), b"\x92", 3)
    told, notes = decoded(raw, "a", "en")
    assert told == english and notes[0][0] == "bad_bytes" and "6 places" in notes[0][1]
    russian = SAID * 200
    broken = bytearray(russian.encode())
    rng = random.Random(5)
    for _ in range(5):
        broken[rng.randrange(len(broken))] = 0xFF
    told, notes = decoded(bytes(broken), "a", "ru")
    assert notes[0][0] == "bad_bytes" and 0 < len(russian) - len(told) < 12


@pytest.mark.parametrize("codec", ["sloppy-windows-1251", "sloppy-windows-1252", "latin-1"])
def test_text_read_wrongly_once_is_put_right(codec):
    import ftfy.bad_codecs

    assert ftfy.bad_codecs
    for text in (SAID * 20, shared_book("11-alice")[:50_000]):
        told, notes = decoded(("Untouched.\n" + text.encode().decode(codec)).encode(), "a", "ru")
        assert told == "Untouched.\n" + text
        assert [name for name, _ in notes] == ["mojibake"]


@pytest.mark.parametrize(("own", "read"), [("cp1251", "latin-1"), ("cp1251", "cp1252"), ("koi8_r", "latin-1")])
def test_another_script_read_as_latin_is_put_right(own, read):
    text = "Глава первая. " + SAID * 3 + "— «Здорово, парнище!» — «Ступай себе мимо!»\n"
    text = text.encode(own, "ignore").decode(own)
    told, notes = decoded(text.encode(own).decode(read).encode(), "a", "")
    assert told == text and notes == [("mojibake", f"{own.replace('_', '-')} that was read as {read}")]
    assert decoded(told.encode(), "a", "") == (told, [])


@pytest.mark.parametrize(
    "text",
    [
        "L’été où il naquit, la forêt était brûlée ; « c’est là », dit-elle, à l’aîné, près de l’église où l’âme rêve.",
        "Þá kvað Óðinn: Ég á ærið óhægt, þó að þér þyki það æði; hún á við ýmis óþægindi að stríða, á sjó og á á.",
        "À Á Â Ã Ä Å Æ Ç È É Ê Ë Ì Í Î Ï Ð Ñ Ò Ó Ô Õ Ö Ø Ù Ú Û Ü Ý Þ ß à á â ã ä å æ ç è é ê ë",
        "Où ? Là, à l’été.",
        "Åäö, ÅÄÖ, éèê",
        "Ãëà",
    ],
)
def test_latin_text_with_many_accents_stays(text):
    for times in (1, 50):
        assert decoded(f"{text}\n".encode() * times, "a", "") == (f"{text}\n" * times, [])


def test_line_ends_of_every_system(tmp_path):
    for end in ("\r", "\r\n", "\n"):
        raw = f"First line of it,{end}the second line.{end}{end}Next.{end}".encode("cp1252")
        book = read_bytes(tmp_path, "a.txt", raw)
        assert clean(book.text, book.markup).text.split("\n\n")[1] == "Next."


def test_bytes_that_are_no_text_are_named_with_their_place(tmp_path):
    rng = random.Random(1)
    cases = {
        b"abc\xff": "bytes ff at 3 of a.txt",
        bytes(rng.randrange(256) for _ in range(5000)): " of a.txt",
        b"Words and more words.\n" * 50 + b"\x01\x02\x03\x04" * 20: "bytes 01 02 03 04 01 02 03 04 at 1100 of a.txt",
        b"\xff\xfea\0b\0\x00\xd8a\0": "bytes 00 d8 61 00 at 4 of a.txt",
        bytes(range(0x80, 0x100)) * 4: "bytes 80 81 82 83 84 85 86 87 at 0 of a.txt",
    }
    for raw, said in cases.items():
        fault = refused(tmp_path, "a.txt", raw)
        assert said in fault.got and "UTF-8" in fault.fix


def test_nul_bytes_are_dropped_and_counted():
    told, notes = decoded(b"One\0 word, " + b"and another word, and many more. " * 100 + b"\0", "a", "en")
    assert "\0" not in told and notes == [("nul_bytes", "2 dropped")]
    with pytest.raises(ReadProblem):
        decoded(b"ab\0\0\0\0" * 100, "a", "en")


def test_plausibility_is_about_neighbours():
    assert plausibility("“Well,” said he; café, 32°, £5 — naïve", "en") > 0.8
    assert plausibility("ÒWell,Ó said he; cafŽ", "en") < 0.2 and plausibility("ascii", "en") == 0
