package definition

// How it is reloaded.
var reloadKeys = []Key{
	{Name: "reload", Type: "one of", Default: `"signal"`, Supported: true, Live: true, Enum: on("signal", "replace", "usr2", "restart", "command", "none"),
		Doc: `How hup (reload) is done: "signal" sends reload-signal and proves that new workers have taken the place of the old ones; "replace" starts a new generation beside the old one, on the sockets of [listen], and tells the old one to go when the new one is ready; ` +
			`"usr2" has the server start its successor itself (unicorn, gunicorn, and nginx in the background), and tells the old one to go when the new workers are proven; "restart" stops and starts the service; "command" runs reload-command and proves the same; with "none" hup is refused.`,
		set: func(d *draft, v value) {
			pick(v, &d.Reload, BySignal, ByReplace, ByUpgrade, ByRestart, ByCommand, NoReload)
		},
		get: func(d *Definition) any { return d.Reload }},
	{Name: "reload-signal", Type: "signal name", Default: `the preset's, else "HUP"`, Supported: true, Live: true,
		Doc:     "What the main process gets for a reload.",
		Systemd: "ReloadSignal", Other: "send_hup",
		set: func(d *draft, v value) { v.catchable(&d.reloadSignal) },
		get: func(d *Definition) any { return d.Signals.Reload }},
	{Name: "reload-command", Type: "array, or a string", Supported: true, Live: true,
		Doc:     `What reload = "command" runs, as the service's user, in its directory and with its environment; written as command is.`,
		Systemd: "ExecReload",
		set:     func(d *draft, v value) { v.argv(&d.ReloadCommand) },
		get:     func(d *Definition) any { return d.ReloadCommand }},
	{Name: "reload-timeout", Type: "duration", Default: `"60s"`, Supported: true, Live: true,
		Doc: "How long new workers may take to load their code, or a new generation to be ready. Then the reload has failed.",
		set: func(d *draft, v value) { v.duration(&d.ReloadTimeout, above) },
		get: func(d *Definition) any { return d.ReloadTimeout }},
	{Name: "drain-timeout", Type: "duration", Default: `"2m"`, Supported: true, Live: true,
		Doc: `How long old workers, or an old generation, may stay once the new ones are proven: one on a busy keep-alive connection may never end by itself. Then they are ended, and named. "0s" = for ever.`,
		set: func(d *draft, v value) { v.duration(&d.DrainTimeout, zero) },
		get: func(d *Definition) any { return d.DrainTimeout }},
	{Name: "stale-release", Type: "one of", Default: `"refuse"`, Supported: true, Live: true, Enum: on("refuse", "restart", "ignore"),
		Doc: `What hup does when the server would load its code from an old release directory, because it reaches the code relative to a directory that a link no longer leads to. "restart" enters today's; "ignore" says that the directory means nothing. A replacement always enters today's.`,
		set: func(d *draft, v value) { pick(v, &d.StaleRelease, RefuseStale, RestartStale, IgnoreStale) },
		get: func(d *Definition) any { return d.StaleRelease }},
	{Name: "check-command", Type: "array, or a string; [] = none", Default: "the preset's where there is a safe one", Supported: true, Live: true,
		Doc:     `Must succeed before start, restart, hup, replace and ttin by hand do anything; if it fails, nothing is signalled. It runs as the service's user, in its directory as that is now, and with its environment. It does not run before automatic starts, nor with --no-check.`,
		Systemd: "ExecStartPre ExecCondition", Other: "pre-start before_start prestart",
		set: func(d *draft, v value) { v.check(&d.CheckCommand, &d.NoCheck) },
		get: func(d *Definition) any { return []any{d.NoCheck, d.CheckCommand} }},
	{Name: "check-timeout", Type: "duration", Default: `"30s"`, Supported: true, Live: true,
		Doc: "How long the check may take. Then it is killed and has failed.",
		set: func(d *draft, v value) { v.duration(&d.CheckTimeout, above) },
		get: func(d *Definition) any { return d.CheckTimeout }},
}
