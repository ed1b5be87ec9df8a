package server

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gsv/control"
	"gsv/control/server/servertest"
	"gsv/supervise/status"
)

// TestPermitted is the whole decision: the caller is "me", and nobody else's entries count.
func TestPermitted(t *testing.T) {
	mine := []string{"me"}
	for _, tt := range []struct {
		name  string
		allow map[string][]string
		verb  string
		force bool
		start bool
		want  bool
	}{
		{name: "no table", verb: "hup"},
		{name: "someone else's", allow: map[string][]string{"hup": {"you"}}, verb: "hup"},
		{name: "the verb", allow: map[string][]string{"hup": mine}, verb: "hup", want: true},
		{name: "its alias", allow: map[string][]string{"reload": mine}, verb: "hup", want: true},
		{name: "another verb", allow: map[string][]string{"hup": mine}, verb: "stop"},
		{name: "hup does not replace", allow: map[string][]string{"hup": mine}, verb: "replace"},
		{name: "nor does reload", allow: map[string][]string{"reload": mine, "restart": mine, "usr2": mine}, verb: "replace"},
		{name: "replace does not hup", allow: map[string][]string{"replace": mine}, verb: "hup"},
		{name: "replace by name", allow: map[string][]string{"replace": mine}, verb: "replace", want: true},
		{name: "operate replaces", allow: map[string][]string{"operate": mine}, verb: "replace", want: true},
		{name: "read does not", allow: map[string][]string{"read": mine}, verb: "replace"},
		{name: "replace that may start needs both", allow: map[string][]string{"replace": mine}, verb: "replace", start: true},
		{name: "and has both, to replace", allow: map[string][]string{"replace": mine, "start": mine}, verb: "replace", start: true, want: true},
		{name: "status comes with replace", allow: map[string][]string{"replace": mine}, verb: "status", want: true},
		{name: "status comes with any verb", allow: map[string][]string{"hup": mine}, verb: "status", want: true},
		{name: "wait comes with any verb", allow: map[string][]string{"hup": mine}, verb: "wait", want: true},
		{name: "logs do not", allow: map[string][]string{"hup": mine}, verb: "logs"},
		{name: "nor do events", allow: map[string][]string{"hup": mine}, verb: "events"},
		{name: "read reads logs", allow: map[string][]string{"read": mine}, verb: "logs", want: true},
		{name: "read does not hup", allow: map[string][]string{"read": mine}, verb: "hup"},
		{name: "operate does", allow: map[string][]string{"operate": mine}, verb: "hup", want: true},
		{name: "operate reads", allow: map[string][]string{"operate": mine}, verb: "logs", want: true},
		{name: "operate sends term", allow: map[string][]string{"operate": mine}, verb: "term", want: true},
		{name: "operate does not kill", allow: map[string][]string{"operate": mine}, verb: "kill"},
		{name: "nor any signal", allow: map[string][]string{"operate": mine}, verb: "signal"},
		{name: "nor force", allow: map[string][]string{"operate": mine}, verb: "usr1", force: true},
		{name: "kill by name", allow: map[string][]string{"kill": mine}, verb: "kill", want: true},
		{name: "force not by the verb's name", allow: map[string][]string{"usr1": mine}, verb: "usr1", force: true},
		{name: "all does everything", allow: map[string][]string{"all": mine}, verb: "signal", force: true, want: true},
		{name: "hup that may start needs both", allow: map[string][]string{"hup": mine}, verb: "hup", start: true},
		{name: "and has both", allow: map[string][]string{"hup": mine, "start": mine}, verb: "hup", start: true, want: true},
		{name: "an unknown key gives nothing", allow: map[string][]string{"frob": mine}, verb: "status"},
		{name: "gsv as a whole is nobody's", allow: map[string][]string{"all": mine}, verb: "shutdown"},
		{name: "nor apply", allow: map[string][]string{"all": mine}, verb: "apply"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := ask{verb: control.Lookup(tt.verb), force: tt.force, orStart: tt.start}
			by := func(entries []string) bool { return slices.Contains(entries, "me") }
			if got := permitted(a, tt.allow, false, by); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if !permitted(a, tt.allow, true, by) {
				t.Error("root may not")
			}
		})
	}
}

