"""What an interpreter is and where it looks for packages, as one line of JSON; run in a child process.

It is started with ``-S``, so no ``.pth`` file and no ``sitecustomize`` of a broken environment runs, and it
works out by itself what ``site`` would have made of ``sys.path``.  Nothing of the environment is imported.
Any Python from 2.7 on runs it, since too old a Python is one of the things to be found.
"""

import json
import os
import platform
import site
import sys
import sysconfig


def environment():
    """The folder of the virtual environment and the keys of its ``pyvenv.cfg``; neither where it is none."""
    here = os.path.dirname(os.path.abspath(sys.executable or ""))
    for folder in (here, os.path.dirname(here)):
        try:
            with open(os.path.join(folder, "pyvenv.cfg")) as file:
                lines = file.read(65536).splitlines()
        except (IOError, OSError, ValueError):  # two of them in Python 2.7
            continue
        pairs = (line.partition("=") for line in lines)
        return folder, {key.strip().lower(): value.strip() for key, _, value in pairs}
    return None, {}


def folders(prefix, config):
    """Where packages are looked for, in the order of ``sys.path``; and the user's own, if it is asked."""
    found = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    shared = prefix is None or config.get("include-system-site-packages") == "true"
    user = ""
    try:
        user = site.getusersitepackages()
    except Exception:  # noqa: BLE001, S110 - a Python without a home has none
        pass
    if shared and user and not os.environ.get("PYTHONNOUSERSITE"):
        found.append(user)
    prefixes = [prefix] if prefix else []
    if shared:
        prefixes += [sys.prefix, sys.exec_prefix]
    old = getattr(site, "PREFIXES", None)
    try:
        site.PREFIXES = prefixes
        found += site.getsitepackages()
    except Exception:  # noqa: BLE001 - a `site` of somebody else's
        found += [sysconfig.get_paths(vars={"base": root, "platbase": root})["purelib"] for root in prefixes]
    finally:
        site.PREFIXES = old
    if prefix:  # without `site`, Debian's Python takes an environment for a system, and names other folders
        own = os.path.join(prefix, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")
        found += [] if own in found else [own]
    return found, user


def facts():
    """What there is to say."""
    prefix, config = environment()
    found, user = folders(prefix, config)
    name = getattr(getattr(sys, "implementation", None), "name", platform.python_implementation().lower())
    return {
        "version": "%d.%d.%d" % sys.version_info[:3],
        "implementation": name,
        "machine": os.uname()[4] if hasattr(os, "uname") else platform.machine(),
        "platform": sysconfig.get_platform(),
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "executable": os.path.abspath(sys.executable or ""),
        "prefix": prefix or sys.prefix,
        "virtual": prefix is not None,
        "maker": "uv" if "uv" in config else "",
        "folders": [os.path.abspath(folder) for folder in found],
        "user_site": user,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(facts()) + "\n")
