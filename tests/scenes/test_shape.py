from __future__ import annotations

from ontogeny.scenes.shape import Scene, Turn, render, render_until_repair


def make_scene(turns, language="en"):
    return Scene("s", "conflict", "physics", "primer", {}, tuple(turns), "yes", "no", (), language)


def test_plain_rendering_is_lines_and_ends_a_paragraph():
    scene = make_scene(
        [
            Turn("narrator", "plain", "It rains."),
            Turn("teacher", "question", "Why?"),
            Turn("student", "repair", "\nBecause\nit must."),
        ]
    )
    pieces = render(scene)
    assert "".join(piece.text for piece in pieces) == "It rains.\nTeacher: Why?\nStudent:\nBecause\nit must.\n\n"
    assert [(piece.span, piece.speaker, piece.turn) for piece in pieces] == [
        ("plain", "narrator", 0),
        ("plain", "narrator", 1),
        ("question", "teacher", 1),
        ("plain", "narrator", 2),
        ("repair", "student", 2),
    ]


def test_labels_follow_the_language():
    assert render(make_scene([Turn("student", "repair", "Да.")], "ru"))[0].text == "Ученик:"
    assert render(make_scene([Turn("night_guard", "repair", "Yes.")]))[0].text == "Night guard:"


def test_the_context_of_a_probe_ends_with_the_repairs_label():
    scene = make_scene(
        [
            Turn("teacher", "question", "Why?"),
            Turn("critic", "repair", "Because."),
            Turn("teacher", "reflection", "Well."),
        ]
    )
    assert render_until_repair(scene) == "Teacher: Why?\nCritic:"
