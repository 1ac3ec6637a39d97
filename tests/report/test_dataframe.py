"""Reports and sweeps as tables of pandas and of polars: the same types whatever is in them."""

from datetime import datetime
from importlib import import_module

import pytest
from paths import MODELS
from sweep_values import all_diverged, one_kind

import regaudit
from regaudit.report import dataframe
from regaudit.report.report import Failure, Report
from regaudit.report.rows import COLUMNS

TYPES = {
    "pandas": {
        str: "string",
        int: "Int64",
        float: "float64",
        bool: "boolean",
        datetime: "datetime64[us]",
        list[str]: "object",
        list[int]: "object",
    },
    "polars": {
        str: "String",
        int: "Int64",
        float: "Float64",
        bool: "Boolean",
        datetime: "Datetime(time_unit='us', time_zone=None)",
        list[str]: "List(String)",
        list[int]: "List(Int64)",
    },
}


@pytest.fixture(params=TYPES)
def library(request, monkeypatch):
    """Let one of the two be found, by its name."""
    pytest.importorskip(request.param)

    def found(name):
        if name in TYPES and name != request.param:
            raise ImportError(name)
        return import_module(name)

    monkeypatch.setattr(dataframe, "import_module", found)
    return request.param


@pytest.fixture(scope="module")
def reports():
    failed = Report("broken.keras", failure=Failure("UnreadableModelError", "cut short"))
    known = [regaudit.audit(MODELS / f"{one}.keras") for one in ("tutorial-l2", "custom")]
    return regaudit.Reports([failed, *known])


def types(frame):
    return dict(zip(frame.columns, map(str, frame.dtypes), strict=True))


def rows(frame, file):
    """Return rows by path as plain values, with None for what is null."""
    if hasattr(frame, "to_dicts"):
        each = frame.to_dicts()
    else:
        each = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return {one["path"]: one for one in each if file in one["file"]}


def test_types_are_those_of_the_columns_whatever_is_known(library, reports):
    expected = {name: TYPES[library][kind] for name, kind in COLUMNS.items()}
    for each in (reports, regaudit.Reports([]), regaudit.Reports(reports[:1])):
        assert types(each.to_dataframe()) == expected
    assert types(one_kind().to_dataframe()) == types(all_diverged().to_dataframe())
    assert types(one_kind().to_dataframe())["effective_units"] == "Int64"


@pytest.mark.usefixtures("library")
def test_a_row_for_each_weight_and_one_for_what_could_not_be_read(reports):
    frame = reports.to_dataframe()
    assert len(frame) == 1 + 4 + 5
    kernel = rows(frame, "tutorial-l2")["dense/kernel"]
    assert (kernel["l2"], list(kernel["findings"])) == (0.01, ["REG204"])
    assert list(kernel["shape"]) == [100, 64]
    assert kernel["penalty"] == pytest.approx(reports[1].penalty)
    failed = rows(frame, "broken")[None]
    assert failed["failure"] == "cut short"
    assert failed["saved_at"] is failed["model_penalty_complete"] is failed["units"] is None


@pytest.mark.usefixtures("library")
def test_not_known_is_null_and_a_column_tells_it_from_nothing_there(reports):
    frame = reports.to_dataframe()
    bare = rows(frame, "tutorial-l2")["dense/bias"]
    unknown = rows(frame, "custom")["scaled/variable_0"]
    assert bare["regularizer"] is unknown["regularizer"] is None
    assert (bare["regularizer_known"], unknown["regularizer_known"]) == (True, False)
    assert (bare["penalty"], unknown["penalty"]) == (0.0, None)
    assert (bare["trainable"], unknown["trainable"]) == (True, None)


@pytest.mark.usefixtures("library")
def test_large_whole_numbers_stay_whole_beside_null():
    large = (1 << 62) + 1
    assert dataframe.dataframe([{"size": large}, {}], {"size": int})["size"][0] == large


def test_without_either_it_says_how(monkeypatch, reports):
    def gone(name):
        raise ImportError(name)

    monkeypatch.setattr(dataframe, "import_module", gone)
    with pytest.raises(regaudit.UsageError, match="pip install 'pandas>="):
        reports.to_dataframe()
