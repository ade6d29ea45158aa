"""Runs `train.py` and `probe.py` in forked processes, so that a test that kills fifty of them imports torch once.

Started by `conftest.py`. Reads one JSON a line: `arguments` of the script, and `sabotage`, what befalls the process:

- `{"at": ["ablation.training.loop.evaluate", 3], "signal": 9}`: it gets the signal at its third call of that function,
  with `after` in place of `at` when that returns; with `"to": "job"`, the job gets it, of which it may be a child;
- `{"at_file_event": 5, "signal": 9}`: likewise before it opens, renames or removes a file of its run the fifth time;
- `{"memory": 100}`: it may take so many more MB of memory, and no more;
- `{"clock": -86400}`: the wall clock goes back by so many seconds a call.

Answers with the process id, and at its end with the exit status, negative for a signal.
"""

import itertools
import json
import os
import pkgutil
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path

import probe
import train

SCRIPTS = {"train.py": train, "probe.py": probe}
FILE_EVENTS = ("open", "os.rename", "os.remove")


def main():
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            run(request)
        answer(child)
        answer(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)  # Python would take torch apart, for seconds


def answer(value):
    print(json.dumps(value), flush=True)


def run(request):
    """Be the script, in a session of its own as under Snakemake; never returns."""
    os.setsid()
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.argv = request["arguments"]
    prepare(request["sabotage"], run_directory=sys.argv[sys.argv.index("--run") + 1])
    status = 1
    try:
        status = SCRIPTS[sys.argv[0]].main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code)
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(status)


def prepare(sabotage, run_directory):
    number = sabotage.get("signal")
    for moment in {"at", "after"} & sabotage.keys():
        strike_at_call(moment, *sabotage[moment], number, os.getpid() if sabotage.get("to") == "job" else None)
    if "at_file_event" in sabotage:
        strike_at_file_event(sabotage["at_file_event"], number, run_directory)
    if "memory" in sabotage:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + sabotage["memory"] * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if "clock" in sabotage:
        now = itertools.count(time.time(), sabotage["clock"])
        time.time = lambda: next(now)


def strike_at_call(moment, name, count, number, job):
    owner, _, function = name.rpartition(".")
    owner = pkgutil.resolve_name(owner)
    original, calls = getattr(owner, function), itertools.count(1)

    def struck(*arguments, **options):
        is_due = next(calls) == count
        if is_due and moment == "at":
            strike(number, job)
        result = original(*arguments, **options)
        if is_due and moment == "after":
            strike(number, job)
        return result

    setattr(owner, function, struck)


def strike(number, job):
    with suppress(ProcessLookupError):  # the job has ended
        os.kill(job or os.getpid(), number)
    if job not in (None, os.getpid()):
        time.sleep(0.2)  # so that it has, before this process goes on


def strike_at_file_event(count, number, run_directory):
    events = itertools.count(1)

    def look(event, arguments):
        if event in FILE_EVENTS and str(arguments[0]).startswith(run_directory) and next(events) == count:
            os.kill(os.getpid(), number)

    sys.addaudithook(look)


if __name__ == "__main__":
    main()
