#!/usr/bin/env python3
"""Reduces a bundle to what a scenario is about.

    reduce.py BUNDLE PID... >bundle.json

Keeps these processes, the objects that they have mapped and the answers about those, and numbers views and objects
anew. What tells the machine is left out: its boot id, the build of its kernel, working directories, the control groups
of single controllers.
"""
import json
import sys


def renumbered(wanted):
    return {old: new for new, old in enumerate(sorted(wanted))}


bundle = json.load(open(sys.argv[1], encoding="utf-8"))
pids = {int(pid) for pid in sys.argv[2:]}
facts, answers = bundle["facts"], bundle["answers"]

processes = [process for process in facts["processes"] if process["key"]["pid"] in pids]
assert len(processes) == len(pids), "not all of these processes are in the bundle"
objects = renumbered({use["object"] for process in processes for use in process["uses"]})
views = renumbered(
    {process["view"] for process in processes} | {facts["objects"][old]["view"] for old in objects}
)
for process in processes:
    process["view"] = views[process["view"]]
    details = process["details"]
    if details:
        details["cwd"] = "/"
    if details and isinstance(details["cgroup"], str):
        lines = details["cgroup"].splitlines(keepends=True)
        named = [line for line in lines if line.startswith("0::") or ":name=" in line]
        details["cgroup"] = "".join(named or lines)
    for use in process["uses"]:
        use["object"] = objects[use["object"]]
facts["processes"] = processes
facts["objects"] = [facts["objects"][old] for old in objects]
for one in facts["objects"]:
    one["view"] = views[one["view"]]
facts["views"] = [facts["views"][old] for old in views]
facts["problems"] = [one for one in facts["problems"] if one["pid"] is None or one["pid"] in pids]

paths = {one["path"] for one in facts["objects"] if isinstance(one["path"], str)}
answers["paths"] = {path: answer for path, answer in answers["paths"].items() if path in paths}
owners = {
    claim["name"]
    for answer in answers["paths"].values()
    if isinstance(answer, dict)
    for claim in answer.get("Owned", [])
}
answers["changes"] = [change for change in answers["changes"] if change["name"] in owners]
answers["files"] = {}

host = facts["host"]
host["boot_id"] = "00000000-0000-0000-0000-000000000000"
host["kernel"] = host["kernel"].split("-")[0]

json.dump(bundle, sys.stdout, indent=1, ensure_ascii=False)
print()
