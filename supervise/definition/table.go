package definition

import (
	"slices"
	"strings"
	"syscall"
)

// What runs.
var whatKeys = []Key{
	{Name: "command", Type: "array, or a string", Default: "required", Supported: true,
		Doc: "What to run. A string is split as a shell does (quotes, backslash; a newline is a space) but no shell runs it: nothing is expanded, and an unquoted metacharacter is an error. " +
			"The first word without a slash is looked up in the service's PATH.",
		Systemd: "ExecStart Exec", Pebble: "exec", Other: "cmd run args argv program script",
		set: func(d *draft, v value) { v.command(&d.Command) },
		get: func(d *Definition) any { return d.Command }},
	{Name: "description", Type: "string", Supported: true, Live: true,
		Doc:    "One line for people.",
		Pebble: "summary", Other: "title",
		set: func(d *draft, v value) { v.line(&d.Description) },
		get: func(d *Definition) any { return d.Description }},
	{Name: "preset", Type: "one of", Default: "detected from the command where plain", Supported: true, Live: true, Enum: presetNames(),
		Doc:   "The server whose meaning of signals holds: how it is reloaded, stopped and scaled, and what proves that a worker has loaded its code. See Presets below.",
		Other: "server kind",
		set:   func(d *draft, v value) { v.enum(&d.Preset) },
		get:   func(d *Definition) any { return d.Preset }},
	{Name: "type", Type: "one of", Default: `"simple"`, Supported: true, Enum: on("simple", "notify", "notify-reload", "forking", "oneshot"),
		Doc: `A "simple" service runs until it is stopped. A "notify" one does too, and says by sd_notify that it is ready. A "notify-reload" one moreover answers a reload by RELOADING=1, which is waited for, then by READY=1, as systemd's does. A "forking" one goes into the background: when its first process has ended with success, the service is the process that pid-file names, or without one the only one that is left. ` +
			`A "oneshot" ends by itself: it is not restarted, has no start-timeout unless one is set, start runs it again unless it is running, and after success it counts as ready.`,
		set: func(d *draft, v value) { pick(v, &d.Type, Simple, Notify, NotifyReload, Forking, Oneshot) },
		get: func(d *Definition) any { return d.Type }},
	{Name: "pid-file", Type: "path", Supported: true, Live: true,
		Doc:     `Where a "forking" service, or one that replaces itself (reload = "usr2"), writes its process id. A relative path counts from working-directory. A stale one is removed before a start. By it nginx and unicorn tell that a successor has ended before it was seen.`,
		Systemd: "PIDFile", Supervisord: "pidfile", Other: "pid_file pid",
		set: func(d *draft, v value) { v.path(&d.PidFile) },
		get: func(d *Definition) any { return d.PidFile }},
	{Name: "main", Type: "bool", Default: "false", Supported: true, Live: true,
		Doc:     `gsv stops everything else and exits with this service's status when it ends. It is not restarted. Only one service can be main.`,
		Systemd: "SuccessAction FailureAction", Pebble: "on-success on-failure", Other: "exit_on_end availability",
		set: func(d *draft, v value) { v.boolean(&d.Main) },
		get: func(d *Definition) any { return d.Main }},
	{Name: "on-end", Type: "one of", Default: `"nothing"`, Supported: true, Live: true, Enum: on("nothing", "shutdown"),
		Doc: `What follows when the service has ended for good: "shutdown" stops all services and ends gsv with status 10.`,
		set: func(d *draft, v value) { pick(v, &d.OnEnd, Nothing, Shutdown) },
		get: func(d *Definition) any { return d.OnEnd }},
	{Name: "autostart", Type: "bool", Default: "true", Supported: true, Live: true,
		Doc:     "Whether gsv starts the service when it starts itself. After a crash or an upgrade of gsv what was last wanted counts.",
		Systemd: "WantedBy", Pebble: "startup", Other: "disabled enabled enable",
		set: func(d *draft, v value) { v.boolean(&d.Autostart) },
		get: func(d *Definition) any { return d.Autostart }},
	{Name: "groups", Type: "array of names", Default: "[]", Supported: true, Live: true,
		Doc:     "Names under which several services can be addressed at once: `gsvctl restart @GROUP`.",
		Systemd: "Slice", Supervisord: "programs", Other: "tags namespace",
		set: func(d *draft, v value) { v.groups(&d.Groups) },
		get: func(d *Definition) any { return d.Groups }},
}

