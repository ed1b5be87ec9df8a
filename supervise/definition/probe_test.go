package definition

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What proves that a service is ready, as it is written and as it is meant.
func TestProbes(t *testing.T) {
	plain := parse(t, "command = 'x'").Ready
	with := func(change func(*Ready)) Ready {
		r := plain
		change(&r)
		return r
	}
	http := func(network, address, host, path string) Ready {
		return with(func(r *Ready) { r.HTTP = HTTP{network, address, host, path} })
	}
	const held = "[listen.a]\naddress = '127.0.0.1:5000'\n"
	tests := []struct {
		src  string
		want Ready
	}{
		{"", plain},
		{"ready.workers = false", plain},
		{"ready.notify = false", plain},
		{"ready.workers = true", with(func(r *Ready) { r.Workers = true })},
		{"ready.exec = 'test -e /x'", with(func(r *Ready) { r.Exec = []string{"test", "-e", "/x"} })},
		{"ready.notify = true", with(func(r *Ready) { r.Notify = true })},
		{"type = 'notify'", with(func(r *Ready) { r.Notify = true })},
		{"type = 'notify-reload'", with(func(r *Ready) { r.Notify = true })},
		{"type = 'notify'\nready.notify = true", with(func(r *Ready) { r.Notify = true })},
		{"ready.fd = 3", with(func(r *Ready) { r.FD = 3 })},
		{"ready.fd = 250\n" + held, with(func(r *Ready) { r.FD = 250 })},
		{"ready.log-line = '^serving on [0-9]+$'", with(func(r *Ready) { r.LogLine = "^serving on [0-9]+$" })},
		{"ready.tcp = '127.0.0.1:5000'", with(func(r *Ready) { r.TCP = "127.0.0.1:5000" })},
		{"ready.tcp = '127.0.0.1:5001'\n" + held, with(func(r *Ready) { r.TCP = "127.0.0.1:5001" })},
		{"ready.tcp = '[::1]:5000'\n" + held, with(func(r *Ready) { r.TCP = "[::1]:5000" })},
		{"ready.tcp = 'shop.example:5000'\n" + held, with(func(r *Ready) { r.TCP = "shop.example:5000" })},
		{"ready.tcp = '127.0.0.1:5000'\nlisten.a.address = 'udp:127.0.0.1:5000'", with(func(r *Ready) { r.TCP = "127.0.0.1:5000" })},
		{"ready.tcp = '127.0.0.1:80'\nlisten.a.address = '[::]:80'\nlisten.b.address = 'udp:0.0.0.0:80'\nlisten.c.address = '0.0.0.0:81'", Ready{}},
		{"ready.tcp = '127.0.0.1:5000'\nlisten.a.address = '[::1]:5000'", with(func(r *Ready) { r.TCP = "127.0.0.1:5000" })},
		{"ready.unix = '/run/y'\nlisten.a.address = 'unix:/run/x'", with(func(r *Ready) { r.Unix = "/run/y" })},
		{"ready.http = 'http://127.0.0.1:80/x'", http("tcp", "127.0.0.1:80", "", "/x")},
		{"ready.http = 'http://shop.example'", http("tcp", "shop.example:80", "", "/")},
		{"ready.http = 'http://[::1]:08080?a=b/c'", http("tcp", "[::1]:8080", "", "/?a=b/c")},
		{"ready.http = 'http://a/%20x?y'", http("tcp", "a:80", "", "/%20x?y")},
		{"ready.http = 'http://unix:/run/../x.sock:/health?x=:'", http("unix", "/x.sock", "localhost", "/health?x=:")},
		{"ready.http = 'http://unix:/run/x.sock'", http("unix", "/run/x.sock", "localhost", "/")},
		{"ready.http = 'http://unix:/run/x.sock:/'\nready.headers = { HOST = 'shop' }", http("unix", "/run/x.sock", "shop", "/")},
		{"ready.http = '/health?x'\npreset = 'starman'\n" + held, http("", "", "", "/health?x")},
		{"ready.http = '/health'\npreset = 'gunicorn'\nready.headers = { host = 'shop', B = 'c' }\n" + held, with(func(r *Ready) {
			r.HTTP, r.Headers = HTTP{Host: "shop", Path: "/health"}, map[string]string{"B": "c"}
		})},
		{"ready.http = 'http://a'\nready.status = 204", with(func(r *Ready) {
			r.HTTP, r.Statuses = HTTP{Network: "tcp", Address: "a:80", Path: "/"}, []StatusRange{{204, 204}}
		})},
		{"ready.http = 'http://a'\nready.status = ' 200 - 299 , 404,500-599'", with(func(r *Ready) {
			r.HTTP, r.Statuses = HTTP{Network: "tcp", Address: "a:80", Path: "/"}, []StatusRange{{200, 299}, {404, 404}, {500, 599}}
		})},
		{"preset = 'starman'", with(func(r *Ready) { r.Workers = true })},
		{"preset = 'starman'\ntype = 'forking'", with(func(r *Ready) { r.Workers = true })},
		{"type = 'forking'", plain},
		{"preset = 'starman'\ntype = 'notify'", with(func(r *Ready) { r.Notify = true })},
		{"preset = 'starman'\nready.log-line = 'x'", with(func(r *Ready) { r.LogLine = "x" })},
		{"preset = 'starman'\nready.notify = false", with(func(r *Ready) { r.Workers = true })},
	}
	for _, tt := range tests {
		t.Run(tt.src, func(t *testing.T) {
			d, problems := Parse("web", "", []byte("command = 'x'\n"+tt.src), Defaults{})
			if want := tt.want.Interval != 0; (d != nil) != want {
				t.Fatal(problems)
			}
			if d == nil {
				return
			}
			got := d.Ready
			if len(got.Headers) == 0 {
				got.Headers = nil
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if h := d.Ready.HTTP; h.Private() != strings.Contains(tt.src, "http = '/") {
				t.Errorf("private is %t", h.Private())
			}
		})
	}
}

func TestPidFile(t *testing.T) {
	for src, want := range map[string]string{
		"": "", "pid-file = '/run/../x.pid'": "/x.pid",
		"working-directory = '/srv/app'\npid-file = 'tmp/x.pid'": "/srv/app/tmp/x.pid", "working-directory = '/srv/app'\npid-file = '../x.pid'": "/srv/x.pid",
	} {
		if d := parse(t, "command = 'x'\n"+src); d.PidFile != want {
			t.Errorf("%q: %q", src, d.PidFile)
		}
	}
	if d, _ := Parse("web", "", []byte("command = 'x'\nworking-directory = 'app'\npid-file = 'x.pid'"), Defaults{}); d != nil {
		t.Error("a path that counts from nowhere is taken:", d.PidFile)
	}
}
