"""The compatibility matrix for TensorFlow on Apple silicon.

``matrix.toml`` declares cells; evidence about each cell is gathered; a verdict is a pure function
of the evidence; the table, the page and the pins are renderings of verdicts.  Each arrow of that
flow is one module.  Importing this package touches neither the network nor the disk.
"""

__version__ = "0.1.0"