// Who runs it, where, with what.
var whoKeys = []Key{
	{Name: "working-directory", Type: "path", Default: "gsv's", Supported: true,
		Doc:     "Where the command runs. It is resolved anew at each start, so a link to the current release may be switched below it. PWD is this path as it is written.",
		Systemd: "WorkingDirectory", Supervisord: "directory", Pebble: "working-dir", Other: "cwd chdir dir workdir working_dir",
		set: func(d *draft, v value) { v.path(&d.WorkingDirectory) },
		get: func(d *Definition) any { return d.WorkingDirectory }},
	{Name: "environment", Type: "table of strings", Default: "{}", Supported: true,
		Doc: "Variables of the service. They win over environment-files, these over PWD and the user's HOME USER LOGNAME SHELL, these over what is inherited. " +
			"Last, gsv sets GSV_SERVICE, GSV_INSTANCE, GSV_INSTANCES and GSV_GENERATION itself, and the variables of held sockets and of ready.notify.",
		Systemd: "Environment", Other: "env envs",
		set: func(d *draft, v value) { v.environment(&d.Environment) },
		get: func(d *Definition) any { return d.Environment }},
	{Name: "environment-files", Type: "array of paths", Default: "[]", Supported: true,
		Doc: "Files of NAME=VALUE lines, read anew at each start, in systemd's syntax (quotes, backslash, # and ; comments); `export ` before a name is allowed, a line without `=` is an error. " +
			"A file whose path begins with `-` may be missing. A relative path counts from working-directory.",
		Systemd: "EnvironmentFile", Other: "env_file env-file dotenv envfile",
		set: func(d *draft, v value) { v.environmentFiles(&d.EnvironmentFiles) },
		get: func(d *Definition) any { return d.EnvironmentFiles }},
	{Name: "inherit-environment", Type: "bool, or array of names", Default: "PATH LANG LC_* TZ; as PID 1 and with -- true", Supported: true,
		Doc:     "What the service gets of gsv's own environment: all, nothing, or the variables named; `*` in a name stands for any characters. NOTIFY_SOCKET, LISTEN_*, SERVER_STARTER_* and WATCHDOG_* are meant for gsv and never passed on.",
		Systemd: "PassEnvironment UnsetEnvironment", Other: "keep-env clear_env copy_env",
		set: func(d *draft, v value) { v.inherit(&d.Inherit) },
		get: func(d *Definition) any { return []any{d.Inherit.All, strings.Join(d.Inherit.Names, " ")} }},
	{Name: "user", Type: "name or id", Default: "gsv's", Supported: true,
		Doc:     "Who the command runs as. HOME, USER, LOGNAME and SHELL are set for it.",
		Systemd: "User", Pebble: "user-id", Other: "uid run-as runas",
		set: func(d *draft, v value) { v.account(&d.User) },
		get: func(d *Definition) any { return d.User }},
	{Name: "group", Type: "name or id", Default: "the user's primary group; gsv's without user", Supported: true,
		Doc:     "The group it runs as.",
		Systemd: "Group", Pebble: "group-id", Other: "gid",
		set: func(d *draft, v value) { v.account(&d.Group) },
		get: func(d *Definition) any { return d.Group }},
	{Name: "supplementary-groups", Type: "array of names or ids", Default: "the user's groups; gsv's without user", Supported: true,
		Doc:     "Its other groups, in place of the default: `[]` drops them all.",
		Systemd: "SupplementaryGroups", Other: "extra-groups",
		set: func(d *draft, v value) { v.accounts(&d.SupplementaryGroups) },
		get: func(d *Definition) any {
			return []any{strings.Join(d.SupplementaryGroups, " "), d.SupplementaryGroups == nil}
		}},
	{Name: "umask", Type: "octal string", Default: `"022"`, Supported: true,
		Doc:     "The bits that files it makes do not get.",
		Systemd: "UMask",
		set:     func(d *draft, v value) { v.octal(&d.Umask) },
		get:     func(d *Definition) any { return d.Umask }},
	{Name: "allow", Type: "table of arrays", Default: "root and gsv's own user: all", Supported: true, Live: true,
		Doc: `Who else may do what: a verb, or one of the roles "read", "operate" (every verb but kill, signal and --force) and "all", with the users and "@groups" that may: hup = ["deploy", "@ops"]. Who may hup, start or restart may leave out the check-command too (--no-check).`,
		set: func(d *draft, v value) { v.allow(&d.Allow, d.defaults.Verbs) },
		get: func(d *Definition) any { return d.Allow }},
}

