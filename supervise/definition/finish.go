package definition

import (
	"fmt"
	"syscall"
	"time"
)

// finish fills in what depends on several keys, and notes where they contradict each other.
func (d *draft) finish(r *reader) {
	if _, ok := d.set["command"]; !ok && !r.broken && !r.misnamed["command"] {
		r.note(span{}, false, `there is no "command", so nothing to run`, `write command = "PROGRAM ARGUMENT…"`)
	}
	if _, ok := d.set["preset"]; !ok {
		d.Preset = invoked(d.Command, "").preset
		d.PresetDetected = d.Preset != presets[0].name
	}
	d.kind()
	d.delays()
	d.stop()
	d.listen()
	d.server()
	d.probe(r)
	d.pidFile()
	d.reload()
	d.beside()
	d.log()
	d.watch()
	d.ownEnvironment()
	d.foreground()
	d.contradictions()
}

// has says if the file sets the key, to a value that nothing is known against yet: one
// problem a key is enough.
func (d *draft) has(key string) bool {
	v, ok := d.set[key]
	return ok && !v.r.failed[key]
}

// kind gives a oneshot and main their own defaults.
func (d *draft) kind() {
	once, why, key := d.Type == Oneshot, "a oneshot", "type"
	if d.Main {
		once, why, key = true, "main", "main"
	}
	if once && d.Restart != No && d.has("restart") {
		d.set["restart"].fail(`write restart = "no" or leave it out; for one that is restarted, leave `+key+" out",
			"%s is not restarted when it ends", why)
	}
	if once {
		d.Restart = No
	}
	if d.Type != Oneshot {
		return
	}
	if !d.has("start-timeout") {
		d.StartTimeout = 0
	}
}

func (d *draft) delays() {
	if d.RestartDelay <= d.RestartDelayMax {
		return
	}
	switch {
	case !d.has("restart-delay-max"):
		d.set["restart-delay"].fail(fmt.Sprintf("set restart-delay-max too, to %q or more", d.RestartDelay), "longer than restart-delay-max, which is %s", short(d.RestartDelayMax))
	default:
		d.set["restart-delay-max"].fail("", "shorter than restart-delay, which is %s", short(d.RestartDelay))
	}
}

// stop makes the stop sequence: the file's own, or the preset's, whose first step
// stop-signal and stop-timeout replace.
func (d *draft) stop() {
	p := presetByName(d.Preset)
	steps := append([]StopStep(nil), p.stop...)
	if steps == nil {
		steps = []StopStep{{syscall.SIGTERM, stopTimeout}, {Signal: syscall.SIGKILL}}
	}
	if d.stopSignal != 0 {
		steps[0].Signal = d.stopSignal
	}
	if d.has("stop-timeout") {
		steps[0].Wait = d.stopTimeout
	}
	if len(steps) > 2 && steps[1].Signal == steps[0].Signal {
		steps = append(steps[:1], steps[2:]...) // stop-signal = "TERM" needs no second TERM
	}
	if steps[0].Signal == syscall.SIGKILL {
		steps = []StopStep{{Signal: syscall.SIGKILL}}
	}
	if d.stopSequence != nil {
		steps = d.stopSequence
	}
	d.StopSequence = steps
	if d.SuccessExit = d.successExit; d.SuccessExit == nil {
		d.SuccessExit = append([]ExitMatch{{}}, p.exits...)
	}
	d.Signals = p.signals
	if d.Signals.Graceful == 0 {
		d.Signals.Graceful = steps[0].Signal
	}
	if d.reloadSignal != 0 {
		d.Signals.Reload = d.reloadSignal
	}
}

// server fills in what is known of the preset's workers.
func (d *draft) server() {
	if d.Type != Oneshot {
		d.Workers = workersOf(invoked(d.Command, d.Preset))
	}
}

// reload notes where the keys of a reload contradict each other.
func (d *draft) reload() {
	for key, method := range map[string]Method{"reload-signal": BySignal, "reload-command": ByCommand} {
		if d.has(key) && d.Reload != method && (d.has("reload") || method != BySignal && !d.failed("reload")) {
			d.set[key].fail(fmt.Sprintf("write reload = %q, or leave it out", method), "has no effect with reload = %q", d.Reload)
		}
	}
	if d.Reload == ByCommand && d.has("reload") {
		if _, ok := d.set["reload-command"]; !ok {
			d.set["reload"].fail(`write reload-command = "PROGRAM ARGUMENT…"`, "there is no reload-command")
		}
	}
	d.generations()
	if d.Type == NotifyReload && d.has("type") && d.Reload != BySignal && d.Reload != ByCommand {
		d.set["type"].warn(`write type = "notify"`, "with reload = %q nothing is waited for that \"notify\" does not say", d.Reload)
	}
	if d.NoCheck && d.has("check-timeout") {
		d.set["check-timeout"].warn("", "has no effect with check-command = []")
	}
}

// failed says if the key is there and something is wrong with it.
func (d *draft) failed(key string) bool {
	v, ok := d.set[key]
	return ok && v.r.failed[key]
}

func (d *draft) contradictions() {
	for _, key := range []string{"stop-signal", "stop-timeout"} {
		if d.has(key) && d.has("stop-sequence") {
			d.set[key].fail("keep one of the two", "stop-sequence says it already")
		}
	}
	if d.Main && d.has("autostart") && !d.Autostart {
		d.set["autostart"].fail("leave one of the two out", "gsv ends with main, so main must be started")
	}
	for _, key := range []string{"start-limit", "start-limit-interval", "restart-delay", "restart-delay-max", "restart-delay-factor"} {
		if d.has(key) && d.Restart == No && d.has("restart") {
			d.set[key].warn("", `has no effect with restart = "no"`)
		}
	}
}

// short writes a duration as people do: "1m30s", "2m", "500ms".
func short(t time.Duration) string {
	s := t.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(s) - len(zero); n > 0 && s[n:] == zero {
			s = s[:n+1]
		}
	}
	return s
}
