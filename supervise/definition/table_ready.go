package definition

// What proves that it serves.
var readyKeys = []Key{
	{Name: "ready.workers", Type: "bool", Default: "true with a preset whose server has workers, if there is no other probe", Supported: true, Live: true,
		Doc: `The service is ready when its workers have settled: they show what their server's workers show once they have loaded their code, and have lived for min-uptime after it. A server that does the work itself, without workers, must show it in the same way. ` +
			`Without a preset the children of the main process count as workers. With false, and no other probe, it is ready when it has lived for min-uptime.`,
		set: func(d *draft, v value) { v.boolean(&d.Ready.Workers) },
		get: func(d *Definition) any { return d.Ready.Workers }},
	{Name: "ready.tcp", Type: "address", Supported: true, Live: true,
		Doc:   "The service is ready when a connection to this HOST:PORT is accepted. At a held socket that would prove nothing, and is an error.",
		Other: "tcpSocket",
		set:   func(d *draft, v value) { v.tcp(&d.Ready.TCP) },
		get:   func(d *Definition) any { return d.Ready.TCP }},
	{Name: "ready.unix", Type: "path", Supported: true, Live: true,
		Doc: "The same for a unix socket.",
		set: func(d *draft, v value) { v.unix(&d.Ready.Unix) },
		get: func(d *Definition) any { return d.Ready.Unix }},
	{Name: "ready.http", Type: "URL, or a path", Supported: true, Live: true,
		Doc: `The service is ready when it answers GET with one of ready.status. A path ("/health") is asked at the generation's own private socket, which Starman, unicorn and gunicorn get beside those of [listen]; ` +
			`else "http://HOST:PORT/health" or "http://unix:/run/web.sock:/health", but not at a held socket. Redirects are not followed.`,
		Other: "url http_get httpGet",
		set:   func(d *draft, v value) { v.http(&d.Ready.HTTP) },
		get: func(d *Definition) any {
			h := d.Ready.HTTP
			h.Host = "" // another row's
			return h
		}},
	{Name: "ready.status", Type: "string, or an integer", Default: `"200-399"`, Supported: true, Live: true,
		Doc: `Which HTTP statuses are good: "200-399", 204, "200-299,404".`,
		set: func(d *draft, v value) { v.statuses(&d.Ready.Statuses) },
		get: func(d *Definition) any { return d.Ready.Statuses }},
	{Name: "ready.headers", Type: "table of strings", Default: "{}", Supported: true, Live: true,
		Doc: "Headers of the request. Host is that of the URL unless it is given here.",
		set: func(d *draft, v value) { v.headers(&d.Ready.Headers) },
		get: func(d *Definition) any {
			host := d.Ready.HTTP.Host
			if d.Ready.HTTP.Network == "unix" && host == unixHost {
				host = ""
			}
			return []any{sortedPairs(d.Ready.Headers), host}
		}},
	{Name: "ready.exec", Type: "array, or a string", Supported: true, Live: true,
		Doc: "The service is ready when this command succeeds. It is written as command is, and runs as the service's user, in its directory and with its environment, and those of the run which is asked: GSV_GENERATION, and GSV_PRIVATE, the HOST:PORT of its private socket if it has one.",
		set: func(d *draft, v value) { v.argv(&d.Ready.Exec) },
		get: func(d *Definition) any { return d.Ready.Exec }},
	{Name: "ready.notify", Type: "bool", Default: `true with type = "notify"`, Supported: true,
		Doc:     "The service is ready when it says READY=1 on NOTIFY_SOCKET (sd_notify(3)). Only its own processes are heard; one that has ended before it could be looked at, if its user is the main process's. STATUS= is shown by status, MAINPID= names another main process of its own, EXTEND_TIMEOUT_USEC= gives it more time to start, after RELOADING=1 a hup is done with the next READY=1 (type = \"notify-reload\" waits for the RELOADING=1 too), and after WATCHDOG_USEC= the main process is aborted when it is silent for longer (WATCHDOG=1), or says WATCHDOG=trigger. The socket is abstract: a service in a network namespace of its own cannot reach it.",
		Systemd: "NotifyAccess",
		set:     func(d *draft, v value) { v.boolean(&d.Ready.Notify) },
		get:     func(d *Definition) any { return d.Ready.Notify }},
	{Name: "ready.fd", Type: "integer", Supported: true,
		Doc:   "The service is ready when it writes a newline to this descriptor, as for s6. It is above those of the held sockets, from 3 on, and at most 250.",
		Other: "notification-fd ready-notification",
		set:   func(d *draft, v value) { v.integer(&d.Ready.FD, 3, maxReadyFD) },
		get:   func(d *Definition) any { return d.Ready.FD }},
	{Name: "ready.log-line", Type: "regular expression", Supported: true, Live: true,
		Doc: "The service is ready when a line of its output matches this (RE2, anywhere in the line; of a longer one in its first 64 KiB). With reload = \"usr2\" the old process writes to the same log, and nothing tells its lines from those of its successor.",
		set: func(d *draft, v value) { v.regexp(&d.Ready.LogLine) },
		get: func(d *Definition) any { return d.Ready.LogLine }},
	{Name: "ready.interval", Type: "duration", Default: `"200ms"`, Supported: true, Live: true,
		Doc:    "From one try to the next, of tcp, unix, http and exec.",
		Pebble: "period", Other: "period_seconds periodSeconds",
		set: func(d *draft, v value) { v.duration(&d.Ready.Interval, above) },
		get: func(d *Definition) any { return d.Ready.Interval }},
	{Name: "ready.timeout", Type: "duration", Default: `"2s"`, Supported: true, Live: true,
		Doc: "How long one try may take.",
		set: func(d *draft, v value) { v.duration(&d.Ready.Timeout, above) },
		get: func(d *Definition) any { return d.Ready.Timeout }},
}
