"""What is installed, read from the files on disk: names, versions, requirements, lists of files.

`importlib.metadata` reads whole files, however long they are, and tells nothing of a folder that it
cannot open.  Here each read has its limit, and what could not be read is a sentence.  Nothing is
imported or run.  Python 3.8 and later, with the standard library alone.
"""

import csv
import os
import re
import sys

METADATA_BYTES = 2**20  # TensorFlow's own has 6 KiB
RECORD_BYTES = 2**24  # TensorFlow's own has 1.6 MiB, in 13,000 lines

# PEP 440 without epochs and local versions, which neither TensorFlow nor Keras has ever used.
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:[._-]?(a|b|rc)(\d+))?(?:\.?post(\d+))?(?:\.?dev(\d*))?")
_CLAUSE = re.compile(r"(~=|==|!=|<=|>=|<|>)\s*([^\s,]+)")
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(\[[^]]*\])?\s*\(?([^;()]*)\)?\s*(;.*)?")
_PYTHON_MARKER = re.compile(r";\s*python_version\s*([<>=!]=|[<>])\s*['\"]([0-9.]{1,10})['\"]\s*")


class Distribution:
    """One ``*.dist-info`` folder.

    Attributes:
        site: The folder it is installed in.
        name: Its name, normalised (PEP 503); version: as it stands in METADATA.
        requires: The values of its Requires-Dist.
        problem: Why METADATA or RECORD could not be read; empty where they could.
    """

    def __init__(self, site, folder):
        self.site = site
        self.problem = ""
        self._folder = os.path.join(site, folder)
        self._files = None
        fields = self._headers()
        name, _, version = folder[: -len(".dist-info")].partition("-")
        self.name = normalised((fields.get("name") or [name])[0])
        self.version = (fields.get("version") or [version])[0]
        self.requires = fields.get("requires-dist", [])

    def __str__(self):
        return f"{self.name} {self.version}"

    @property
    def files(self):
        """The size that RECORD gives each file, None where it gives none, by the file's absolute path."""
        if self._files is None:
            self._files = {}
            text = self.read("RECORD", RECORD_BYTES)
            try:
                for row in csv.reader(text.splitlines()):
                    if row and "\0" not in row[0]:
                        size = row[2] if len(row) > 2 else ""
                        path = os.path.normpath(os.path.join(self.site, row[0]))
                        self._files[path] = int(size) if size.isdigit() and len(size) < 16 else None
            except csv.Error as error:
                self.problem = f"The file list of {self} is damaged ({error})."
        return self._files

    def requirement(self, name, python=None):
        """The specifier under which it asks for ``name`` unconditionally, or None where it does not.

        With a minor version of ``python``, also what it asks for under a marker for that alone.
        """
        for line in self.requires:
            match = _REQUIREMENT.fullmatch(line.strip())
            if match and normalised(match[1]) == name:
                marker = _PYTHON_MARKER.fullmatch(match[4]) if match[4] and python else None
                if not match[4] or (marker and satisfies(python, marker[1] + marker[2])):
                    return match[3].strip()
        return None

    def _headers(self):
        """The values of each header of METADATA, by its name in lower case."""
        found = {}
        for line in self.read("METADATA", METADATA_BYTES).splitlines():
            if not line.strip():
                break  # the description follows
            key, colon, value = line.partition(":")
            if colon and key.strip() == key:
                found.setdefault(key.lower(), []).append(value.strip()[:500])
        return found

    def read(self, name, limit):
        """The text of a file of its folder; where it cannot be read it is empty, and ``problem`` says why."""
        path = os.path.join(self._folder, name)
        if name != "METADATA" and not os.path.lexists(path):
            return ""  # conda and the packagers of systems may leave it out (PEP 627)
        try:
            # A pipe or a device would keep the check waiting for good.
            if not os.path.isfile(path):
                raise FileNotFoundError(2, "no such file")
            with open(path, "rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            self.problem = f"{name} of {os.path.basename(self._folder)} cannot be read ({error.strerror})."
            return ""
        if len(data) > limit:
            self.problem = f"{name} of {os.path.basename(self._folder)} has more than {limit >> 20} MiB."
            return ""
        return data.decode("utf-8", "replace")


def installed(folders=None):
    """The distributions in ``folders`` (of ``sys.path``), the first found first, and what cannot be read."""
    found, problems = [], []
    for site in unique(sys.path if folders is None else folders):
        names, problem = listed(site)
        problems += [problem] if problem else []
        # `~ensorflow-2.15.0.dist-info` is what pip leaves of an upgrade that was cut off: not installed.
        found += [
            Distribution(site, name) for name in names if name.endswith(".dist-info") and name[0] != "~"
        ]
    return found, problems


def listed(folder):
    """What is in ``folder``, sorted, and why it cannot be listed; neither where it is none."""
    if not os.path.isdir(folder):
        return [], ""
    try:
        return sorted(os.listdir(folder)), ""
    except OSError as error:
        return [], f"{folder} cannot be read ({error.strerror}): what is in it is not known."


def unique(folders):
    """``folders`` without those that are another name of one before."""
    return list({os.path.realpath(folder): folder for folder in reversed(folders)}.values())[::-1]


def normalised(name):
    """The one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def satisfies(version, specifier):
    """Whether ``version`` is within ``specifier`` (PEP 440); None where one of them cannot be understood."""
    have, clauses = _key(version), _CLAUSE.findall(specifier)
    rest = re.sub(r"[\s,]", "", _CLAUSE.sub("", specifier))
    if have is None or rest:
        return None
    answers = [_holds(have, operator, wanted) for operator, wanted in clauses]
    return None if None in answers else all(answers)


def _holds(have, operator, wanted):
    if wanted.endswith(".*"):
        prefix = _key(wanted[:-2])
        if prefix is None or operator not in {"==", "!="}:
            return None
        length = wanted.count(".")
        return (have[0][:length] == prefix[0][:length]) == (operator == "==")
    key = _key(wanted)
    if key is None:
        return None
    if operator == "~=":
        length = len(_VERSION.match(wanted)[1].split(".")) - 1
        return have >= key and have[0][:length] == key[0][:length] if length else None
    if operator == "<" and have[::2] == key[::2] and _is_early(have) and not _is_early(key):
        return False  # 3.0rc1 is not what `<3.0` asks for
    if operator == ">" and have[:2] == key[:2] and key[2] < 0 <= have[2]:
        return False  # nor 3.0.post1 what `>3.0` does
    return {
        "==": have == key,
        "!=": have != key,
        "<": have < key,
        "<=": have <= key,
        ">": have > key,
        ">=": have >= key,
    }[operator]


def _is_early(key):
    """Whether it is a pre-release or a development release."""
    return key[1] < _FINAL or key[3] < float("inf")


_FINAL = (3, 0)


def _key(version):
    """What orders versions: release, pre-release, post-release, development release."""
    match = _VERSION.fullmatch(version.strip().lower())
    if not match or len(version) > 50:
        return None
    numbers = tuple(map(int, match[1].split(".")))
    release = numbers + (0,) * (8 - len(numbers))
    post = int(match[4]) if match[4] else -1
    development = float("inf") if match[5] is None else int(match[5] or 0)  # `6.0.0dev` is 6.0.0.dev0
    if match[2]:
        stage = ("a", "b", "rc").index(match[2]), int(match[3])
    else:
        # 3.0.dev1 comes before 3.0a1
        stage = (-1, 0) if match[5] is not None and post < 0 else _FINAL
    return release, stage, post, development
