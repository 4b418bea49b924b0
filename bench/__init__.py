"""The measurements of ``docs/performance.md``: each beside what people would use instead, in one run.

Time on one machine tells little; how two ways compare that take turns on it tells more.  So a part lets its
contestants take turns (`measure.side_by_side`), keeps every sample in ``measured.json`` with the facts of the
machine, and `page` makes the page of that file: medians, ratios, and whether the project's targets are met.
"""
