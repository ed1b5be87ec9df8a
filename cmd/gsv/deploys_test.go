package main_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A deployResult is what came of one release put into place.
type deployResult struct {
	at      time.Time     // when the command was begun
	served  error         // why not, if something else went on answering
	visible time.Duration // from then to its first answer
	command time.Duration // how long the command took
	status  int           // its exit status
	broken  bool          // the release was one that does not load: the one before is to be served on
}

// A deployRow is what came of a method.
type deployRow struct {
	method  deployMethod
	deploys []deployResult
	counts  [len(ways)]classCount
	gap     time.Duration
	calm    time.Duration // the longest gap before the first deploy
	stale   int           // answers of an old release to requests begun after the command had ended
}

// Hold is how long the next deploy waits for connections that an old release keeps. A worker of Starman's that has
// one that is never idle for long does not end (Starman::Server looks at what HUP set only between connections).
const hold = 3 * time.Second

const (
	// brokenEach: where a generation is tried beside the one that serves, each release whose number this divides is broken.
	brokenEach = 4
	// calmEach is how long, for each deploy, the load is watched before the first.
	calmEach = 500 * time.Millisecond
)

// TestDeploys puts release after release into place while a client asks all the time, has each server reload it, and
// counts what is lost: here 3 releases by gsv.
//
// GSV_DEPLOYS=20 deploys that often, beside gsv by the servers' own signals and by other supervisors too; the rows of
// it replace those of the same methods in the table of the file that GSV_DEPLOYS_TABLE names. See `make deploys`.
func TestDeploys(t *testing.T) {
	deploys, methods := 3, gsvMethods()
	limit := patience // late is not lost: this machine may have much else to do
	n, err := strconv.Atoi(os.Getenv("GSV_DEPLOYS"))
	short := err != nil
	if !short {
		deploys, methods, limit = n, allMethods(), 5*time.Second
	}
	var mu sync.Mutex
	var rows []deployRow
	for _, method := range methods {
		t.Run(strings.ReplaceAll(method.name, " ", "_"), func(t *testing.T) {
			if short {
				t.Parallel()
			}
			row := deployAll(t, method, deploys, limit)
			mu.Lock()
			rows = append(rows, row)
			if path := os.Getenv("GSV_DEPLOYS_TABLE"); path != "" { // at once: the next may take an hour, or never end
				if err := replaceTable(path, deployNotes()+deployTable(rows)); err != nil {
					t.Error(err)
				}
			}
			mu.Unlock()
			t.Log("\n" + deployTable([]deployRow{row}))
			row.judge(t)
		})
	}
}

// DeployAll deploys again and again under load.
func deployAll(t *testing.T, method deployMethod, deploys int, limit time.Duration) deployRow {
	site := newDeploySite(t, serverNamed(method.server))
	reload := method.begin(t, site)
	l := newLoad(t, site.asker(limit))
	if err := l.only(1, patience); err != nil {
		t.Fatal("before the first deploy: ", err)
	}
	row := deployRow{method: method}
	_ = l.until(time.Duration(deploys)*calmEach, func() error { return errors.New("all is calm") })
	row.calm = l.calm()
	var begun []time.Time
	good := 1
	for n := 2; n < 2+deploys; n++ {
		broken := method.beside && n%brokenEach == 0
		l.deploying()
		if broken {
			site.release(t, 0)
		} else {
			site.release(t, n)
			good = n
		}
		cmd := exec.Command(reload[0], reload[1:]...)
		cmd.Env, cmd.Dir = site.h.vars, site.h.dir
		d := deployResult{at: time.Now(), broken: broken}
		out, err := cmd.CombinedOutput()
		if err == nil || broken {
			l.deployed(good)
		}
		d.command, d.status = time.Since(d.at), cmd.ProcessState.ExitCode()
		if (err != nil) != broken {
			t.Logf("%v: %v\n%s", reload, err, out)
		}
		d.served = l.only(good, patience)
		if err := l.keeps(good, hold); err != nil {
			t.Log("release ", good, ": ", err)
		}
		if at, ok := l.seen(n); ok {
			d.visible = at.Sub(d.at)
		}
		begun, row.deploys = append(begun, d.at), append(row.deploys, d)
	}
	l.end()
	row.counts, row.gap, row.stale = l.counts, l.gap, l.stale
	if causes := l.causes(begun); causes != "" {
		t.Log("\n" + causes)
	}
	return row
}

