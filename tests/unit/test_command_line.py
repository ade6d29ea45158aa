"""What is looked at before Snakemake starts: whether its cache can be written."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ablation.config import command_line

SCRIPTS = Path(command_line.__file__).parents[2]
CALL = """
import os
from ablation.config.command_line import use_writable_cache

use_writable_cache()
print(os.environ.get("XDG_CACHE_HOME"))
"""


def cache_with(home, folder, room=resource.RLIM_INFINITY):
    """The value of XDG_CACHE_HOME with this home, where a file may have so many bytes."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SCRIPTS), "PYTHONDONTWRITEBYTECODE": "1", "HOME": home}
    result = subprocess.run(
        [sys.executable, "-c", CALL],
        cwd=folder,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.strip()


@pytest.mark.parametrize("home", ["/proc/1", "/dev/null/home"])
def test_without_a_home_to_write_to_the_cache_is_in_the_working_folder(tmp_path, home):
    assert cache_with(home, tmp_path) == str(tmp_path / ".snakemake/cache")


def test_so_it_is_with_a_full_home(tmp_path):
    assert cache_with(str(tmp_path / "home"), tmp_path, room=0) == str(tmp_path / ".snakemake/cache")


def test_else_it_stays_where_it_is(tmp_path):
    assert cache_with(str(tmp_path / "home"), tmp_path) == "None"
