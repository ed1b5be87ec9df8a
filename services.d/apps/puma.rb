# No `bind`: it takes what it inherits. No pidfile.
workers 2
threads 1, 4
