"""Writes services in Python, each with another choice of the standard library and modules of its own.

    services.py DIR COUNT

Service N is DIR/N/main.py. It prints `ready` once it has imported all, and then does nothing.
"""

import pathlib
import random
import sys

# What nearly every service imports, and what the others choose from.
COMMON = "asyncio http.server json logging sqlite3 ssl".split()
CHOICE = """
    argparse base64 collections concurrent.futures configparser contextlib csv dataclasses datetime email.message
    functools gzip hashlib hmac importlib inspect io ipaddress itertools logging.handlers mimetypes multiprocessing os
    pathlib pickle platform queue random re select shlex shutil signal socket socketserver string struct subprocess
    tempfile textwrap threading traceback typing urllib.parse urllib.request uuid warnings weakref xml.etree.ElementTree
    zipfile zlib
""".split()
OF_THE_LIBRARY, OF_ITS_OWN = 12, 6


def write(directory, chance):
    app = directory / "app"
    app.mkdir(parents=True)
    (app / "__init__.py").write_text("")
    own = [f"part{n}" for n in range(OF_ITS_OWN)]
    for name in own:
        (app / f"{name}.py").write_text(f"import {chance.choice(CHOICE)}\n\n\ndef work():\n    return {name!r}\n")
    lines = [f"import {name}" for name in COMMON + chance.sample(CHOICE, OF_THE_LIBRARY)]
    lines += [f"from app import {name}" for name in own]
    lines += ["import time", "print('ready', flush=True)", "time.sleep(1000000)", ""]
    (directory / "main.py").write_text("\n".join(lines))


def main():
    directory, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(1)  # the same services in every run
    for number in range(count):
        write(directory / str(number), chance)


main()
