"""The published wheels' libraries, how they are read, and the loader's rules over them."""
