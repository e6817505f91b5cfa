"""Ready rules: each with its text, its conditions, its figure, its planted worlds and its power."""

from lmctheory.claims.rules.all_of import all_of as all_of
from lmctheory.claims.rules.change_point import change_point_at as change_point_at
from lmctheory.claims.rules.distribution import distributed_as as distributed_as
from lmctheory.claims.rules.floor import vanishes as vanishes
from lmctheory.claims.rules.means import agrees_with as agrees_with
from lmctheory.claims.rules.means import bounded_by as bounded_by
from lmctheory.claims.rules.means import ordered as ordered
from lmctheory.claims.rules.power_law import falls_as as falls_as
from lmctheory.claims.rules.rule import Rule as Rule
from lmctheory.claims.rules.shares import share_above as share_above
from lmctheory.claims.rules.shares import share_below as share_below
