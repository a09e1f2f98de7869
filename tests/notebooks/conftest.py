"""Every lesson, parsed."""

import pytest

from tools import notebooks

LESSONS = notebooks.paths()


class Lesson:
    """A notebook with its cells by id."""

    def __init__(self, path):
        self.path, self.cells = path, notebooks.read(path)["cells"]
        self.number = path.name[:2]

    def text(self, id):
        return next(notebooks.text_of(cell) for cell in self.cells if cell["id"] == id)

    def texts(self):
        return [notebooks.text_of(cell) for cell in self.cells if cell["cell_type"] == "markdown"]

    def codes(self):
        return [notebooks.text_of(cell) for cell in self.cells if cell["cell_type"] == "code"]


@pytest.fixture(params=LESSONS, ids=lambda path: path.name)
def lesson(request):
    return Lesson(request.param)
