package definition

import "path/filepath"

// pidFile makes the path of the pid file absolute.
func (d *draft) pidFile() {
	switch {
	case d.PidFile == "":
	case filepath.IsAbs(d.PidFile):
		d.PidFile = filepath.Clean(d.PidFile)
	case filepath.IsAbs(d.WorkingDirectory):
		d.PidFile = filepath.Join(d.WorkingDirectory, d.PidFile)
	default:
		d.set["pid-file"].fail("write the whole path", "a relative path counts from working-directory, which is not set to an absolute one")
	}
}

// generations notes what keeps a second generation, or a successor of the server's own making, from coming to be.
func (d *draft) generations() {
	if d.failed("preset") || d.failed("type") || d.failed("reload") {
		return
	}
	// With NGINX in its environment it stays in the foreground whatever its configuration says (nginx.c, main), and there it
	// ignores USR2 (ngx_process.c, ngx_signal_handler).
	if d.Preset == "nginx" && d.Type == Forking && len(d.Listen) > 0 {
		d.set["type"].fail("leave it out, or the [listen] tables", "nginx stays in the foreground when it is given sockets")
		return
	}
	if !d.has("reload") {
		return
	}
	v := d.set["reload"]
	switch {
	case d.Reload == ByUpgrade && d.Signals.Upgrade == 0 && d.Preset == presets[0].name:
		v.fail(`set preset = "unicorn", "gunicorn" or "nginx" if it is one of them behind a wrapper; else write reload = "replace"`, "which signal starts a successor is not known of this command")
	case d.Reload == ByUpgrade && d.Signals.Upgrade == 0:
		v.fail(`write reload = "replace"`, "%s has no signal that starts a successor beside it", d.Preset)
	case d.Reload == ByUpgrade && d.Preset == "nginx" && len(d.Listen) > 0:
		v.fail(`write reload = "replace", or leave the [listen] tables out`, "nginx stays in the foreground when it is given sockets, where it ignores USR2")
	case d.Reload == ByUpgrade && d.Preset == "nginx" && d.Type != Forking:
		v.fail(`write type = "forking", pid-file = "/run/nginx.pid", and leave "daemon off;" out; or write reload = "replace"`, "nginx ignores USR2 for as long as the process that started it is there: in the foreground always")
	case d.Reload == ByReplace && len(d.Listen) == 0 && !v.r.failed["listen"]:
		v.warn("add a [listen.NAME] table for what it listens on", "gsv holds no socket for it, and a new generation cannot bind an address that the old one has")
	case d.Reload == ByUpgrade:
		d.inherited()
	}
}

// inherited notes probes that a successor of the server's own making has from the process before it.
func (d *draft) inherited() {
	if d.has("ready.fd") {
		d.set["ready.fd"].fail("leave it out, and its workers prove it; or write another probe", `with reload = "usr2" the successor has the descriptor of the process before it, and is not heard there`)
	}
	if d.has("ready.log-line") {
		d.set["ready.log-line"].warn("leave it out, and its workers prove it; or let it match only what is written once, at the start",
			`with reload = "usr2" the old process and its successor write to the same log, so a line of the old one can prove the new one`)
	}
}
