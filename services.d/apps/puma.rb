# Only what is inherited: no `bind`, and no pidfile.
bind_to_activated_sockets 'only'
workers 2
threads 1, 4
