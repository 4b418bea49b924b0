"""What is installed cannot work together: TensorFlow would abort, or be a mixture of two releases.

Two plugins: TensorFlow loads every library in `tensorflow-plugins` of each folder that it takes for
`site-packages`, and then `TF_PLUGGABLE_DEVICE_LIBRARY_PATH`.  The second one that registers the GPU
ends the process: `platform is already registered with name: "METAL"`.  Uninstall one, delete a library
that no distribution claims, or unset the variable.  From 2.20 on it looks into the user's own
`site-packages` too, from inside of any virtual environment.
Two frameworks: `tensorflow` and `tensorflow-macos` write the same folder.  At one version one of them is
an empty wheel, and all is well; at two, uninstall both and install one anew.

Only what is sure to fail fails here, since it breaks the cell: what ends the import, and code of two
releases in one folder.  What may work, and often does, is a note, for the check that fails after all to
be understood by: two versions of which one is on disk, a library that nobody claims, a Keras that
TensorFlow does not ask for (`tf-keras` counts where TF_USE_LEGACY_KERAS=1 is set; the checks run without).
"""

import os
import platform
import site
import sys
import sysconfig

from checkdists import installed, listed, satisfies
from checklib import PLUGIN_FOLDER, PLUGIN_VARIABLE, Failed, Skipped

ID = "packages"
TITLE = "No two packages stand in each other's place"
STAGE = "import"
WEIGHT = "breaks"

FRAMEWORKS = ("tensorflow", "tensorflow-macos", "tensorflow-cpu", "tensorflow-cpu-aws", "tensorflow-intel")
LIBRARY_BYTES = 2**28  # of a plugin that are looked through; tensorflow-metal's has 5 MB
CODE = (".py", ".so", ".dylib", ".pyd", ".dll")


def check(report):
    facts = report.facts
    notes = facts.setdefault("notes", [])
    found, problems = installed()
    notes += problems
    frameworks = [item for item in found if item.name in FRAMEWORKS]
    facts["frameworks"] = [str(item) for item in frameworks]
    holders = [item for item in frameworks if package_file(item) in item.files]
    source = source_of(holders)
    # What ends the import is told before what only may.
    errors = plugin_errors(facts, notes, found, source, site_folders(source))
    errors += framework_errors(notes, frameworks, holders)
    notes += keras_notes(facts, found, holders)
    notes += [item.problem for item in found if item.problem][:10]
    if errors:
        raise Failed(" ".join(errors))
    if not frameworks:
        raise Skipped("No distribution of TensorFlow is installed, as far as can be read.")


def package_file(item):
    """Where a distribution that holds TensorFlow has its package: an empty wheel has none."""
    return os.path.normpath(os.path.join(item.site, "tensorflow", "__init__.py"))


def source_of(holders):
    """The text of TensorFlow's ``__init__.py``, which is read to know where it looks; not imported."""
    for item in holders:
        try:
            with open(package_file(item), "rb") as file:
                return file.read(2**20).decode("utf-8", "replace")
        except OSError:
            continue
    return ""


# Two frameworks ----------------------------------------------------------------------------------


def framework_errors(notes, frameworks, holders):
    """What is wrong with frameworks of several versions; what may be right goes to ``notes``."""
    if len({item.version for item in frameworks}) < 2:
        return []
    named = " and ".join(map(str, frameworks))
    if len(holders) < 2:
        holds = f"it is {holders[0]} that holds the code" if holders else "none of them holds the code"
        notes.append(f"{named} are installed: {holds}. Install one version.")
        return []
    if len({item.site for item in holders}) > 1:
        notes.append(f"{named} are installed in several folders: what is imported is {holders[0]}.")
        return []
    counts = matching(holders)
    on_disk = [item for index, item in enumerate(holders) if counts[index]]
    if len(on_disk) > 1:
        mixed = " and ".join(map(str, on_disk))
        return [f"One folder holds code of {mixed}: it is no release. Uninstall both and install one."]
    kept = f"what is on disk is {on_disk[0]}" if on_disk else "which of them is on disk cannot be told"
    notes.append(f"{named} are installed in one folder: {kept}. Uninstalling either takes the other's files.")
    return []


def matching(holders):
    """For each holder, how many files of code on disk are of the size that it alone recorded."""
    counts = [0] * len(holders)
    for path in set.intersection(*(set(item.files) for item in holders)):
        sizes = [item.files[path] for item in holders]
        if not path.endswith(CODE) or None in sizes or len(set(sizes)) == 1:
            continue
        try:
            size = os.stat(path).st_size
        except OSError:
            continue
        fits = [index for index, recorded in enumerate(sizes) if recorded == size]
        if len(fits) == 1:
            counts[fits[0]] += 1
    return counts


