package definition

import (
	"fmt"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	const base = "command = 'starman app.psgi'\n"
	tests := []struct{ name, before, after, want string }{
		{"nothing", base, base, ""},
		{"only the writing", base, "# a comment\ncommand = ['starman', 'app.psgi']\nstop-timeout = '0m30s'\numask = '0022'\ngroups = []\nallow = {}\nenvironment-files = []", ""},
		{"command", base, "command = 'starman -p 1 app.psgi'", "command"},
		{"another server", base, "command = 'x'", "command preset:live stop-signal:live stop-sequence:live"},
		{"policy", base, base + "restart = 'no'\nmin-uptime = '2s'\nready.tcp = ':1'\nallow.hup = ['root']", "allow:live ready.tcp:live min-uptime:live restart:live"},
		{"stop-timeout", base, base + "stop-timeout = '1s'", "stop-timeout:live"},
		{"stop-signal", base, base + "stop-signal = 'INT'", "stop-signal:live"},
		{"rest of the sequence", base, base + "stop-sequence = ['QUIT', '30s', 'TERM', '6s']", "stop-sequence:live"},
		{"birth", base, base + "user = 'root'\numask = '077'\nworking-directory = '/'\nenvironment.A = ''", "working-directory environment user umask"},
		{"environment", base + "environment.A = '1'", base + "environment.A = '2'", "environment"},
		{"inherit", base, base + "inherit-environment = false", "inherit-environment"},
		{"inherit nothing", base + "inherit-environment = false", base + "inherit-environment = []", ""},
		{"no groups is not the default", base, base + "supplementary-groups = []", "supplementary-groups"},
		{"output", base, base + "log.output = 'stdout'", "log.output:live"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := parse(t, tt.before), parse(t, tt.after)
			var got []string
			for _, c := range a.Diff(b) {
				if c.Live {
					c.Key += ":live"
				}
				got = append(got, c.Key)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if len(b.Diff(a)) != len(got) {
				t.Error("the other way round it differs")
			}
			if a.Equal(b) != (tt.before == tt.after) {
				t.Error("Equal says", a.Equal(b))
			}
		})
	}
}

// A difference that Diff does not see would never be applied.
func TestDiffSeesEverything(t *testing.T) {
	for _, k := range Keys() {
		if !k.Supported {
			continue
		}
		seen := false
		for _, value := range []string{"'x y'", "true", "false", "['x']", "'7m'", "7", "'077'", "'USR1'", "['USR1', '1s', 'INT', '1s']", "'7s'", "[7]", "{x = 'y'}", "{x = ['root']}", "'/x'", "':7'",
			"'starman'", "'oneshot'", "'shutdown'", "'no'", "'group'", "'stdout'"} {
			a, _ := Parse("web", "", []byte("command = 'a'\n"), Defaults{})
			src := fmt.Sprintf("command = 'a'\n%s = %s\n", k.Name, value)
			if k.Name == "command" {
				src = "command = " + value
			}
			if k.Table() == "ready" && k.Name != "ready.tcp" {
				src += "ready.tcp = ':8'\n"
			}
			if k.Name == "ready.unix" {
				src = "command = 'a'\nready.unix = " + value
			}
			b, _ := Parse("web", "", []byte(src), Defaults{})
			if b == nil {
				continue
			}
			for _, c := range a.Diff(b) {
				seen = seen || c.Key == k.Name
			}
		}
		if !seen {
			t.Errorf("a change of %s is not seen", k.Name)
		}
	}
}
