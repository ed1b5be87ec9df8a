package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gsv/supervise/status"
)

// PartedRack is an application of many files, each of which has the number of the release in it. Of a release that
// is not there as a whole its number is 0, and says so in place of not loading.
const partedRack = `
parts = Dir['DIR/app/part/*'].map { |name| File.read(name).to_i }
n = parts[0]
release = parts.uniq.size == 1 && parts.size == PARTS + n % 7 ? n : 0
sleep 0.1
run(lambda do |env|
  sleep 0.4 if env['PATH_INFO'] == '/slow'
  got = env['rack.input'].read.bytesize
  body = "release=#{release} got=#{got}\n#{'x' * 2000}\nend\n"
  [200, {'Content-Type' => 'text/plain', 'Content-Length' => body.bytesize.to_s}, [body]]
end)
`

// DeployParts is how many files each release has at least: some have more.
const deployParts = 200

// DeployTools put what is in next into app, one after the other.
var deployTools = []string{
	`rsync -a --delete next/ app`,
	`rsync -a --delay-updates --delete next/ app`,
	`rm -r app/part/*; cp -r next/. app`,
	`tar -C next -cf - . | tar -C app --recursive-unlink -xf -`,
	`rsync -a --inplace --delete next/ app`,
	`rsync -a --delete --ignore-existing next/ app; sed -i "s/.*/$(cat next/part/0)/" app/part/*`,
	`cp -r next new; mv app old; mv new app; rm -r old`,
}

// TestWatchLoad deploys 10 releases in a row, each by another tool than the one before, while a client asks all the
// time, and nobody says that there is something to reload: each is served, as a whole, by one reload, and no request is lost.
//
// GSV_WATCH=100 deploys that often. See `make soak`.
func TestWatchLoad(t *testing.T) {
	t.Parallel()
	deploys := 10
	if n, err := strconv.Atoi(os.Getenv("GSV_WATCH")); err == nil {
		deploys = n
	}
	server := serverNamed("unicorn") // it loses nothing by its own fault
	server.files = map[string]string{"config.ru": strings.ReplaceAll(partedRack, "PARTS", strconv.Itoa(deployParts)), "unicorn.rb": server.files["unicorn.rb"]}
	site := newDeploySite(t, server)
	stage := func(dir string, n int) {
		t.Helper()
		for i := range deployParts + n%7 {
			site.write(t, fmt.Sprintf("%s/part/%d", dir, i), fmt.Sprintln(n))
		}
	}
	stage("app", 1)
	byGsv(t, site, "", "min-uptime = '200ms'", "[watch]", "paths = ['DIR/app']", "debounce = '500ms'")
	l := newLoad(t, site.asker(patience))
	if err := l.only(1, patience); err != nil {
		t.Fatal("before the first deploy: ", err)
	}
	for n := 2; n < 2+deploys; n++ {
		tool := deployTools[n%len(deployTools)]
		if err := os.RemoveAll(site.fill("DIR/next")); err != nil {
			t.Fatal(err)
		}
		stage("next", n)
		cmd := exec.Command("sh", "-ec", tool)
		cmd.Dir = site.h.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", tool, err, out)
		}
		if err := l.only(n, patience); err != nil {
			t.Fatalf("release %d by %s is not served: %v", n, tool, err)
		}
		if err := site.h.until(func() bool { web, err := site.h.service("web"); return err == nil && web.State == status.Running }); err != nil {
			t.Fatal(err)
		}
	}
	l.end()
	for c, n := range l.counts {
		if n.requests == 0 || n.lost > 0 {
			t.Errorf("%s: %d of %d requests lost", ways[c].name, n.lost, n.requests)
		}
	}
	if causes := l.causes(nil); causes != "" {
		t.Error("\n" + causes)
	}
	if _, half := l.seen(0); half {
		t.Error("half a release was served")
	}
	history := exec.Command(filepath.Join(bin, "gsvctl"), "history", "--json", "web")
	history.Env = site.h.vars
	out, err := history.Output()
	var past status.History
	if err == nil {
		err = json.Unmarshal(out, &past)
	}
	if err != nil {
		t.Fatal(err)
	}
	good := 0
	for _, op := range past.Operations {
		if op.Verb == "hup" && op.By.User == "watch" && op.Result == status.OK {
			good++
		} else {
			t.Errorf("%+v", op)
		}
	}
	if good != deploys {
		t.Errorf("%d reloads by watch, want %d", good, deploys)
	}
}
