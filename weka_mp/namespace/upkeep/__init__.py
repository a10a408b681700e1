"""Housekeeping: true ETags for files that POSIX wrote, leftovers, checks of a whole store."""
