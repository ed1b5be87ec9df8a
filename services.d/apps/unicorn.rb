# No `listen` and no `pid`: unicorn takes the sockets that it inherits, and two
# generations cannot share a pid file.
worker_processes 4
