package definition

import (
	"slices"
	"strings"
	"testing"
)

// contract are the keys that were promised to users, in the contract's order; a table's keys
// follow its name.
const contract = `command description preset type main on-end working-directory environment environment-files inherit-environment
user group supplementary-groups umask runtime-directory pid-file autostart after requires wants instances rolling groups
ready.tcp ready.unix ready.http ready.exec ready.notify ready.fd ready.log-line ready.workers ready.interval ready.timeout ready.status ready.headers
min-uptime start-timeout restart restart-delay restart-delay-max restart-delay-factor start-limit start-limit-interval success-exit-status
stop-signal stop-timeout stop-sequence kill-mode reload reload-signal reload-command reload-timeout drain-timeout stale-release check-command check-timeout
listen.NAME.address listen.NAME.backlog listen.NAME.mode listen.NAME.owner listen.NAME.group listen.NAME.reuse-port
limits.nofile limits.nproc limits.core limits.memlock nice oom-score-adjust cpu-affinity io-class
cgroup.memory-max cgroup.memory-high cgroup.cpu-max cgroup.pids-max no-new-privileges capabilities root-directory
log.output log.format log.path log.mode log.group log.stderr log.max-size log.keep log.max-age log.max-total log.compress log.timestamp log.on-full log.syslog log.journal
watch.paths watch.ignore watch.debounce watch.max-delay watch.stamp watch.poll watch.action
health.http health.tcp health.exec health.interval health.timeout health.failures health.grace health.action allow`

// working are those of them that do something today; using another is an error.
const working = `command description preset type main working-directory environment environment-files inherit-environment user group
supplementary-groups umask autostart restart restart-delay restart-delay-max restart-delay-factor start-limit start-limit-interval min-uptime start-timeout
success-exit-status stop-signal stop-timeout stop-sequence kill-mode groups on-end allow ready.tcp ready.unix ready.interval ready.timeout
ready.workers ready.http ready.exec ready.notify ready.fd ready.log-line ready.status ready.headers pid-file
listen.NAME.address listen.NAME.backlog listen.NAME.mode listen.NAME.owner listen.NAME.group listen.NAME.reuse-port reload reload-signal reload-command reload-timeout drain-timeout stale-release check-command check-timeout
log.output log.format log.path log.mode log.group log.stderr log.max-size log.keep log.max-age log.max-total log.compress log.timestamp log.on-full log.syslog log.journal
watch.paths watch.ignore watch.debounce watch.max-delay watch.stamp watch.poll watch.action`

// more are keys of the contract's "nofile nproc core memlock …".
const more = `limits.as limits.data limits.stack limits.fsize limits.cpu`

func TestTableIsTheContract(t *testing.T) {
	promised := append(strings.Fields(contract), strings.Fields(more)...)
	var have, haveWorking []string
	for _, k := range Keys() {
		have = append(have, k.Name)
		if k.Supported {
			haveWorking = append(haveWorking, k.Name)
		}
	}
	for what, lists := range map[string][2][]string{"keys": {have, promised}, "working keys": {haveWorking, strings.Fields(working)}} {
		slices.Sort(lists[0])
		slices.Sort(lists[1])
		if !slices.Equal(lists[0], lists[1]) {
			t.Errorf("%s:\n%s\nwant\n%s", what, lists[0], lists[1])
		}
	}
}

func TestRowsAreWhole(t *testing.T) {
	for _, k := range Keys() {
		if k.Type == "" || k.Doc == "" || !strings.HasSuffix(k.Doc, ".") {
			t.Errorf("%s: type %q, doc %q", k.Name, k.Type, k.Doc)
		}
		if k.Supported != (k.set != nil) || k.Supported != (k.get != nil) {
			t.Errorf("%s: supported %t, set %t, get %t", k.Name, k.Supported, k.set != nil, k.get != nil)
		}
		if (k.Type == "one of") != (len(k.Enum) > 0) {
			t.Errorf("%s: type %s, values %v", k.Name, k.Type, k.Enum)
		}
	}
	for key, words := range enumWords {
		for word, ours := range words {
			if !slices.ContainsFunc(rows[key].Enum, func(e Enum) bool { return e.Name == ours }) {
				t.Errorf("%s: %q leads to %q, which is no value", key, word, ours)
			}
		}
	}
}

// A name that leads to two keys would lead to the wrong one.
func TestForeignNames(t *testing.T) {
	led := map[string]string{}
	for _, k := range Keys() {
		for n := range strings.FieldsSeq(strings.Join([]string{k.Systemd, k.Supervisord, k.Pebble, k.Other}, " ")) {
			lower := strings.ToLower(n)
			if other, ok := led[lower]; ok && other != k.Name {
				t.Errorf("%s leads to %s and to %s", n, other, k.Name)
			}
			led[lower] = k.Name
			if rows[n] != nil {
				t.Errorf("%s of %s is a key of ours", n, k.Name)
			}
			if _, hint := meant("", n, nil); !strings.Contains(hint, k.Name) && !strings.Contains(hint, k.In()) {
				t.Errorf("%s: %q does not name %s", n, hint, k.Name)
			}
		}
	}
	for _, s := range strangers {
		if led[strings.ToLower(s.name)] != "" || rows[s.name] != nil {
			t.Errorf("%s is known already", s.name)
		}
		if _, hint := meant("", s.name, nil); !strings.Contains(hint, s.advice) {
			t.Errorf("%s: %q", s.name, hint)
		}
	}
}

// Whatever is promised but not there yet says so, at its own line, and nothing else.
func TestNotSupportedYet(t *testing.T) {
	for _, k := range Keys() {
		if k.Supported {
			continue
		}
		src := "command = 'a'\n" + strings.ReplaceAll(k.Name, "NAME", "http") + " = 1\n"
		d, problems := Parse("web", "web.toml", []byte(src), Defaults{})
		if d != nil || len(problems) != 1 || problems[0].Line != 2 || !strings.HasSuffix(problems[0].Text, "not supported yet") {
			t.Errorf("%s:\n%s", k.Name, problems)
		}
	}
	for _, k := range Keys() {
		for _, e := range k.Enum {
			if !k.Supported {
				continue
			}
			src := "command = 'a'\n" + k.Name + " = '" + e.Name + "'\n"
			switch e.Name {
			case "command":
				src += "reload-command = 'b'\n"
			case "usr2":
				src += "preset = 'unicorn'\n"
			}
			d, problems := Parse("web", "web.toml", []byte(src), Defaults{})
			if (d != nil) != e.Supported || !e.Supported && !strings.Contains(problems[0].Text, "not supported yet") {
				t.Errorf("%s = %s:\n%s", k.Name, e.Name, problems)
			}
		}
	}
}
