"""A sweep as JSON and back, as CSV and as Markdown."""

import csv
import io
import json

import pytest
from harmless import assert_harmless, assert_whole
from msgspec.structs import replace
from sweep_values import ALL, SETTING, all_diverged, as_it_is, change_nothing, one_kind

from regaudit.editing.request import read_edits
from regaudit.errors import UsageError
from regaudit.sweeping import document


@pytest.fixture
def written(tmp_path):
    def write(text):
        file = tmp_path / "sweep.json"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    return write


@pytest.mark.parametrize("name", ALL)
def test_a_document_is_read_back_as_it_was(name, written):
    text = document.to_json(ALL[name]())
    assert document.to_json(document.read_sweep(written(text))) == text


def test_all_but_what_is_live_comes_back(written):
    sweep = one_kind()
    assert document.read_sweep(written(document.to_json(replace(sweep, model=1)))) == sweep


def test_numbers_that_are_not_finite_are_null():
    text = document.to_json(all_diverged())
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["candidates"][1]["curve"][1]["val_loss"] is None


def test_apply_takes_the_edits_of_the_chosen_one(written):
    assert read_edits(written(document.to_json(one_kind()))) == one_kind().edits
    assert read_edits(written(document.to_json(change_nothing()))) == ()


def test_a_name_that_is_no_unicode_is_escaped(written):
    sweep = replace(one_kind(), setting=replace(SETTING, file="a\udcff.keras"))
    assert document.read_sweep(written(document.to_json(sweep))).setting.file == "a\\udcff.keras"


def changed(change):
    content = json.loads(document.to_json(one_kind()))
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not valid JSON"),
        ("{", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ("[]", 'it has not the schema "regaudit.sweep/1"'),
        ('{"schema": "regaudit/1", "reports": []}', "it has not the schema"),
        ('{"schema": "regaudit.sweep/1"}', "missing required field"),
        (changed(lambda c: c.update(chosen="x")), "the chosen candidate is not among"),
        (changed(lambda c: c.update(candidates=[])), "the chosen candidate is not among"),
        (changed(lambda c: c.update(candidates={})), "Expected `array`"),
        (changed(lambda c: c["candidates"].append(c["candidates"][0])), "have the same name"),
        (changed(lambda c: c["candidates"][1].update(val_loss="0.1")), "candidates[1].val_loss"),
        (changed(lambda c: c["candidates"][1].update(epochs=-1)), "negative"),
        (changed(lambda c: c["candidates"][1].update(kind="l3")), "l3"),
        (changed(lambda c: c["candidates"][1].update(curve=[1])), "curve"),
        (changed(lambda c: c["candidates"][1].update(curve=[{"epoch": 1}])), "train_loss"),
        (changed(lambda c: c["setting"].pop("seed")), "seed"),
        (document.to_json(one_kind()).replace("0.312", "NaN"), "is not valid JSON"),
        (document.to_json(one_kind()).replace("0.312", "9" * 5000), "is not"),
    ],
)
def test_what_is_no_sweep_is_refused_in_one_line(text, said, written):
    with pytest.raises(UsageError) as caught:
        document.read_sweep(written(text))
    assert said in str(caught.value)
    assert "sweep.json" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_file_that_is_missing_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"none\.json cannot be read: No such file"):
        document.read_sweep(tmp_path / "none.json")


def test_csv_has_a_row_for_each_candidate():
    rows = list(csv.DictReader(io.StringIO(document.to_csv(one_kind()))))
    assert [row["name"] for row in rows] == [one.name for one in one_kind().candidates]
    assert [row["name"] for row in rows if row["chosen"] == "True"] == ["l2 x4"]
    assert float(rows[0]["gap"]) == pytest.approx(0.3)


def test_markdown_has_verdict_table_and_setting():
    text = document.to_markdown(one_kind())
    assert "**4 times the suggestion" in text
    assert "| l2 x4      | chosen" in text
    assert "- Validation data: 300 samples, 20% of the one data set" in text


@pytest.mark.parametrize("format_", ["json", "csv", "markdown"])
@pytest.mark.parametrize("name", ALL)
def test_nothing_of_a_name_is_acted_on(format_, name):
    text = getattr(document, f"to_{format_}")(ALL[name]())
    assert_harmless((), text)
    assert_whole(format_, text)


def test_a_data_frame_has_a_row_for_each_candidate():
    pytest.importorskip("pandas")
    frame = one_kind().to_dataframe()
    assert frame.loc["l2 x4", "val_loss"] == 0.271
    assert frame["chosen"].sum() == 1


def test_without_pandas_it_says_so(monkeypatch):
    for name in ("pandas", "polars"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(UsageError, match="pip install 'pandas>="):
        one_kind().to_dataframe()


def test_the_gap_is_not_known_without_a_loss():
    assert as_it_is(train_loss=None).row["gap"] is None
