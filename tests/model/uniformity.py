# SPDX-License-Identifier: BSD-3-Clause
"""Is every peer as likely to be named as any other?

Of each reply that couldn't name all, one of the peers named is drawn; its rank among those that
might have been named, in the order in which they are stored, is uniform if every peer is as likely.
Replies are independent of each other, so Pearson's chi-squared applies to the ranks, in bins, however
the peers of one reply hang together.
"""

import math

BINS = 20
DRAWS_MIN = 10 * BINS  # for fewer the approximation is bad


def p_value(chi_squared, freedom):
    """Wilson and Hilferty's approximation: the cube root of chi-squared is about normal."""
    spread = 2 / (9 * freedom)
    z = ((chi_squared / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return math.erfc(z / math.sqrt(2)) / 2


class Ranks:
    """Of peers drawn from swarms of one form."""

    def __init__(self):
        self.bins = [0] * BINS

    def add(self, rank, among, random):
        """`rank` of 0 .. among - 1; spread evenly over its share of [0, 1)."""
        self.bins[int((rank + random.random()) / among * BINS)] += 1

    @property
    def draws(self):
        return sum(self.bins)

    def p(self):
        expected = self.draws / BINS
        return p_value(sum((count - expected) ** 2 for count in self.bins) / expected, BINS - 1)