// Judge fails where a reload by gsv is not what it must be: each release served, each command true, and nothing
// lost but what the server loses by itself.
func (r deployRow) judge(t *testing.T) {
	if !r.method.gsv {
		return
	}
	for i, d := range r.deploys {
		if d.served != nil {
			t.Errorf("release %d: %v", i+2, d.served)
		}
		if want := map[bool]int{true: 1}[d.broken]; d.status != want {
			t.Errorf("release %d: exit status %d, want %d", i+2, d.status, want)
		}
	}
	if r.stale > 0 {
		t.Errorf("%d answers of an old release to requests begun after hup had said that it was gone", r.stale)
	}
	lost := 0
	for c, n := range r.counts {
		lost += n.lost
		if n.requests == 0 {
			t.Error("a class of requests was not asked at all")
		}
		if uploads := class(c) == asksUpload && r.method.server == "starman"; r.method.beside && n.lost > serverNamed(r.method.server).stops*len(r.deploys) && !uploads {
			t.Errorf("%d of %d requests lost, though a generation serves all the time", n.lost, n.requests)
		}
	}
	server := serverNamed(r.method.server)
	most := server.races * len(r.deploys)
	if r.method.beside {
		most += server.stops * len(r.deploys)
	}
	if lost > most {
		t.Errorf("%d requests lost, of which the server itself can lose %d", lost, most)
	}
}

// DeployTable is the rows as Markdown.
func deployTable(rows []deployRow) string {
	var b strings.Builder
	b.WriteString("| how | served | new connections | keep-alive | retryable | slow answers | uploads | stale | longest gap | without a deploy | visible | command | exit status |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		served, exits := 0, map[int]int{}
		var visible, command []time.Duration
		for _, d := range r.deploys {
			exits[d.status]++
			if d.served == nil {
				served++
			}
			if d.served == nil && !d.broken {
				command, visible = append(command, d.command), append(visible, d.visible)
			}
		}
		how, server, _ := strings.Cut(r.method.name, ", ")
		fmt.Fprintf(&b, "| `%s` %s | %d/%d", how, server, served, len(r.deploys))
		for c, n := range r.counts {
			fmt.Fprintf(&b, " | %d/%d", n.lost, n.requests)
			if class(c) == asksKept {
				fmt.Fprintf(&b, " | %d", n.retryable)
			}
		}
		var all []string
		for _, status := range slices.Sorted(maps.Keys(exits)) {
			all = append(all, fmt.Sprintf("%d (%d)", status, exits[status]))
		}
		if len(all) == 1 {
			all[0], _, _ = strings.Cut(all[0], " ")
		}
		fmt.Fprintf(&b, " | %d | %s | %s | %s | %s | %s |\n", r.stale, inMs(r.gap), inMs(r.calm), inMs(median(visible)), inMs(median(command)), strings.Join(all, ", "))
	}
	return b.String()
}

func inMs(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// DeployNotes says what the table was made with.
func deployNotes() string {
	var versions []string
	for _, name := range strings.Fields("starman libserver-starter-perl unicorn gunicorn puma nginx-light php8.2-fpm supervisor daemontools runit s6") {
		out, _ := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output()
		versions = append(versions, name+" "+cmp.Or(string(out), "?"))
	}
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	kernel, _, _ := strings.Cut(strings.TrimSpace(string(b)), "-")
	return fmt.Sprintf("Linux %s; %s.\n\n", kernel, strings.Join(versions, ", "))
}

// The table of docs/deploys.md stands between these lines.
const tableBegin, tableEnd = "<!-- Written by make deploys. -->\n", "<!-- End of what make deploys writes. -->\n"

func replaceTable(path, table string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(b), tableBegin)
	old, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		return fmt.Errorf("cannot write the table: %s lacks the lines %q and %q", path, tableBegin, tableEnd)
	}
	measured := map[string]bool{}
	for line := range strings.Lines(table) {
		measured[method(line)] = true
	}
	for line := range strings.Lines(old) {
		if name := method(line); name != "" && !measured[name] {
			table += line
		}
	}
	return os.WriteFile(path, []byte(before+tableBegin+table+tableEnd+after), 0o644)
}

// method is what a line of the table is about; "" if it is no row.
func method(line string) string {
	if !strings.HasPrefix(line, "| `") {
		return ""
	}
	name, _, _ := strings.Cut(line[2:], " |")
	return name
}
