"""The doctor: what is wrong with a TensorFlow on a Mac, how that is known, and what to type.

It runs where everything else is broken: on Python 3.8 and later, with the standard library alone, and it
never imports TensorFlow.  Facts come from two edges: `look` (an environment, by a small script run in its
interpreter, and the files of what is installed) and `text` (a traceback, as hostile text).  `signs` and
`rules` make findings of them, `diagnose` puts these in the order in which to fix them, with commands from
`remedy`; `telling` prints it.  What is said of each finding lives in ``data/diagnoses.json``, what is known
of TensorFlow's and the plugin's releases in ``data/doctor.jsonl``, which `known_write` makes of the table.
"""
