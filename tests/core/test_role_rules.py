"""What stages ask of roles: an adapter that goes on keeps its shape, a journal that is rewritten has its speakers."""

from __future__ import annotations

import pytest

STAGE = "  - name: second\n    span: {books: all}\n"
KEYS = {
    "rank": ("8", "8", "4"),
    "targets": ("mlp", "'mlp'", "'attention'"),
    "layers": ("top-half", "'top-half'", "'all'"),
}


@pytest.mark.parametrize("key", KEYS)
def test_going_on_in_another_shape(project, one_fault, key):
    word, got, expected = KEYS[key]
    fault = one_fault((STAGE, f"{STAGE}    roles: {{student: {{{key}: {word}}}}}\n"))
    assert fault.what == "the adapter of 'student' cannot go on from the stage before."
    assert fault.where == f"{project.place(word, of='second')}  stages[1].roles.student.{key}"
    assert fault.got == f"{key} {got}, inherit: continue" and fault.expected == f"{expected}, as in stage 'first'"
    assert "inherit: fresh" in fault.fix and "stage 'second'" in fault.fix


def test_going_back_is_a_change_too(project, one_fault):
    fault = one_fault(("  - use: stages/first\n", "  - use: stages/first\n    roles: {critic: {rank: 2}}\n"))
    assert fault.got == "rank 4, inherit: continue" and fault.where.endswith("stages[1].roles.critic.rank")
    assert fault.where.startswith("genome.yaml:")


@pytest.mark.parametrize("change", ["rank: 8, inherit: fresh", "alpha: 16", "learning_rate: 1.0e-4", "layers: all"])
def test_what_may_change(project, change):
    project.change((STAGE, f"{STAGE}    roles: {{student: {{{change}}}}}\n"))
    project.load()


def test_by_override_and_in_the_first_stage(project, one_fault):
    assert one_fault(overrides=["stages.1.roles.student.rank=8"]).where.startswith("command line: stages.1.roles")


def test_the_first_stage_goes_on_from_nothing(project):
    project.load("roles.student.rank=2", "roles.student.layers=[0]")


def test_a_journal_is_rewritten_by_those_who_speak(project, one_fault):
    fault = one_fault((STAGE, f"{STAGE}    journal: {{replay_frac: 0.1, rewrite: true}}\n"))
    assert fault.what == "a journal is to be rewritten into scenes, and roles are wanting."
    assert fault.got == "no role teacher, reformulator" and fault.where.endswith("stages[1].journal.rewrite")


def test_a_journal_that_is_not_rewritten_needs_nobody(project):
    project.change((STAGE, f"{STAGE}    journal: {{replay_frac: 0.1}}\n"))
    project.load()