# Two plugins -------------------------------------------------------------------------------------


def plugin_errors(facts, notes, found, source, folders):
    """What is wrong with the plugins that TensorFlow would load; what may be right goes to ``notes``."""
    errors, loaded = [], []
    for folder in folders:
        loaded += libraries(os.path.join(folder, PLUGIN_FOLDER), notes)
    claimed = claims(found + installed(folders)[0])
    for path in loaded:
        if os.path.realpath(path) not in claimed:
            notes.append(f"{path} is in no distribution's list of files: a leftover, loaded all the same.")
    variable = os.environ.get(PLUGIN_VARIABLE, "")
    if variable and PLUGIN_VARIABLE in source:
        notes.append(f"{PLUGIN_VARIABLE} is set: TensorFlow loads {variable} as well.")
        if os.path.exists(variable):
            loaded += libraries(variable, notes) if os.path.isdir(variable) else [variable]
        else:
            errors.append(f"{PLUGIN_VARIABLE} names {variable}, which does not exist: the import fails.")
    facts["plugins_loaded"] = loaded
    for_gpu = [path for path in loaded if registers_gpu(path, notes)]
    if len(for_gpu) > 1:
        paths = ", ".join(for_gpu)
        errors.insert(
            0, f"{len(for_gpu)} libraries register the GPU, and TensorFlow aborts at the second: {paths}."
        )
    return errors


def site_folders(source):
    """The folders in which TensorFlow looks for plugins, by its own rule (``tensorflow/__init__.py``).

    It takes two spellings of one folder for two, and loads what is in it twice: so they stay apart here.
    """
    folders = [folder for folder in sys.path if "site-packages" in folder]
    if site.ENABLE_USER_SITE and site.USER_SITE:
        folders.append(site.USER_SITE)
    folders += site.getsitepackages()
    folders.append(sysconfig.get_path("purelib"))
    if "get_scheme_names" in source:  # first seen in 2.20; up to 2.18 distutils is asked, for one folder
        for scheme in sysconfig.get_scheme_names():
            folders += [sysconfig.get_path(name, scheme) for name in ("purelib", "platlib")]
    return list(dict.fromkeys(folders))


def libraries(folder, notes):
    """The libraries in ``folder`` by the endings that TensorFlow goes by (``load_library.py``)."""
    names, problem = listed(folder)
    notes += [problem] if problem else []
    ending = ".dylib" if platform.system() == "Darwin" else ".so"
    return [os.path.join(folder, name) for name in names if name.endswith(ending)]


def claims(found):
    """The real paths of all files in ``tensorflow-plugins`` that a distribution's RECORD has."""
    inside = os.sep + PLUGIN_FOLDER + os.sep
    return {os.path.realpath(path) for item in found for path in item.files if inside in path}


def registers_gpu(path, notes):
    """Whether the library registers a device named GPU: the entry point's name and the device's are in it.

    A library without ``SE_InitPlugin`` registers no device (``pluggable_device_plugin_init.cc``).
    """
    wanted = {b"SE_InitPlugin\0", b"\0GPU\0"}
    before, left = b"", LIBRARY_BYTES
    try:
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            while wanted and left > 0:
                chunk = file.read(min(2**20, left))
                if not chunk:
                    break
                left -= len(chunk)
                wanted -= {name for name in wanted if name in before + chunk}
                before = chunk[-32:]
    except OSError as error:
        notes.append(f"{path} cannot be read ({error.strerror}).")
    return not wanted


# Keras -------------------------------------------------------------------------------------------


def keras_notes(facts, found, holders):
    """Sentences about a Keras that is missing, or is not the one that TensorFlow asks for."""
    by_name = {item.name: item for item in reversed(found)}
    keras, legacy = by_name.get("keras"), by_name.get("tf-keras")
    facts["keras"] = str(keras) if keras else None
    notes = []
    for framework in holders[:1]:
        asked = framework.requirement("keras")
        if asked is not None and keras is None:
            notes.append(f"{framework} asks for keras{asked}, and none is installed: tf.keras is missing.")
        elif asked and satisfies(keras.version, asked) is False:
            notes.append(f"{framework} asks for keras{asked}, and {keras} is installed.")
        wants = legacy.requirement("tensorflow") if legacy else None
        if wants and satisfies(framework.version, wants) is False:
            notes.append(
                f"{legacy} asks for tensorflow{wants}, and {framework} is installed: "
                "it fails where TF_USE_LEGACY_KERAS=1 is set."
            )
    return notes
