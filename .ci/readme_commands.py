"""Print the set-up commands of the README, one a line: the shell block below "## Set up"."""

import re
from pathlib import Path

readme = Path(__file__).parents[1].joinpath("README.md").read_text("utf-8")
section = readme.split("## Set up", 1)[1].split("\n## ", 1)[0]
for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL):
    print(block.strip())
