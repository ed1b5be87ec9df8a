package watch

import (
	"os/exec"
	"strings"
	"testing"
)

// The real rsync over a slow link, whose gaps are longer than the debounce, is one deploy.
func TestRsync(t *testing.T) {
	if _, err := exec.LookPath("rsync"); err != nil {
		t.Skip("no rsync")
	}
	for name, flags := range map[string]string{"replaces": "", "delays updates": "--delay-updates --delete-after", "in place": "--inplace", "partial": "--partial-dir=.rsync-partial"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.write("app/A.pm", "a")
			r.write("app/old", "a")
			r.watch("app")
			r.write("build/A.pm", "a2")
			r.write("build/lib/big", strings.Repeat("0123456789abcdef", 25000))
			r.write("build/z", "z")
			args := append([]string{"-a", "--delete", "--no-whole-file", "--bwlimit=400"}, strings.Fields(flags)...)
			if out, err := exec.Command("rsync", append(args, r.path("build")+"/", r.path("app")+"/")...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %s", err, out)
			}
			r.want("web: 4 under /app, first A.pm")
			r.quiet("web")
			r.age("build/A.pm")
			r.age("build/z")
			if out, err := exec.Command("rsync", append(args, r.path("build")+"/", r.path("app")+"/")...).CombinedOutput(); err != nil {
				t.Fatalf("%s: %s", err, out)
			}
			r.marker("app")
		})
	}
}