// TestEveryVerbHasItsRole: whatever row is added, without an entry nothing but what is harmless is permitted.
func TestEveryVerbHasItsRole(t *testing.T) {
	for _, v := range control.Verbs() {
		for _, force := range []bool{false, true} {
			got := permitted(ask{verb: &v, force: force}, map[string][]string{}, false, func([]string) bool { return true })
			if want := v.Class != control.Service && v.Class != control.Read && v.Role == control.Anyone; got != want {
				t.Errorf("%s by nobody in particular: %v, want %v", v.Name, got, want)
			}
		}
	}
}

func TestNames(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := number(me.Uid)
	c := status.Caller{UID: uid, GID: 4000000001, Groups: []uint32{4000000002, 4000000003}}
	for _, tt := range []struct {
		entry string
		want  bool
	}{
		{me.Username, true}, {me.Uid, true}, {"no-such-user", false}, {"@no-such-group", false}, {"", false}, {"@", false},
		{"@4000000001", true}, {"@4000000003", true}, {"@4000000004", false}, {"4000000001", false}, {"-1", false},
		{"18446744073709551616", false}, {fmt.Sprint(uint64(uid) + 1<<32), false},
	} {
		if got := names([]string{tt.entry}, c); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.entry, got, tt.want)
		}
	}
}

// The other user of the tests below, and what he may do by his supplementary group.
const (
	otherUID   = 64123
	otherGID   = 64124
	otherGroup = 64125
)

