package definition

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What nginx's configuration says of daemon settles whether the warning stands: to follow it where daemon off is there already would be an error.
func TestNginxConfigurationSettles(t *testing.T) {
	for _, tt := range []struct {
		name, conf, command string
		warned              bool
	}{
		{"off", "user www;\ndaemon  off ;\n", "nginx -c DIR/nginx.conf", false},
		{"below -p", "daemon off;", "nginx -p DIR -c nginx.conf", false},
		{"through env", "daemon off;", "env A=b nginx -c DIR/nginx.conf", false},
		{"on", "daemon on;\n", "nginx -c DIR/nginx.conf", true},
		{"a comment", "# daemon off;\n", "nginx -c DIR/nginx.conf", true},
		{"nothing", "", "nginx -c DIR/nginx.conf", true},
		{"another file", "daemon off;", "nginx -c DIR/no.conf", true},
		{"a directory", "daemon off;", "nginx -c DIR", true},
		{"relative to who knows what", "daemon off;", "nginx -c nginx.conf", true},
		{"its own", "daemon off;", "nginx", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "web.toml")
			for path, text := range map[string]string{file: "command = '" + strings.ReplaceAll(tt.command, "DIR", dir) + "'\n", filepath.Join(dir, "nginx.conf"): tt.conf} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			defs, bad, err := LoadFiles([]string{file}, false, Defaults{})
			if err != nil || len(bad) > 0 {
				t.Fatal(bad, err)
			}
			if got := defs[0].Warnings.String(); strings.Contains(got, "background") != tt.warned {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestHints: an example of a foreign value is one that is taken as it is.
func TestHintsOfForeignValues(t *testing.T) {
	for src, want := range map[string]string{
		"autorestart = true":            `write restart = "always"`,
		"autorestart = false":           `write restart = "no"`,
		"autorestart = 'unexpected'":    `write restart = "on-failure"`,
		"restart-policy = 'on-failure'": `write restart = "on-failure"`,
		"[allow]\nhup = 'deploy'":       `write hup = ["deploy"]`,
		"[allow]\nhup = 1":              `want an array of users`,
	} {
		if _, problems := Parse("web", "web.toml", []byte("command = 'x'\n"+src+"\n"), Defaults{}); !strings.Contains(problems.String(), want) {
			t.Errorf("%s: no %s in\n%s", src, want, problems)
		}
	}
}

// TestNoSuchFile is no matter of trust.
func TestNoSuchFile(t *testing.T) {
	_, bad, err := LoadFiles([]string{filepath.Join(t.TempDir(), "web.toml")}, true, Defaults{})
	if err != nil || len(bad) != 1 || bad[0].Problems[0].Text != "cannot read it: no such file or directory" {
		t.Errorf("%v, %v", bad, err)
	}
}
