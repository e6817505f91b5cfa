"""Errors and warnings of the toolkit."""


class LmcError(Exception):
    """Base class of every error raised on purpose by this package."""


class InvalidInputError(LmcError, ValueError):
    """An argument is unusable; the message names it, what was expected and what came."""


class MissingDependencyError(LmcError, ImportError):
    """An optional dependency is not installed; the message gives the line that installs it."""


class CertificateError(LmcError, ValueError):
    """A certificate does not prove what it states, or has been changed; the message says where."""


class ConvergenceWarning(UserWarning):
    """A computation ended without meeting its tolerance; the result carries the details."""


class DataWarning(UserWarning):
    """Data may be meant otherwise than they were taken; the message says how they were taken, and what would say the other."""


class StoreError(LmcError, OSError):
    """A results database is damaged, foreign, or cannot be written; the message says which and what is safe."""


class SchedulerError(LmcError, ConnectionError):
    """No scheduler answers at the given address."""


class NotCertifiedError(LmcError, ArithmeticError):
    """What was to be certified could not be proved; the message says why."""
