"""How to get what regaudit uses and does not bring along, however it was installed itself."""

import re
from functools import cache
from pathlib import Path

_OF = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")


def pip_install(extra: str) -> str:
    """Return the command that installs what an extra names.

    It names the packages themselves: `regaudit[extra]` would be another regaudit than one that was
    installed from a checkout or a wheel, or none.
    """
    wanted = (f"'{one}'" if re.search(r"[<>=\[]", one) else one for one in _packages(extra))
    return f"pip install {' '.join(wanted)}"


@cache
def _packages(extra: str) -> list[str]:
    from importlib.metadata import PackageNotFoundError, requires  # noqa: PLC0415 - few miss any

    try:
        found = requires("regaudit") or []
    except PackageNotFoundError:  # run in a checkout, where it is not installed
        found = []
    packages = [one.partition(";")[0].strip() for one in found if extra in _OF.findall(one)]
    return packages or _listed(extra)


def _listed(extra: str) -> list[str]:
    """Return what the checkout says that this is a part of."""
    import tomllib  # noqa: PLC0415 - as above

    file = Path(__file__).parents[1] / "pyproject.toml"
    project = tomllib.loads(file.read_text("utf-8"))["project"]
    return list(project["optional-dependencies"][extra])
