from regaudit.report.glossary import explained


def test_terms_that_a_text_uses_are_explained_once():
    text = "no regularizer in\n  force, and 5% of the chance loss; in force"
    assert [line.partition(":")[0] for line in explained(text)] == ["in force", "chance loss"]


def test_what_is_not_used_is_not_explained():
    assert list(explained("nothing regularizes kernel/enforce")) == []
