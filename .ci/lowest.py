"""Print the lowest versions of the core dependencies, pinned, and what the tests need."""

import tomllib
from pathlib import Path

project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text("utf-8"))
for requirement in project["project"]["dependencies"]:
    print(requirement.replace(">=", "=="))
print("pytest\npytest-xdist\nhypothesis\njsonschema\npyyaml\nxmlschema")