// TestMain is also the other user: GSV_TEST_ASK is a socket and a request to make there.
func TestMain(m *testing.M) {
	if text := os.Getenv("GSV_TEST_ASK"); text != "" {
		path, request, _ := strings.Cut(text, " ")
		c, err := net.Dial("unix", path)
		if err != nil {
			fmt.Print(err)
			os.Exit(1)
		}
		io.WriteString(c, request)
		io.Copy(os.Stdout, c)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// asOther makes a request as the other user.
func asOther(t *testing.T, path, method, url, body string) string {
	t.Helper()
	request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", method, url, len(body), body)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	copied := filepath.Join(dir, "test") // go test's own directory is closed to others
	if _, err := os.Stat(copied); err != nil {
		src, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(copied, src, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(copied)
	cmd.Dir = "/"
	cmd.Env = []string{"GSV_TEST_ASK=" + path + " " + request, "GORACE=atexit_sleep_ms=0"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: otherUID, Gid: otherGID, Groups: []uint32{otherGroup}}}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return out.String()
}

// openSocket is serve with a socket that every user can reach.
func openSocket(t *testing.T, f *servertest.Fake, o Options) string {
	t.Helper()
	path := serve(t, f, o)
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(path); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("root is needed to be another user")
	}
}

// TestOtherUser: what the kernel says of the caller is what counts, supplementary groups and all.
func TestOtherUser(t *testing.T) {
	needRoot(t)
	f := servertest.New("db", "shop", "side", "web")
	f.Allows = map[string]map[string][]string{
		"web":  {"hup": {fmt.Sprint(otherUID)}},
		"side": {"replace": {fmt.Sprint(otherUID)}, "watch": {fmt.Sprint(otherUID)}},
		"shop": {"operate": {fmt.Sprintf("@%d", otherGroup)}},
		"db":   {"all": {"root", "@0"}},
	}
	f.Requests = make(chan status.Request, 100)
	f.Past = []status.Operation{{ID: "0", Service: "gone"}, {ID: "1", Service: "db"}, {ID: "2"}}
	for _, name := range []string{"web", "shop"} {
		f.Set(name, func(s *status.Service) {
			main := status.Worker{Pid: s.Pid, RSS: 7, Cwd: "/srv/app", Command: "server --password x"}
			s.Main, s.Workers, s.FileProblem = &main, []status.Worker{main}, "web.toml:1:1: a line"
			s.Watch = &status.Watch{State: status.Watching, Paths: []string{"/srv/app/secret"}}
		})
	}
	path := openSocket(t, f, Options{})
	for _, tt := range []struct{ method, url, body, want string }{
		{"GET", "/v1", "", "200"},
		{"POST", "/v1/services/web/hup", "", "200"},
		{"GET", "/v1/services/web", "", "200"},
		{"GET", "/v1/services/web?for=ps", "", "403"},
		{"GET", "/v1/services/web?for=pid", "", "403"},
		{"GET", "/v1/services/web?for=why", "", "403"},
		{"GET", "/v1/services/shop?for=why", "", "200"},
		{"GET", "/v1/history?service=web", "", "403"},
		{"GET", "/v1/history?service=db", "", "403"},
		{"GET", "/v1/history?service=gone", "", "404"},
		{"GET", "/v1/history?service=shop", "", "200"},
		{"GET", "/v1/history", "", "200"},
		{"GET", "/v1/services/web/wait?for=ready", "", "200"},
		{"GET", "/v1/services/web/logs", "", "403"},
		{"POST", "/v1/services/web/stop", "", "403"},
		{"POST", "/v1/services/web/hup", `{"or_start":true}`, "403"},
		{"POST", "/v1/services/web/replace", "", "403"},
		{"POST", "/v1/services/side/replace", `{"no_check":true}`, "200"},
		{"POST", "/v1/services/side/replace", `{"or_start":true}`, "403"},
		{"POST", "/v1/services/side/hup", "", "403"},
		{"POST", "/v1/services/web/watch", `{"action":"pause"}`, "403"},
		{"POST", "/v1/services/side/watch", `{"action":"pause"}`, "200"},
		{"POST", "/v1/services/shop/watch", `{"action":"resume"}`, "200"},
		{"GET", "/v1/services/side", "", "200"},
		{"GET", "/v1/services/side/logs", "", "403"},
		{"POST", "/v1/services/shop/replace", `{"or_start":true}`, "200"},
		{"POST", "/v1/services/shop/stop", "", "200"},
		{"GET", "/v1/services/shop/logs", "", "200"},
		{"POST", "/v1/services/shop/kill", "", "403"},
		{"POST", "/v1/services/shop/usr1", `{"force":true}`, "403"},
		{"GET", "/v1/services/db", "", "403"},
		{"POST", "/v1/services/db/stop", "", "403"},
		{"POST", "/v1/services", `{"verb":"hup","names":["web","shop"]}`, "200"},
		{"POST", "/v1/services", `{"verb":"hup","all":true}`, "403"},
		{"POST", "/v1/apply", "", "403"},
		{"POST", "/v1/shutdown", "", "403"},
		{"GET", "/v1/events", "", "200"},
	} {
		if got := asOther(t, path, tt.method, tt.url, tt.body); !strings.HasPrefix(got, "HTTP/1.1 "+tt.want) {
			t.Errorf("%s %s %s: want %s, got %s", tt.method, tt.url, tt.body, tt.want, got)
		}
	}
	if got := asOther(t, path, "GET", "/v1/services/web?for=why", ""); !strings.Contains(got, "may not use why on web (role read)") {
		t.Errorf("is told %s", got)
	}
	list := asOther(t, path, "GET", "/v1/services", "")
	if strings.Contains(list, `"db"`) || !strings.Contains(list, `"web"`) || !strings.Contains(list, `"shop"`) {
		t.Errorf("sees %s", list)
	}
	past := asOther(t, path, "GET", "/v1/history", "")
	if strings.Contains(past, `"db"`) || strings.Contains(past, `"gone"`) || strings.Contains(past, `"web"`) || !strings.Contains(past, `"service":"shop"`) {
		t.Errorf("sees of the past %s", past)
	}
	for name, want := range map[string]bool{"web": false, "shop": true} {
		got := asOther(t, path, "GET", "/v1/services/"+name, "")
		if strings.Contains(got, "/srv/app") != want || strings.Contains(got, "--password") != want || strings.Contains(got, "a line") != want || !strings.Contains(got, `"rss":7`) {
			t.Errorf("sees of the processes of %s: %s", name, got)
		}
	}
	if f.Ended() || len(f.Applies()) > 0 {
		t.Error("shutdown or apply was done")
	}
	for len(f.Requests) > 0 {
		if r := <-f.Requests; r.Service == "db" || r.By.UID != otherUID || r.By.GID != otherGID || r.By.User != fmt.Sprint(otherUID) || !slices.Equal(r.By.Groups, []uint32{otherGroup}) {
			t.Errorf("done: %+v", r)
		}
	}
	// The log lines in another's operation are for those who may read logs, or do the same.
	for _, tt := range []struct {
		verb, as, service string
		may               bool
	}{{"hup", "", "web", true}, {"hup", "replace", "web", true}, {"stop", "", "web", false}, {"replace", "", "web", false}, {"replace", "", "side", true}, {"hup", "replace", "side", false}} {
		verb, may := tt.verb, tt.may
		id := "roots-" + verb + tt.as + "-" + tt.service
		if _, err := f.Do(t.Context(), status.Request{ID: id, Verb: verb, Service: tt.service}); err != nil {
			t.Fatal(err)
		}
		f.Finish(id, func(op *status.Operation) { op.As, op.Result, op.Log = tt.as, status.Failed, []string{"a secret"} })
		got, waited := asOther(t, path, "GET", "/v1/operations/"+id, ""), asOther(t, path, "GET", "/v1/operations/"+id+"?wait=true", "")
		if !strings.HasPrefix(got, "HTTP/1.1 200") || strings.Contains(got, "a secret") != may || strings.Contains(waited, "a secret") != may {
			t.Errorf("sees of root's %s: %s\n%s", verb, got, waited)
		}
	}
}

// TestOtherUserWithNothing may see that gsv is there, and no more.
func TestOtherUserWithNothing(t *testing.T) {
	needRoot(t)
	f := servertest.New("web")
	f.Happen(status.Event{Kind: "gsv", Text: "secret"})
	path := openSocket(t, f, Options{})
	for _, url := range []string{"/v1/services", "/v1/services/web", "/v1/events", "/v1/services/web/logs", "/v1/history", "/v1/history?service=web"} {
		if got := asOther(t, path, "GET", url, ""); !strings.HasPrefix(got, "HTTP/1.1 403") || strings.Contains(got, "secret") || !strings.Contains(got, `"exit_code":7`) {
			t.Errorf("%s: %s", url, got)
		}
	}
}

// TestOwnUser: gsv's own user may do all, whoever that is.
func TestOwnUser(t *testing.T) {
	needRoot(t)
	f := servertest.New("web")
	path := openSocket(t, f, Options{UID: otherUID})
	for _, url := range []string{"/v1/services/web/kill", "/v1/apply", "/v1/shutdown"} {
		if got := asOther(t, path, "POST", url, ""); !strings.HasPrefix(got, "HTTP/1.1 20") {
			t.Errorf("%s: %s", url, got)
		}
	}
}

// TestConnectionsOfOneUser: one user cannot take them all, and gets his back.
func TestConnectionsOfOneUser(t *testing.T) {
	l := listener{limit: 2, exempt: func(uid uint32) bool { return uid == 0 }, open: make(map[uint32]int)}
	for i, want := range []bool{true, true, false, false} {
		if got := l.admit(7); got != want {
			t.Errorf("connection %d: %v", i+1, got)
		}
	}
	for range 100 {
		if !l.admit(0) {
			t.Fatal("root was turned away")
		}
	}
	if !l.admit(8) {
		t.Error("another user was turned away")
	}
	l.leave(7)
	l.leave(8)
	if !l.admit(7) {
		t.Error("a closed connection still counts")
	}
	if len(l.open) != 1 {
		t.Errorf("left behind: %v", l.open)
	}
}

func TestPeerGroupsMany(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(pair[0])
	defer syscall.Close(pair[1])
	want, err := syscall.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	got, err := peerGroups(pair[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
