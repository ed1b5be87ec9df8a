package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gsv/supervise/status"
)

// A yard is a place where releases are deployed to the service web, whose workers answer a digest of what they loaded.
type yard struct {
	*stage
	site string // what is served
	next string // the next release, complete, beside it
	n    int    // the number of that, and of that in site before
	past int    // how many operations there were when somebody looked last

	wrap []string // what gsv is started below

	// Of one that is watched.
	served string // the digest that is served, when somebody looked last
	marks  int    // how often mark was restarted
}

// Workers is how many web has.
const yardWorkers = 2

// NewYard makes a yard with release 1 in site; nothing runs yet.
func newYard(t *testing.T) *yard {
	h := stormHouse(t)
	h.vars = append(h.vars, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@localhost",
		"GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@localhost", "HOME="+h.dir, "LC_ALL=C")
	y := &yard{stage: &stage{t: t, house: h, port: freePort(t)}, site: h.dir + "/site", next: h.dir + "/next", n: 1}
	y.tree(y.site, 1)
	return y
}

// Tree writes release n. Each file but one differs from release to release, as does one directory's name. All of a
// release have a time of their own: rsync takes files of one size and time for the same.
func (y *yard) tree(dir string, n int) {
	y.t.Helper()
	only := fmt.Sprintf("lib/App/Only%d/Deep/er.pm", n)
	files := map[string]string{
		"app":                 fmt.Sprintf("release %d\n", n),
		"lib/App.pm":          fmt.Sprintf("package App; # of release %d\n1;\n", n),
		"lib/App/View.pm":     fmt.Sprintf("package App::View; # of release %d\n1;\n", n),
		"lib/App/Model.pm":    fmt.Sprintf("package App::Model; # of release %d\n1;\n", n),
		"templates/page.html": fmt.Sprintf("<p>release %d</p>\n", n),
		"public/style.css":    "p { margin: 0 }\n",
		"public/blob.bin":     strings.Repeat(fmt.Sprintf("%08d", n), 25000),
		only:                  "1;\n",
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		at := time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC)
		if err == nil && name != "public/style.css" {
			err = os.Chtimes(path, at, at)
		}
		if err != nil {
			y.t.Fatal(err)
		}
	}
}

// Stage makes the next release, beside the one that is served.
func (y *yard) stageNext() {
	y.t.Helper()
	if err := os.RemoveAll(y.next); err != nil {
		y.t.Fatal(err)
	}
	y.n++
	y.tree(y.next, y.n)
}

// Run runs a program in the yard's directory.
func (y *yard) run(argv ...string) {
	y.t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = y.dir, y.vars
	if out, err := cmd.CombinedOutput(); err != nil {
		y.t.Fatalf("%q: %v\n%s", argv, err, out)
	}
}

// Sh runs a script in the yard's directory. It may take more than one step, but nothing waits between them.
func (y *yard) sh(script string) {
	y.t.Helper()
	y.run("sh", "-ec", script)
}

// Put writes a file as a simple program does: it is emptied, then written.
func (y *yard) put(name, content string) {
	y.t.Helper()
	path := filepath.Join(y.dir, name)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(content), 0o644)
	}
	if err != nil {
		y.t.Fatal(err)
	}
}

// Digest is what a worker that has loaded all that is in dir answers.
func (y *yard) digest(dir string) string {
	y.t.Helper()
	cmd := exec.Command(filepath.Join(bin, "prefork"), "digest", dir)
	cmd.Env = y.vars
	out, err := cmd.Output()
	if err != nil {
		y.t.Fatalf("digest of %s: %v", dir, err)
	}
	return strings.TrimSpace(string(out))
}

// Open starts gsv with web, and with what other service files there are. Keys are lines of web's file.
func (y *yard) open(keys ...string) {
	y.t.Helper()
	y.serviceFile("web", append([]string{
		fmt.Sprintf(`command = "prefork --listen 127.0.0.1:%s --workers %d --app %s"`, y.port, yardWorkers, y.site),
		`preset = "starman"`,
		`min-uptime = "50ms"`,
	}, keys...)...)
	if err := y.start(y.dir, y.wrap, nil, nil); err != nil {
		y.t.Fatal(err)
	}
	y.want(0, ``, "wait", "web", "--for", "ready")
	y.serves(y.digest(y.site))
}

// ServiceFile writes a service file. SITE and DIR are the yard's.
func (y *yard) serviceFile(name string, lines ...string) {
	y.t.Helper()
	text := strings.NewReplacer("SITE", y.site, "DIR", y.dir).Replace(strings.Join(lines, "\n") + "\n")
	y.write(filepath.Join(y.dir, "services.d", name+".toml"), text)
}

// Serves fails unless each worker answers that digest.
func (y *yard) serves(digest string) {
	y.t.Helper()
	for range yardWorkers {
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+y.port, patience)
		if err != nil {
			y.t.Error(err)
			return
		}
		defer c.Close() // at the end: each connection keeps its worker busy, so the next goes to another
		body, err := answer(c, "/")
		if err != nil || !strings.HasPrefix(body, "release="+digest+" ") {
			y.t.Errorf("a worker answers %q (%v), want release=%s", body, err, digest)
		}
	}
}

// Operations are those of web that have ended since somebody looked last, but for pauses of its watch.
func (y *yard) operations() []status.Operation {
	y.t.Helper()
	v := y.want(0, ``, "history", "--json", "web")
	var past struct{ Operations []status.Operation }
	d := json.NewDecoder(bytes.NewReader([]byte(v.out)))
	if err := d.Decode(&past); err != nil {
		y.t.Fatalf("history: %v\n%s", err, v.out)
	}
	all := past.Operations[min(y.past, len(past.Operations)):]
	y.past = len(past.Operations)
	return slices.DeleteFunc(all, func(op status.Operation) bool { return op.Verb == "watch" })
}

// TestWatchYard deploys without a watch, by rsync and hup. What the tests of the watch rely on is so: workers serve what
// they have loaded until they are reloaded, and history counts the reloads.
func TestWatchYard(t *testing.T) {
	t.Parallel()
	y := newYard(t)
	y.open()
	first := y.digest(y.site)
	y.stageNext()
	y.run("rsync", "-a", "--delete", "next/", "site")
	y.serves(first)
	y.want(0, `reloaded, 2 workers new`, "hup", "web")
	y.serves(y.digest(y.next))
	if all := y.operations(); len(all) != 1 || all[0].Verb != "hup" || all[0].Result != status.OK {
		t.Errorf("in history: %+v, want one hup", all)
	}
	y.want(0, `restarted`, "restart", "web")
	if all := y.operations(); len(all) != 1 || all[0].Verb != "restart" {
		t.Errorf("in history: %+v, want one restart", all)
	}
}
