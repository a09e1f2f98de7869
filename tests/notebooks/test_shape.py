"""Every lesson has the same shape, so that a reader always knows where they are."""

import re
from statistics import median

from labkit.base import settings
from labkit.exercises import course
from labkit.lab import chapters
from tools import notebooks

MACHINE = re.compile(r"/(?:home|root|tmp|work|Users)/")
FENCE = re.compile(r"```.*?```|<details>.*?</details>|^\|.*$|`[^`]*`", re.S | re.M)
BOLD = re.compile(r"\*\*([^*]+)\*\*")
LINK = re.compile(r"\]\(([^)#]+)\)")


def words(text):
    return len(FENCE.sub("x", text).split())


def prose(lesson):
    own = [c for c in lesson.cells if c["cell_type"] == "markdown" and not c["id"].startswith("navigation")]
    return [notebooks.text_of(cell) for cell in own]


def test_the_title_cell_promises(lesson):
    heading, promise, needs, will = lesson.text("title").split("\n\n")
    assert heading == f"# {lesson.number} · {chapters.chapter(lesson.number).title}"
    assert promise.startswith("After this lesson you can ")
    found = re.fullmatch(r"About \d+ minutes · needs (\d\d|nothing) · runs on every cluster", needs)
    assert found
    assert found[1] == "nothing" or found[1] in chapters.CHAPTERS
    first, *bullets = will.splitlines()
    assert first == "You will"
    assert [b[:2] for b in bullets] == ["* ", "* ", "* "]


def test_it_sets_itself_up(lesson):
    setup, goto, *_ = lesson.codes()[0], next(c for c in lesson.codes() if "goto" in c)
    assert setup == "from labkit import Lab\n\nlab = Lab.connect()"
    assert goto == f'lab.goto("{lesson.number}")'


def test_it_ends_as_every_lesson_does(lesson):
    ids = [cell["id"] for cell in lesson.cells]
    order = ["title", "setup", "goto", "exercises", "recap", "questions", "words", "clean-up"]
    assert [id for id in ids if id in order] == order


def test_ids_are_words_and_each_is_there_once(lesson):
    ids = [cell["id"] for cell in lesson.cells]
    assert len(set(ids)) == len(ids)
    assert [id for id in ids if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", id)] == []


def test_it_has_the_length_of_a_lesson(lesson):
    assert 30 <= len(lesson.cells) <= 66


def test_a_code_cell_is_one_thought(lesson):
    lines = [[line for line in code.splitlines() if line.strip()] for code in lesson.codes()]
    assert [code for code in lines if not 1 <= len(code) <= 7] == []
    assert sum(map(len, lines)) / len(lines) <= 2.5


def test_a_text_cell_is_short(lesson):
    counts = [words(text) for text in prose(lesson)]
    assert 12 <= median(counts) <= 40
    assert max(counts) <= 90


def test_there_are_predictions_and_questions(lesson):
    assert sum("*Your guess first:*" in text for text in lesson.texts()) >= 2
    asked = lesson.text("questions")
    plain, answers = asked.split("<details>")
    assert len(re.findall(r"^\d\. .*\?$", plain, re.M)) == 5
    assert len(re.findall(r"^\d\. ", answers, re.M)) == 5


def test_every_term_is_in_the_glossary(lesson):
    glossary = BOLD.findall(lesson.text("words"))
    introduced = [term for text in prose(lesson) if not text.startswith("## Words") for term in BOLD.findall(text)]
    assert sorted(introduced) == sorted(glossary)


def test_every_exercise_of_the_lesson_is_asked_and_checked(lesson):
    wanted = [id for id in course.ALL if id.startswith(f"{lesson.number}-")]
    checked = re.findall(r'^lab\.check\("([\d-]+)"\)$', "\n".join(lesson.codes()), re.M)
    asked = re.findall(r"^### ([\d-]+) · ", "\n".join(lesson.texts()), re.M)
    assert checked == asked == wanted


def test_a_task_says_when_it_is_done(lesson):
    tasks = [text for text in lesson.texts() if text.startswith("### ")]
    assert all("Done when " in text for text in tasks)


def test_links_and_manifests_lead_somewhere(lesson):
    text = "\n".join(lesson.texts() + lesson.codes())
    named = LINK.findall(text) + re.findall(r"(manifests/[\w-]+\.yaml)", text)
    assert [n for n in named if "://" not in n and not (lesson.path.parent / n).exists()] == []


def test_outputs_are_plain_texts_that_name_no_machine(lesson):
    outputs = [output for cell in lesson.cells for output in cell.get("outputs", [])]
    assert all(list(output.get("data", {})) == ["text/plain"] for output in outputs)
    assert MACHINE.search(str(outputs)) is None


def test_checked_cells_have_an_output(lesson):
    checked = [cell for cell in lesson.cells if notebooks.CHECKED in cell["metadata"].get("tags", [])]
    assert checked
    assert all(cell["outputs"] for cell in checked)


def test_every_lesson_is_a_chapter_and_every_chapter_a_lesson():
    assert [path.name[:2] for path in notebooks.paths()] == list(chapters.CHAPTERS)


def test_every_manifest_is_used_somewhere():
    texts = [path.read_text() for path in notebooks.paths()]
    texts += [path.read_text() for path in (settings.CHECKOUT / "labkit").rglob("*.py")]
    names = [path.name for path in (notebooks.FOLDER / "manifests").iterdir()]
    assert [name for name in names if not any(name in text for text in texts)] == []


def test_every_manifest_begins_with_a_line_that_says_what_it_is_for():
    manifests = (notebooks.FOLDER / "manifests").glob("*.yaml")
    assert [path.name for path in manifests if not path.read_text().startswith("# ")] == []


MAKES = re.compile(
    r"""lab\.kubectl\(f?["'](?:kubectl )?(apply|create|run|expose)\b(?!.*(?:no-rule|shop-mesh-only)\.yaml)"""
)
DELETES = re.compile(r"""lab\.kubectl\(f?["'](?:kubectl )?delete (?!pods?\b)""")


def test_what_it_makes_carries_the_mark_of_the_kit_and_what_it_deletes_has_to(lesson):
    assert [code for code in lesson.codes() if MAKES.search(code)] == [], "lab.apply marks what it makes"
    assert [code for code in lesson.codes() if DELETES.search(code)] == [], (
        "lab.delete and lab.discard look at the mark"
    )


def test_it_restarts_and_waits_for_programs_of_the_course_alone(lesson):
    words = re.compile(
        r"rollout restart deployment(?!/| -l)|wait deployment --all(?! .*-n refresher)|wait (?!-n).*--all"
    )
    assert [code for code in lesson.codes() if words.search(code)] == []


SECRETS = re.compile(r"PRIVATE KEY|eyJ[\w-]{16,}\.eyJ")
"""A key in PEM, and a token in three parts."""


def test_no_committed_output_shows_a_key_or_a_token(lesson):
    outputs = [output for cell in lesson.cells for output in cell.get("outputs", [])]
    assert SECRETS.search(str(outputs)) is None
