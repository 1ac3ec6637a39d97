"""--html-dir: a page for each model and one on all, in a folder that is not ours alone."""

import re

import pytest
from command_line import run
from page_values import Page, audited, dense, table
from paths import MODELS

from regaudit.pages.models_page import pages
from regaudit.pages.page_names import INDEX, PageNames
from regaudit.report.view import View

DIGITS = MODELS / "digits-cnn.keras"
GOOD = MODELS / "regularized-cnn.keras"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    file = tmp_path_factory.mktemp("results") / "results.jsonl"
    run("inspect", DIGITS, GOOD, "--format", "jsonl", "-o", file)
    return file


def links_of(folder):
    """Return the links of each page to others, by its name; each leads to a place that is there."""
    found = {file.name: Page(file.read_text("utf-8")) for file in folder.iterdir()}
    for name, page in found.items():
        for link in page.attributes("href"):
            if link != "data:,":
                to, _, place = link.partition("#")
                assert not place or place in found[to or name].ids, (name, link)
    return {
        name: {link.partition("#")[0] for link in page.attributes("href")} - {"data:,", ""}
        for name, page in found.items()
    }


@pytest.mark.parametrize("given", ["models", "model", "results"])
def test_the_index_leads_to_each_model_and_back(given, results, tmp_path):
    what = {"models": (DIGITS, GOOD), "model": (DIGITS,), "results": ("--from", results)}[given]
    folder = tmp_path / "new" / "site"
    found = run("report", *what, "--html-dir", folder)
    assert found.exit_code == 0, found.output
    links = links_of(folder)
    names = sorted(links.keys() - {INDEX})
    assert len(names) == (1 if given == "model" else 2)
    assert links.pop(INDEX) == set(names)
    assert all(found == {INDEX} for found in links.values())
    rows = table((folder / INDEX).read_text("utf-8"), "sortable index")
    assert rows[0][0] == str(DIGITS)
    assert f"written: {folder / INDEX} and {len(names)} page" in found.stderr


def test_a_second_run_writes_the_same_and_names_what_is_left(tmp_path):
    folder = tmp_path / "site"
    run("report", DIGITS, GOOD, "--html-dir", folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    (folder / "notes.html").write_text("mine")
    again = run("report", DIGITS, "--html-dir", folder, "--html", tmp_path / "one.html")
    assert again.exit_code == 0
    left = next(name for name in before if name.startswith("") and "regularized" in name)
    assert f"{folder / left} is left of an earlier report" in again.stderr
    assert "notes.html" not in again.stderr
    same = {name for name in before if (folder / name).read_bytes() == before[name]}
    assert same == before.keys() - {INDEX}
    assert (folder / "notes.html").read_text() == "mine"
    assert not list(folder.glob(".*"))


def test_nothing_of_others_is_replaced(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / INDEX).write_text("<html>mine")
    refused = run("report", DIGITS, "--html-dir", folder)
    assert refused.exit_code == 2
    assert refused.output.splitlines()[-1].endswith("is no page of regaudit: give another folder")
    assert [file.name for file in folder.iterdir()] == [INDEX]
    (folder / INDEX).unlink()
    page = PageNames().of(str(DIGITS), 0)
    outside = tmp_path / "outside.html"
    run("report", GOOD, "--html", outside)
    before = outside.read_bytes()
    for name in (INDEX, page):
        (folder / name).symlink_to(outside)
        refused = run("report", DIGITS, "--html-dir", folder)
        assert refused.exit_code == 2
        assert "is a link" in refused.output
        assert outside.read_bytes() == before
        (folder / name).unlink()


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("-", "not standard output"),
        ("s3://a/b", "not a URL"),
        ("file", "is a file"),
        ("file/in", "is a file"),
        ("/dev/null", "is a file"),
        ("", "empty"),
    ],
)
def test_what_is_no_folder_is_refused(folder, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    refused = run("report", DIGITS, "--html-dir", folder)
    assert refused.exit_code == 2
    assert said in refused.output


def test_no_other_output_takes_the_place_of_a_page(tmp_path):
    folder = tmp_path / "site"
    page = folder / PageNames().of(str(DIGITS), 0)
    refused = run("report", DIGITS, "--html-dir", folder, "--json", page)
    assert refused.exit_code == 2
    assert f"{page.name} has the name of a page of --html-dir" in refused.output
    assert not folder.exists()


def test_a_part_of_a_model_is_no_place_for_pages(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    (tmp_path / "variables").mkdir()
    refused = run("report", DIGITS, "--html-dir", tmp_path / "variables")
    assert refused.exit_code == 2
    assert "a part of the model" in refused.output


def test_names_are_safe_and_unique_and_do_not_depend_on_others():
    files = [
        "a/b.keras", "a-b.keras", "A/b.keras", "../../etc/passwd", "CON", "x" * 500, "",
        "/", ".hidden", "-rf", "\u202e.keras", "\udcff.keras", "index.html", "a\0b", "s3://u:p@h/m",
    ]  # fmt: skip
    names = PageNames()
    made = [names.of(file, 0) for file in files]
    assert len({name.lower() for name in made}) == len(files)
    for name in made:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{,90}\.html", name)
        assert name != INDEX
    assert [PageNames().of(file, 0) for file in reversed(files)] == made[::-1]
    assert names.of("CON", 1) == made[4].replace(".html", "-2.html")
    assert names.of("CON", 0) == made[4]


def test_a_page_is_made_as_soon_as_its_report_is_there():
    asked = []

    def reports():
        for name in ("one", "two", "three"):
            asked.append(name)
            yield audited(dense("a"), file=f"{name}.keras")

    coming = pages(reports(), [], View())
    assert next(coming).name.startswith("one-keras-")
    assert asked == ["one"]
    assert [page.name for page in coming][-1] == INDEX