// When it is started, again, and what proves it.
var whenKeys = []Key{
	{Name: "min-uptime", Type: "duration", Default: `"1s"`, Supported: true, Live: true,
		Doc:         "A run that ends sooner has failed, whatever its exit status.",
		Supervisord: "startsecs", Other: "min_uptime minUptime",
		set: func(d *draft, v value) { v.duration(&d.MinUptime, zero) },
		get: func(d *Definition) any { return d.MinUptime }},
	{Name: "start-timeout", Type: "duration", Default: `"90s"; for a oneshot "0s"`, Supported: true, Live: true,
		Doc:     `How long until it must be ready (a oneshot: ended). "0s" = as long as it takes.`,
		Systemd: "TimeoutStartSec TimeoutSec", Other: "wait_ready listen_timeout",
		set: func(d *draft, v value) { v.duration(&d.StartTimeout, zero) },
		get: func(d *Definition) any { return d.StartTimeout }},
	{Name: "restart", Type: "one of", Default: `"always"; for a oneshot and main "no"`, Supported: true, Live: true, Enum: on("always", "on-failure", "no"),
		Doc:     `When to start it again after it ended by itself. "always" means exit status 0 too; "on-failure" all ends that are not in success-exit-status.`,
		Systemd: "Restart", Supervisord: "autorestart", Other: "respawn restart-policy auto_restart keepalive KeepAlive smooth-recovery",
		set: func(d *draft, v value) { v.restart(&d.Restart) },
		get: func(d *Definition) any { return d.Restart }},
	{Name: "restart-delay", Type: "duration", Default: `"500ms"`, Supported: true, Live: true,
		Doc:     "The wait after the first failure in a row; each further one waits restart-delay-factor times as long, ±10 %. After a run of at least restart-delay-max the next start is at once.",
		Systemd: "RestartSec", Pebble: "backoff-delay", Other: "backoff_seconds backoff respawn-delay",
		set: func(d *draft, v value) { v.duration(&d.RestartDelay, zero) },
		get: func(d *Definition) any { return d.RestartDelay }},
	{Name: "restart-delay-max", Type: "duration", Default: `"30s"`, Supported: true, Live: true,
		Doc:     "No wait is longer.",
		Systemd: "RestartMaxDelaySec RestartSteps", Pebble: "backoff-limit", Other: "max_backoff",
		set: func(d *draft, v value) { v.duration(&d.RestartDelayMax, zero) },
		get: func(d *Definition) any { return d.RestartDelayMax }},
	{Name: "restart-delay-factor", Type: "number", Default: "2.0", Supported: true, Live: true,
		Doc:    "What each wait is multiplied by to get the next; at least 1.",
		Pebble: "backoff-factor", Other: "exp_backoff",
		set: func(d *draft, v value) { v.number(&d.RestartDelayFactor, 1, 1000) },
		get: func(d *Definition) any { return d.RestartDelayFactor }},
	{Name: "start-limit", Type: "integer", Default: "0", Supported: true, Live: true,
		Doc:     "After so many failures within start-limit-interval it is given up (fatal) until someone starts it. 0 = never.",
		Systemd: "StartLimitBurst", Supervisord: "startretries", Other: "max_restarts max_retry retries attempts",
		set: func(d *draft, v value) { v.integer(&d.StartLimit, 0, 1_000_000) },
		get: func(d *Definition) any { return d.StartLimit }},
	{Name: "start-limit-interval", Type: "duration", Default: `"10m"`, Supported: true, Live: true,
		Doc:     "The time within which start-limit counts.",
		Systemd: "StartLimitIntervalSec StartLimitInterval",
		set:     func(d *draft, v value) { v.duration(&d.StartLimitInterval, above) },
		get:     func(d *Definition) any { return d.StartLimitInterval }},
	{Name: "success-exit-status", Type: "array of integers and signal names", Default: "[0], and the preset's", Supported: true, Live: true,
		Doc:     "Ends that are no failure: exit statuses and signals that it ends by.",
		Systemd: "SuccessExitStatus", Supervisord: "exitcodes", Other: "success_exit_codes stop_exit_codes",
		set: func(d *draft, v value) { v.exits(&d.successExit) },
		get: func(d *Definition) any { return d.SuccessExit }},
}

