"""Where the fixtures lie, for tests in any folder."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "fixtures"
CORPUS = FIXTURES / "corpus"
MODELS = FIXTURES / "models"
SCHEMAS = ROOT / "tests" / "schemas"
