package main

import "testing"

func TestDefaultPaths(t *testing.T) {
	env := func(vars map[string]string) func(string) string {
		return func(name string) string { return vars[name] }
	}
	for _, tt := range []struct {
		name string
		uid  int
		vars map[string]string
		want paths
	}{
		{"root", 0, map[string]string{"HOME": "/root"}, paths{"/etc/gsv/services.d", "/run/gsv", "/var/log/gsv", "/etc/gsv/gsv.toml"}},
		{"home", 4711, map[string]string{"HOME": "/home/a", "XDG_RUNTIME_DIR": "/run/x"},
			paths{"/home/a/.config/gsv/services.d", "/run/x/gsv", "/home/a/.local/state/gsv", "/home/a/.config/gsv/gsv.toml"}},
		{"xdg", 4711, map[string]string{"XDG_CONFIG_HOME": "/c", "XDG_STATE_HOME": "/s", "XDG_RUNTIME_DIR": "/run/x"},
			paths{"/c/gsv/services.d", "/run/x/gsv", "/s/gsv", "/c/gsv/gsv.toml"}},
		{"relative ones do not count", 4711, map[string]string{"XDG_CONFIG_HOME": "c", "XDG_RUNTIME_DIR": "r"}, paths{"", "/tmp/gsv-4711", "", ""}},
		{"nothing", 4711, nil, paths{"", "/tmp/gsv-4711", "", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := defaultPaths(tt.uid, env(tt.vars)); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
