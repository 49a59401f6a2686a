"""TinyNAS: the search for networks that fit a board."""
