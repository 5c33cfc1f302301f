"""Bad samples by the commands a user types: the line, the exit code, and what stays as it was."""

import csv
from pathlib import Path

import pytest
import spoilt
from project import Project, make
from samples import encoded, image_backbone, picture

from tasks.workspace import file_hashes

pytestmark = pytest.mark.integration
MEND = "see data/colours/refused.csv, mend them and run again"
TYPO = "write each class in one way, or give those that are meant to differ other names"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of 120 good texts and five bad ones, run once."""
    project = make(tmp_path_factory.mktemp("bad"))
    with table(project).open("a") as lines:
        lines.write('"",warm\nno label,\nred number1 red,nan\n"a\x01\x02",warm\n"\x01",cold\n')
    ran = project.transfer("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (project.root / "told.txt").write_text(ran.stdout)
    return project


def table(project: Project) -> Path:
    return project.root / "texts" / "colours.csv"


def test_the_run_goes_on_and_says_how_many_and_which(project: Project) -> None:
    told = (project.root / "told.txt").read_text()
    assert "122 samples, 3 refused" in told
    assert "121 decoded, 1 refused" in told
    with (project.root / "data" / "colours" / "refused.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["stage", "name", "reason", "mend"],
            ["ingest", "colours.csv row 122", "is an empty text", "write something, or take it out"],
            ["ingest", "colours.csv row 123", "has no label", "label it, or take it out"],
            ["ingest", "colours.csv row 124", "its label is 'nan', which stands for none", "label it, or take it out"],
            ["preprocess", "colours.csv row 126", "holds no printable character", "write something, or take it out"],
        ]


def test_the_list_makes_nothing_stale(project: Project) -> None:
    (project.root / "data" / "colours" / "refused.csv").write_text("gone\n")
    assert project.stale() == {}
    assert "nothing to do" in project.transfer("run").stdout


STOPS = {
    "a typo": (
        "a new one,Warm\nand another,Warm\n",
        f"colours: labels differ only by case or blanks: 'Warm' (2) and 'warm' (61); {TYPO}; what was ingested before "
        "stays usable in data/colours/raw",
    ),
    "too many": (
        "".join(f"no label {number},\n" for number in range(40)),
        "colours: 43 of 165 samples are refused, more than ingest.refused_share 0.1 allows: colours.csv row 122 (is an "
        "empty text); colours.csv row 123 (has no label); colours.csv row 124 (its label is 'nan', which stands for "
        f"none); {MEND}",
    ),
}


@pytest.mark.parametrize("name", STOPS)
@pytest.mark.parametrize("command", [("flows.cli", "run", "colours"), ("tasks", "ingest", "colours")])
def test_what_stops_ingest_is_one_line_and_leaves_what_was_there(
    project: Project, name: str, command: tuple[str, ...]
) -> None:
    more, line = STOPS[name]
    before, good = table(project).read_bytes(), results(project)
    with table(project).open("a") as lines:
        lines.write(more)
    told = project.python("-m", *command)
    table(project).write_bytes(before)
    assert told.returncode == 1, told.stdout + told.stderr
    assert "Traceback" not in told.stderr
    assert line in " ".join((told.stdout + told.stderr).split())
    assert results(project) == good


def test_what_stops_preprocess_is_one_line_and_leaves_what_was_prepared(project: Project) -> None:
    before, good = table(project).read_bytes(), results(project)
    with table(project).open("a") as lines:
        lines.writelines(f'"{chr(code)}",warm\n' for code in [*range(2, 8), *range(14, 27)])
    told = project.transfer("run", "colours")
    table(project).write_bytes(before)
    assert told.returncode == 1, told.stdout + told.stderr
    said = " ".join((told.stdout + told.stderr).split())
    assert "colours: 20 of 141 samples are refused, preprocess.refused_share is 0.1: colours.csv row" in said
    assert f"(holds no printable character); {MEND}" in said
    left = results(project)
    assert {name: left[name] for name in left if name != "raw"} == {name: good[name] for name in good if name != "raw"}
    assert project.transfer("run", "colours").returncode == 0
    assert results(project) == good


def results(project: Project) -> dict[str, dict[str, str]]:
    """The hashes of all that the stages wrote, by folder; the page beside them tells what the last run took."""
    home = project.root / "data" / "colours"
    folders = [path for path in sorted(home.iterdir()) if path.is_dir() and path.name[0] != "."]
    return {path.name: file_hashes(path) for path in folders if path.name != "report"}


def test_pictures_of_all_kinds_by_the_command(project: Project) -> None:
    """Decoding happens in processes of their own: under the command too, without a word of theirs on the screen."""
    image_backbone(project.root / "eyes")
    for number in range(30):
        spoilt.write(project.root / "own" / "ab"[number % 2] / f"{number}.png", encoded(picture(seed=number), "PNG"))
    spoilt.write(project.root / "own" / "a" / "page.jpg", spoilt.PAGE)
    spoilt.write(project.root / "own" / "a" / "bomb.png", spoilt.bomb())
    code = """
from pathlib import Path
from tasks.modalities import reading
from tasks.schema import ImagePreprocess
told = {"across_splits": "report", "likeness": 1.0}
settings = ImagePreprocess(size=8, pixel_limit=50_000_000, shard=8, refused_share=0.5, near_duplicates=told)
with reading.decoding("image", settings, settings.model_dump(mode="json"), Path("eyes"), 2) as decode:
    reader = reading.Reader(Path("own"), decode)
    for path in sorted(Path("own").rglob("*.*")):
        row = reading.Row(0, reading.hashlib.sha256(path.read_bytes()).hexdigest(), path.name, str(path)[4:], None)
        for refusal in reader.read([row]).refused:
            print(refusal.name, refusal.reason, refusal.mend, sep=" | ")
"""
    ran = project.python("-c", code)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "bomb.png | has 25000 x 25000 pixels, more than the pixel_limit of 50000000 | make it smaller, or raise "
        "preprocess.pixel_limit",
        "page.jpg | is none of PNG, JPEG, WEBP, BMP, TIFF, GIF but an HTML page | fetch the file itself: the page may "
        "tell of an error or ask for a login",
    ]
