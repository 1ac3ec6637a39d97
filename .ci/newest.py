"""Print the newest Python at hand that pyproject.toml names, if it is newer than this one."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text("utf-8"))
named = re.findall(r"Python :: 3\.(\d+)", "\n".join(project["project"]["classifiers"]))
for minor in sorted(map(int, named), reverse=True):
    if minor <= sys.version_info.minor:
        break
    managed = Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3.{minor}")
    for python in filter(None, [shutil.which(f"python3.{minor}"), *map(str, sorted(managed))]):
        # A name that stands for no installed Python fails, and so does one without `venv`.
        tried = [python, "-c", "import ensurepip, venv"]
        if not subprocess.run(tried, capture_output=True, check=False).returncode:  # noqa: S603 - as found
            print(python)
            sys.exit()
