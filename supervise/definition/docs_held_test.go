package definition

// What the reference page says of held sockets, of probes and of gsv.toml.

const heldSockets = `## Held sockets

    [listen.http]
    address = "127.0.0.1:5000"

gsv binds the sockets of a service before its first start, as gsv's own user, and holds them in two processes: over crashes, restarts, replacements and
gsv's own death. Meanwhile connections wait. They are let go when the service is stopped or fatal, and one that a changed file does not name any more when
nothing that was started with it is left; then the path of a unix socket is removed. [replace.md](replace.md) is about what that is good for.

A process gets them as descriptors 3, 4, … in the order of the file, then the private socket of its generation if its server takes one. It is told so in
the words of each kind of server. With the table above and a private socket on port 41234:

    SERVER_STARTER_PORT=127.0.0.1:5000=3;127.0.0.1:41234=4   SERVER_STARTER_GENERATION=7
    LISTEN_FDS=2   LISTEN_FDNAMES=http:private   LISTEN_PID=(its own pid)
    NGINX=3;4;   EINHORN_FD_COUNT=2   EINHORN_FD_0=3   EINHORN_FD_1=4
    FPM_SOCKETS=127.0.0.1:5000=3,127.0.0.1:41234=4

| preset | reads | private socket | to know |
|---|---|---|---|
| ` + "`starman`" + ` | SERVER_STARTER_PORT | yes | IPv4 TCP only; ` + "`--listen`, `--port`" + ` and TLS have no effect |
| ` + "`unicorn`" + ` | LISTEN_FDS | yes | ` + "`-l`" + ` and ` + "`listen`" + ` must write the address as it is here, or be left out |
| ` + "`gunicorn`" + ` | LISTEN_FDS | yes | ` + "`-b`" + ` has no effect; no USR2 |
| ` + "`puma`" + ` | LISTEN_FDS | with ` + "`--bind-to-activated-sockets only`" + ` | or a ` + "`bind`" + ` must write the same address; it closes what no bind names, and removes the path of a unix socket |
| ` + "`uwsgi`" + ` | LISTEN_FDS | with ` + "`--http-socket fd://4`" + `, the first number behind those of [listen] | write ` + "`--http-socket fd://3`" + ` for HTTP: what is not named so speaks the uwsgi protocol |
| ` + "`nginx`" + ` | NGINX | no | ` + "`listen`" + ` must write the same address: ` + "`0.0.0.0:80`" + ` here for ` + "`listen 80`" + `; it stays in the foreground, so no USR2 |
| ` + "`php-fpm`" + ` | FPM_SOCKETS | no | ` + "`listen`" + ` must write the same address; TCP only, for it removes the path of a unix socket at its end |
| ` + "`start_server` `apache`" + ` | nothing | no | they bind their own |

` + "`gsv check`" + ` warns of a command that names an address in a way that does not go with a held one. What a configuration file says is seen at the start.

`

const probesPage = `## Ready

One thing proves that a service serves; start, restart and replace wait for it. Without any it is ready when it has lived for min-uptime.

- **workers**: what a preset's server is ready by if nothing else is said. See Presets.
- **http**: GET, by a path at the private socket of the generation, or by an URL. With a held socket the path is the only way to ask the new generation
  alone.
- **tcp**, **unix**: a connection is taken. Right for a server that binds the address itself when it can serve, and that is not replaced.
- **exec**: a command of yours succeeds. It knows GSV_GENERATION, and with a private socket GSV_PRIVATE (HOST:PORT).
- **notify**: READY=1 by sd_notify(3). STATUS, MAINPID, RELOADING, STOPPING, EXTEND_TIMEOUT_USEC and WATCHDOG are understood too; what comes from other
  processes than the service's own is dropped.
- **fd**: a newline on a descriptor, s6's way: ` + "`fd = 3`" + ` for a program that has ` + "`notification-fd`" + ` 3.
- **log-line**: a line that it writes. The last resort: it says what the author meant it to say.

tcp, unix, http and exec are tried every ready.interval; the first success counts. What fails until start-timeout (in a replacement: reload-timeout) is over fails the start.

`

const settingsPage = `## gsv.toml

What holds for all services together stands in one file beside the service directory: ` + "`/etc/gsv/gsv.toml`" + ` for root, else
` + "`$XDG_CONFIG_HOME/gsv/gsv.toml`" + `, if it is there; ` + "`gsv --config FILE`" + ` (GSV_CONFIG) names another one, which must be there. It is read as
service files are, with the same care for what others could change, at gsv's start and by ` + "`gsvctl apply`" + ` and HUP. When it is bad, what it said
before goes on to hold; at gsv's start, what holds without one. ` + "`gsv check`" + ` looks at it too.

    # /etc/gsv/gsv.toml
    [log]
    max-total = "20GB"

`
