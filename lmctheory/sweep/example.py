"""A cell function small enough for examples and tests."""


def power(seed: int, base: int, exponent: int) -> dict[str, int]:
    """Return ``base ** exponent``; there is nothing random in it."""
    return {"value": base**exponent}