// How it is stopped.
var howKeys = []Key{
	{Name: "stop-signal", Type: "signal name", Default: `the preset's, else "TERM"`, Supported: true, Live: true,
		Doc:     "The first signal of a stop.",
		Systemd: "KillSignal", Supervisord: "stopsignal", Other: "kill_signal down-signal term-signal stop_signal StopSignal",
		set: func(d *draft, v value) { v.signal(&d.stopSignal) },
		get: func(d *Definition) any { return firstStep(d).Signal }},
	{Name: "stop-timeout", Type: "duration", Default: `"30s"`, Supported: true, Live: true,
		Doc:     `How long to wait for the end after stop-signal; then comes the rest of the preset's sequence, and KILL. "0s" = no time at all.`,
		Systemd: "TimeoutStopSec", Supervisord: "stopwaitsecs", Pebble: "kill-delay", Other: "graceful_timeout kill_timeout stop_grace_period timeout-kill stop_timeout",
		set: func(d *draft, v value) { v.duration(&d.stopTimeout, zero) },
		get: func(d *Definition) any { return firstStep(d).Wait }},
	{Name: "stop-sequence", Type: "array of signal names and durations", Default: "[stop-signal, stop-timeout, …, \"KILL\"]", Supported: true, Live: true,
		Doc:     `The whole sequence, in place of stop-signal and stop-timeout: ["QUIT", "20s", "TERM", "5s", "KILL"]. KILL always comes last, written or not.`,
		Systemd: "FinalKillSignal SendSIGKILL", Other: "retry stop-retry",
		set: func(d *draft, v value) { v.stopSequence(&d.stopSequence) },
		get: func(d *Definition) any { return d.StopSequence[min(1, len(d.StopSequence)-1):] }},
	{Name: "kill-mode", Type: "one of", Default: `"mixed"`, Supported: true, Live: true, Enum: append(on("mixed", "group"), off("tree")...),
		Doc:     `"mixed": the signals go to the main process, and what outlives it gets the same signal and the time that remains, then KILL. "group": the whole process group gets each of them. Either way stopped means that nothing of the service is left.`,
		Systemd: "KillMode", Supervisord: "stopasgroup killasgroup", Other: "kill_as_group send_sigkill treekill flag-timeout-killpg",
		set: func(d *draft, v value) { pick(v, &d.KillMode, Mixed, Group) },
		get: func(d *Definition) any { return d.KillMode }},
}

func firstStep(d *Definition) StopStep {
	if len(d.StopSequence) == 0 {
		return StopStep{Signal: syscall.SIGKILL}
	}
	return d.StopSequence[0]
}

func presetNames() []Enum {
	var e []Enum
	for _, p := range presets {
		e = append(e, Enum{p.name, true})
	}
	return slices.Clip(e)
}
