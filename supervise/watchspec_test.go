package supervise

import (
	"os"
	"slices"
	"strings"
	"testing"

	"gsv/supervise/definition"
)

func TestWatchSpec(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, src, paths, except, ignore string
	}{
		{"absolute", "[watch]\npaths = ['/srv/app']", "/srv/app", "/log /run", ""},
		{"relative", "working-directory = '/srv/app/current'\n[watch]\npaths = ['.', 'lib', '../shared/*.yml']", "/srv/app/current /srv/app/current/lib /srv/app/shared/*.yml", "/log /run", ""},
		{"of gsv's own directory", "[watch]\npaths = ['lib']", cwd + "/lib", "/log /run", ""},
		{"the log's directory in it", "log.path = '/srv/app/log/web.log'\n[watch]\npaths = ['/srv/app']", "/srv/app", "/log /run /srv/app/log", ""},
		{"the log in it", "log.path = '/srv/app/web.log'\n[watch]\npaths = ['/srv/app']", "/srv/app", "/log /run", "web.log web.err.log web-*.log* web.err-*.log* .index/"},
		{"below gsv's log directory", "[watch]\npaths = ['/log/x']", "/log/x", "/run", "web.log web.err.log web-*.log* web.err-*.log* .index/"},
		{"below the run directory", "[watch]\npaths = ['/run/x']", "/run/x", "/log /run/state /run/log", ""},
		{"no log", "log.output = 'none'\n[watch]\npaths = ['/log/x']\nignore = ['a']", "/log/x", "/run", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, problems := definition.Parse("web", "web.toml", []byte("command = 'a'\n"+tt.src+"\n"), definition.Defaults{})
			if d == nil {
				t.Fatal(problems)
			}
			s := &Supervisor{opts: Options{LogDir: "/log", RunDir: "/run"}}
			spec := s.watchSpec(&service{name: "web", def: d})
			for what, lists := range map[string][2][]string{"paths": {spec.Paths, strings.Fields(tt.paths)}, "except": {spec.Except, strings.Fields(tt.except)}, "ignore": {spec.Ignore, strings.Fields(tt.ignore)}} {
				if !slices.Equal(lists[0], lists[1]) {
					t.Errorf("%s: got %q, want %q", what, lists[0], lists[1])
				}
			}
		})
	}
}
