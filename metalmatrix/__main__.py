"""``python -m metalmatrix``."""

import sys

try:
    from metalmatrix.cli import main
except ModuleNotFoundError as error:
    # Somebody runs a clone with a Python that has none of what the project needs.
    sys.exit(f"error: {error.name} is not installed\n  hint: python3 -m pip install .")

if __name__ == "__main__":
    sys.exit(main())
