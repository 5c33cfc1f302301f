"""The page about a data set: all of it there, nothing fetched, nothing run, whatever the data is called."""

import os
import re
import shutil
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import reported
from reported import FILE, HARM, KINDS, LABELS

from flows.reporting import outdated
from tasks.errors import ReportError
from tasks.records import journal
from tasks.report import report
from tasks.reporting import charts, media, page, plane, words
from tasks.reporting.data import leaks
from tasks.reporting.gather import gather
from tasks.reporting.tracks import scale, track
from tasks.schema import AnyDataset, Config
from tasks.workspace import Workspace, read_json, write_json

VOID = {"meta", "link", "img", "br", "hr", "input", "circle", "rect", "line", "polyline"}
BLOCKS = {"div", "p", "table", "ul", "ol", "dl", "pre", "section", "figure", "blockquote", "details", "article", "h2"}
SECTIONS = ["headline", "learning", "errors", "trust", "data", "leaks", "origin", "cost", "use"]

Made = tuple[AnyDataset, Workspace]


class Reader(HTMLParser):
    """Reads a page and notes what no valid or harmless page has."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.tags: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        names = [name for name, _ in attrs]
        self.faults += [f"{tag} has {name} twice" for name in set(names) if names.count(name) > 1]
        self.faults += [f"{tag} runs {name}" for name in names if name.startswith("on")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [
            (tag, value or "") for name, value in attrs if name in ("src", "href", "srcset", "action", "data")
        ]
        self.links += [(tag, value or "") for name, value in attrs if name == "style" and "url" in (value or "")]
        if "p" in self.open and tag in BLOCKS:
            self.faults.append(f"{tag} inside p")
        if tag == "img" and not dict(attrs).get("alt"):
            self.faults.append("a picture without a text")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


def read(content: str) -> Reader:
    reader = Reader()
    reader.feed(content)
    reader.close()
    return reader


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Callable[[str], Made]:
    """Make and evaluate a data set of a kind, once; only to be read."""
    import torch

    torch.set_num_threads(1)
    shelf = tmp_path_factory.mktemp("reported")

    def make(kind: str) -> Made:
        (shelf / kind).mkdir()
        return reported.make(shelf / kind, kind, config)

    return cache(make)


@pytest.fixture
def own(made: Callable[[str], Made], tmp_path: Path) -> Callable[[str], Made]:
    """A copy of such a data set, to be spoilt."""

    def copy(kind: str) -> Made:
        params, workspace = made(kind)
        shutil.copytree(workspace.root, tmp_path / "copy")
        return params, Workspace(tmp_path / "copy", workspace.name)

    return copy


@pytest.mark.parametrize("kind", KINDS)
def test_every_section_is_there_and_the_page_is_valid(made: Callable[[str], Made], kind: str) -> None:
    content = page.render(gather(*made(kind)))
    found = read(content)
    assert found.faults == [] and found.open == []
    assert [one for one in found.ids if one in SECTIONS] == SECTIONS and len(set(found.ids)) == len(found.ids)
    assert found.text.count("\n") > 50 and "mine" in found.text
    assert "{{" not in content and "None" not in found.text and "nan" not in found.text.split()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_asked_of_another_machine(made: Callable[[str], Made], kind: str) -> None:
    content = page.render(gather(*made(kind)))
    found = read(content)
    assert all(link.startswith(("data:image/jpeg;base64,", "data:audio/flac;base64,", "#")) for _, link in found.links)
    style = content[content.index("<style>") : content.index("</style>")]
    assert "url(" not in style and "@import" not in style
    assert "default-src 'none'" in content
    assert not found.tags & {"script", "iframe", "object", "embed", "link", "base", "form"}


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_names_and_texts_are_only_text(made: Callable[[str], Made], kind: str) -> None:
    content = page.render(gather(*made(kind)))
    found = read(content)
    for harm in (HARM, FILE, *LABELS):
        assert harm not in content
    assert HARM in found.text  # the backbone's licence
    if kind in ("image", "audio"):
        assert FILE in found.text
    if kind != "regression":
        assert LABELS[0] in found.text and LABELS[1] in found.text


def test_pictures_are_shown_with_what_spoke_for_the_answer(made: Callable[[str], Made]) -> None:
    params, workspace = made("image")
    found = read(page.render(gather(params, workspace)))
    explained = read_json(workspace.evaluation / "explanations" / "explanations.json")["samples"]
    assert len(explained) == params.evaluate.explained == 4
    pictures = [link for tag, link in found.links if tag == "img"]
    assert len(pictures) >= len(explained) and "Grad-CAM" in found.text


def test_sounds_can_be_played(made: Callable[[str], Made]) -> None:
    import base64
    import io

    import soundfile

    found = read(page.render(gather(*made("audio"))))
    played = [link for tag, link in found.links if tag == "audio"]
    assert played
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(played[0].partition(",")[2])))
    assert rate == media.RATE and len(samples) == pytest.approx(0.3 * rate, rel=0.01)


def test_texts_are_marked_word_by_word(made: Callable[[str], Made]) -> None:
    params, workspace = made("text")
    content = page.render(gather(params, workspace))
    explained = read_json(workspace.evaluation / "explanations" / "explanations.json")["samples"]
    assert content.count("<mark ") == sum(len(one["words"]) for one in explained)
    assert all(
        sum(part for _, part in one["words"]) == pytest.approx(one["value"] - one["nothing"], abs=1e-3)
        for one in explained
    )


def test_values_have_a_scatter_and_no_confusion(made: Callable[[str], Made]) -> None:
    content = page.render(gather(*made("regression")))
    assert "Answers against the truth" in content and "How far answers are off" in content
    assert "Confusion matrix" not in content
    assert "A value comes without a confidence" in content


def test_what_was_refused_is_told_with_reason_and_mend(own: Callable[[str], Made]) -> None:
    params, workspace = own("image")
    before = read(page.render(gather(params, workspace))).text
    assert f"{LABELS[0]}/{FILE}.png" in before and "is none of PNG" in before
    columns = {"stage": ["ingest"], "name": [f"{FILE}.png"], "reason": ["is broken"], "mend": ["save it again as PNG"]}
    pd.DataFrame(columns).to_csv(workspace.home / "refused.csv", index=False)
    told = read(page.render(gather(params, workspace))).text
    assert "is broken" in told and "save it again as PNG" in told and "is none of PNG" not in told


def test_leaks_are_told_or_that_none_were_looked_for(own: Callable[[str], Made]) -> None:
    params, workspace = own("text")
    (workspace.evaluation / "leaks.json").unlink()
    assert "Not looked for." in page.render(gather(params, workspace))
    example = {"train": f"a {HARM}", "test": "b", "likeness": 0.95}
    one = {
        "check": "near duplicates across splits",
        "found": 3,
        "verdict": "refused",
        "said": "Three were.",
        "examples": [example],
    }
    write_json(workspace.evaluation / "leaks.json", {"looked_for": [one]})
    found = gather(params, workspace)
    assert (leaks(found) or [])[0]["examples"] == [f"train a {HARM}, test b, likeness 0.95"]
    told = read(page.render(found))
    assert "Three were." in told.text and HARM in told.text and "script" not in told.tags


@pytest.mark.parametrize("kind", KINDS)
def test_it_works_from_the_metrics_alone(own: Callable[[str], Made], kind: str) -> None:
    params, workspace = own(kind)
    for folder in (workspace.raw, workspace.prepared, workspace.features, workspace.home / "models", workspace.local):
        shutil.rmtree(folder, ignore_errors=True)
    for path in workspace.evaluation.iterdir():
        if path.name not in ("metrics.json", "explanations"):
            _ = shutil.rmtree(path) if path.is_dir() else path.unlink()  # type: ignore[func-returns-value]
    found = read(page.render(gather(params, workspace)))
    assert found.faults == [] and [one for one in found.ids if one in SECTIONS] == SECTIONS
    shutil.rmtree(workspace.evaluation / "explanations")
    assert read(page.render(gather(params, workspace))).faults == []


def test_without_an_evaluation_it_says_what_to_run(tmp_path: Path, made: Callable[[str], Made]) -> None:
    params, _ = made("text")
    with pytest.raises(ReportError, match=r"^mine: nothing is evaluated yet, .*; transfer run mine$"):
        report(params, Workspace(tmp_path, "mine"))


def test_the_same_files_give_the_same_bytes_and_one_copy_in_the_run(
    own: Callable[[str], Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    monkeypatch.setattr("tasks.records.tracking.finish", sent.append)
    params, workspace = own("image")
    assert report(params, workspace) == workspace.report
    first = (workspace.report / "report.html").read_bytes()
    report(params, workspace)
    assert (workspace.report / "report.html").read_bytes() == first
    assert [path.name for path in workspace.report.iterdir()] == ["report.html"]
    run = journal.run_of(workspace, "mine-head", workspace.model("mine-head"))
    kept = [event for event in run.of_kind("file") if event["folder"] == "report"]
    assert len(kept) == len(sent) == 1
    assert (run.folder / kept[0]["path"]).read_bytes() == first


def test_a_page_older_than_the_evaluation_is_outdated(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, "mine")
    assert not outdated(tmp_path, "mine")
    workspace.evaluation.mkdir(parents=True)
    (workspace.evaluation / "metrics.json").write_text("{}")
    assert outdated(tmp_path, "mine")
    workspace.report.mkdir()
    (workspace.report / "report.html").write_text("page")
    assert not outdated(tmp_path, "mine")
    os.utime(workspace.report / "report.html", (1, 1))
    assert outdated(tmp_path, "mine")


def test_the_page_stays_small_and_says_what_was_left_out(
    made: Callable[[str], Made], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = page.render(gather(*made("image")))
    assert "left out" not in whole
    monkeypatch.setattr(page, "ROOM", 4000)
    content = page.render(gather(*made("image")))
    assert len(content) < len(whole) and "left out, so that this page stays below 5 MB" in content
    assert read(content).faults == []


def test_many_classes_are_told_by_their_mix_ups(own: Callable[[str], Made]) -> None:
    params, workspace = own("text")
    metrics = read_json(workspace.evaluation / "metrics.json")
    labels = [f"class {number}" for number in range(60)]
    counts = np.eye(60, dtype=int) * 5
    counts[3, 7] = 4
    test = metrics["trainings"]["mine-head"]["test"]
    one = next(iter(test["classes"].values()))
    test["confusion"] = {"labels": labels, "counts": counts.tolist()}
    test["classes"] = dict.fromkeys(labels, one)
    write_json(workspace.evaluation / "metrics.json", metrics)
    found = read(page.render(gather(params, workspace)))
    assert found.faults == [] and "With 60 classes" in found.text and "44\u00a0%" in found.text
    assert "20 classes with a higher F1 left out" in found.text


GAIN = {"value": 0.046, "low": -0.021, "high": 0.113}


def test_a_gain_whose_interval_holds_zero_is_called_unclear() -> None:
    assert words.gained(GAIN, "accuracy") == "+4.6 points (\u22122.1 to +11.3)"
    assert words.side(GAIN) == "unclear" and "chance" in words.SIDES["unclear"]
    assert words.side({**GAIN, "low": 0.01}) == "better"
    assert words.side({"value": -0.3, "low": -0.4, "high": -0.1}) == "worse"
    assert words.side({"value": 0.3, "low": None, "high": None}) == "unclear"
    assert words.gained({"value": -0.3, "low": None, "high": None}, "r2") == "\u22120.300"


def test_the_headline_says_what_is_not_proven(own: Callable[[str], Made]) -> None:
    params, workspace = own("text")
    metrics = read_json(workspace.evaluation / "metrics.json")
    best = metrics["trainings"]["mine-head"]
    for gain, said in (
        (GAIN, "cannot be told from so few samples"),
        ({**GAIN, "low": 0.01}, "That is better than always"),
    ):
        best["gain_over_baseline"] = gain
        write_json(workspace.evaluation / "metrics.json", metrics)
        assert said in read(page.render(gather(params, workspace))).text
    best["gain_over_head"] = GAIN
    write_json(workspace.evaluation / "metrics.json", metrics)
    assert "that fine-tuning gained over the frozen backbone is not proven" in page.render(gather(params, workspace))


def test_bars_stand_where_their_values_are() -> None:
    shares = scale("accuracy", [])
    assert track({"value": 0.25, "low": 0.2, "high": 0.5}, shares) == {
        "from": 0,
        "wide": 25,
        "zero": 0,
        "low": 20,
        "span": 30,
    }
    values = scale("r2", [{"value": -0.25, "low": -0.5, "high": 0.1}])
    assert track({"value": 1.0, "low": None, "high": None}, values)["from"] == pytest.approx(33.33)
    assert track({"value": -0.5}, values)["from"] == 0


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.0, 1.0], [0, 0.25, 0.5, 0.75, 1]),
        ([3.0, 3.0], [2.5, 2.75, 3, 3.25, 3.5]),
        ([float("nan")], [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_axes_have_round_marks(values: list[float], ticks: list[float]) -> None:
    assert plane.axis("value", values).ticks == pytest.approx(ticks)


def test_an_axis_of_shares_never_leaves_them() -> None:
    made = plane.axis("accuracy", [0.99, 0.99], share=True)
    assert made.low >= 0 and made.high <= 1 and made.low < 0.99 <= made.high


def test_a_chart_tells_itself_and_escapes_its_label() -> None:
    drawn = charts.histogram(np.array([1.0, 2.0, 2.5]), HARM, HARM)
    assert HARM not in drawn and drawn.startswith("<svg") and "<title>" in drawn and "<desc>3 samples" in drawn
    assert len(re.findall("<rect", drawn)) == 3


def test_padded_silence_is_not_shown() -> None:
    mel = np.full((80, 100), -1.0, np.float32)
    mel[:, :31] = np.random.default_rng(0).uniform(size=(80, 31))
    parts = np.ones((16, 48), np.float32)
    shorter, fewer, share = media.without_silent_end(mel, parts)
    assert fewer is not None and fewer.shape == (16, 15) and shorter.shape[1] == 32 and share == 15 / 48
    assert media.without_silent_end(mel * 0, None)[0].shape == (80, 100)


def test_a_confidence_that_only_rounds_to_certainty_is_not_called_certain() -> None:
    assert (
        words.nearly(0.997) == "> 99\u00a0%" and words.nearly(0.98) == "98\u00a0%" and words.nearly(1.0) == "100\u00a0%"
    )


def test_numbers_are_told_as_people_read_them() -> None:
    assert words.percent(None) == "\u2013" and words.percent(0.6818) == "68.2\u00a0%"
    assert (
        words.number(1234.5) == "1,234"
        and words.number(0.00001) == "1.00e\u221205"
        and words.number(-0.5) == "\u22120.5"
    )
    assert words.duration(4000) == "1 h 6 min" and words.counted(1, "class", "classes") == "1 class"
    assert words.between({"value": 0.5, "low": 0.4, "high": 0.6}, "accuracy") == "40.0 to 60.0\u00a0%"
    longest: Any = words.shortened("a" * 50, 11)
    assert longest == "aaaaa…aaaaa"
