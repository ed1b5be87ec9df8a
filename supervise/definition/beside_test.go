package definition

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a command says beside held sockets: the facts are those of each server, tried with the real ones.
func TestBeside(t *testing.T) {
	const tcp, unix, replace = "[listen.http]\naddress = '127.0.0.1:5000'\n", "[listen.http]\naddress = 'unix:/run/x.sock'\n", "reload = 'replace'\n"
	const any, v6 = "[listen.http]\naddress = '0.0.0.0:5000'\n", "[listen.http]\naddress = '[::]:5000'\n"
	tests := []struct{ command, rest, want, word string }{
		// A program that is not known.
		{"serve", tcp, "", ""},
		{"serve --listen 127.0.0.1:5000", tcp, "warning: command: gsv holds this as listen.http: to bind it again fails", "127.0.0.1:5000"},
		{"serve --listen=127.0.0.1:5000", tcp, "warning: command: gsv holds this as listen.http: to bind it again fails", "127.0.0.1:5000"},
		{"serve :5000", tcp, "warning: command: gsv holds this as listen.http: to bind it again fails", ":5000"},
		{"serve localhost:5000", v6, "warning: command: gsv holds this as listen.http: to bind it again fails", "localhost:5000"},
		{"serve http://127.0.0.1:5000/", tcp, "warning: command: gsv holds this as listen.http: to bind it again fails", "http://127.0.0.1:5000/"},
		{"serve -p 5000", tcp, "warning: command: gsv holds this as listen.http: to bind it again fails", "5000"},
		{"serve --port=5000", tcp, "warning: command: gsv holds this as listen.http: to bind it again fails", "5000"},
		{"serve -n 5000", tcp, "", ""},
		{"serve 127.0.0.1:5001", tcp, "", ""},
		{"serve udp:127.0.0.1:5000", tcp, "", ""},
		{"serve /run/x.sock", unix, "warning: command: gsv holds this as listen.http: to bind it again fails", "/run/x.sock"},
		{"serve unix:///run/x.sock", unix, "warning: command: gsv holds this as listen.http: to bind it again fails", "unix:///run/x.sock"},
		{"sh -c \"exec serve 'unix:/run/x.sock'\"", unix, "warning: command: gsv holds this as listen.http: to bind it again fails", ""},

		// Starman takes what it is given, IPv4, and nothing else.
		{"starman", tcp, "", ""},
		{"starman --listen 127.0.0.1:5000", tcp, "", ""},
		{"starman --listen :5000 --port 5000", any, "", ""},
		{"starman --listen 127.0.0.1:8080", tcp, "warning: command: has no effect: starman listens on the held sockets alone", "127.0.0.1:8080"},
		{"plackup -s Starman -L Delayed -p 8080", tcp, "warning: command: has no effect: plackup listens on the held sockets alone", "8080"},
		{"starman -l /run/x.sock", tcp, "warning: command: has no effect: starman listens on the held sockets alone", "/run/x.sock"},
		{"starman --listen :5000:ssl", tcp, "warning: command: on held sockets starman does no TLS", ":5000:ssl"},
		{"starman --enable-ssl", tcp, "warning: command: on held sockets starman does no TLS", "--enable-ssl"},
		{"starman", unix, "listen.http.address: starman takes only IPv4 sockets from elsewhere: who connects to this one would get no answer", ""},
		{"starman", v6, "listen.http.address: starman takes only IPv4 sockets from elsewhere: who connects to this one would get no answer", ""},
		{"starman", "[listen.http]\naddress = 'udp:127.0.0.1:53'", "listen.http.address: starman takes only IPv4 sockets from elsewhere: who connects to this one would get no answer", ""},
		{"mine --listen 127.0.0.1:8080", "preset = 'starman'\n" + unix, "", ""},
		{"starman --pid /run/x.pid", tcp, "", ""},
		{"starman --pid /run/x.pid", replace + tcp, "warning: command: starman does not start while its pid file names a process that is there, so no new generation comes to be", "/run/x.pid"},

		// unicorn binds what it is told and has not been given.
		{"unicorn -c x", tcp, "", ""},
		{"unicorn -c x -l 127.0.0.1:5000", tcp, "", ""},
		{"unicorn -c x -l unix:/run/x.sock", unix, "", ""},
		{"unicorn -c x -l 5000", any, "", ""},
		{"unicorn -c x -p 5000", any, "", ""},
		{"unicorn -c x -o 127.0.0.1 -p 5000", tcp, "", ""},
		{"unicorn -c x -l '[::]:5000'", v6, "", ""},
		{"unicorn -c x -l :5000", tcp, "warning: command: not the same as listen.http, which is 127.0.0.1:5000: it would be bound, and cannot be beside that", ":5000"},
		{"unicorn -c x -l localhost:5000", tcp, "", ""},
		{"unicorn -c x -l 5000", v6, "warning: command: not the same as listen.http, which is [::]:5000: it would be bound, and cannot be beside that", "5000"},
		{"unicorn -c x -p 5000", tcp, "warning: command: not the same as listen.http, which is 127.0.0.1:5000: it would be bound, and cannot be beside that", "5000"},
		{"unicorn -c x -l 127.0.0.1:8080", tcp, "", ""},
		{"unicorn -c x -l 127.0.0.1:8080", replace + tcp, "warning: command: not held: a new generation cannot bind it while the old one is there", "127.0.0.1:8080"},
		{"unicorn -c x -P /run/x.pid", replace + tcp, "warning: command: unicorn does not start while its pid file names a process that is there, so no new generation comes to be", "/run/x.pid"},

		// gunicorn binds nothing.
		{"gunicorn a:a", tcp, "", ""},
		{"gunicorn a:a", unix, "", ""},
		{"gunicorn -b 127.0.0.1:5000 a:a", tcp, "", ""},
		{"gunicorn -b :8080 a:a", tcp, "warning: command: has no effect: gunicorn listens on the held sockets alone", ":8080"},
		{"gunicorn --pid x a:a", replace + tcp, "warning: command: gunicorn does not start while its pid file names a process that is there, so no new generation comes to be", "x"},
		{"gunicorn a:a", "reload = 'usr2'\n" + tcp, "reload: gunicorn loses what it has inherited by LISTEN_FDS when it executes itself anew", ""},
		{"gunicorn -b :1 a:a", "reload = 'usr2'\n", "", ""},

		// puma takes what its binds name in the same way.
		{"puma -b tcp://127.0.0.1:5000", tcp, "", ""},
		{"puma --bind=unix:///run/x.sock", unix, "", ""},
		{"puma -b 'tcp://[::]:5000'", v6, "", ""},
		{"puma -p 5000", any, "", ""},
		{"puma -C x.rb", tcp, "", ""},
		{"puma --bind-to-activated-sockets only", unix, "", ""},
		{"puma --bind-to-activated-sockets -p 5000", tcp, "", ""},
		{"puma -p 5000", tcp, "warning: command: not the same as listen.http, which is 127.0.0.1:5000: it would be bound, and cannot be beside that", "5000"},
		{"puma -b tcp://0.0.0.0:5000", tcp, "warning: command: not the same as listen.http, which is 127.0.0.1:5000: it would be bound, and cannot be beside that", "tcp://0.0.0.0:5000"},
		{"puma -b tcp://localhost:5000", tcp, "warning: command: not the same as listen.http, which is 127.0.0.1:5000: it would be bound, and cannot be beside that", "tcp://localhost:5000"},
		{"puma -b tcp://127.0.0.1:8080", tcp, "warning: listen.http.address: puma closes a held socket that no --bind names", ""},

		// uwsgi speaks its own protocol on what it is not told of as fd://N.
		{"uwsgi --http-socket fd://3", tcp, "", ""},
		{"uwsgi -s 127.0.0.1:5000", tcp, "", ""},
		{"uwsgi --http-socket 127.0.0.1:5000", tcp, "warning: command: gsv holds it as listen.http: uwsgi must be told the descriptor to speak HTTP on it", "127.0.0.1:5000"},
		{"uwsgi --http-socket :5000", tcp, "warning: command: gsv holds it as listen.http: uwsgi must be told the descriptor to speak HTTP on it", ":5000"},

		{"php-fpm8.2 -F", tcp, "", ""},
		{"php-fpm8.2 -F", unix, "listen.http.address: php-fpm8.2 removes the path of a unix socket when it ends, and nobody could connect to the next one", ""},
		{"env FPM_SOCKETS=/any=3 php-fpm8.2 -F", unix, "", ""},
		{"start_server --port 5000 -- starman", tcp, "warning: listen.http.address: start_server takes no held sockets: it binds its own", ""},
		{"apache2 -D FOREGROUND", tcp, "warning: listen.http.address: apache2 takes no held sockets: it binds its own", ""},

		// nginx that is given sockets stays in the foreground, and is deaf to USR2 there.
		{"nginx", tcp, "", ""},
		{"nginx", "type = 'forking'\n", "", ""},
		{"nginx", "type = 'forking'\nreload = 'usr2'\n", "", ""},
		{"nginx -g 'daemon off;'", "reload = 'usr2'\n", "reload: nginx ignores USR2 for as long as the process that started it is there: in the foreground always", ""},
		{"nginx", "reload = 'usr2'\n" + tcp, "reload: nginx stays in the foreground when it is given sockets, where it ignores USR2", ""},

		// Whoever is to go into the background must do so.
		{"starman", "type = 'forking'\n", "warning: type: starman stays in the foreground, and gsv would wait for its end", ""},
		{"starman -D", "type = 'forking'\n", "", ""},
		{"puma", "type = 'forking'\n", "warning: type: puma stays in the foreground, and gsv would wait for its end", ""},
		{"gunicorn a:a", "type = 'forking'\n", "", ""},
		{"php-fpm8.2", "type = 'forking'\n", "", ""},
		{"php-fpm8.2 -F", "type = 'forking'\n", "warning: type: php-fpm8.2 stays in the foreground, and gsv would wait for its end", ""},
		{"nginx -g 'daemon off;'", "type = 'forking'\n", "warning: type: nginx stays in the foreground, and gsv would wait for its end", ""},
		{"nginx -g 'daemon on;'", "type = 'forking'\n", "", ""},

		{"x", replace, "warning: reload: gsv holds no socket for it, and a new generation cannot bind an address that the old one has", ""},
		{"x", "reload = 'usr2'\n", "reload: which signal starts a successor is not known of this command", ""},
		{"puma", "reload = 'usr2'\n", "reload: puma has no signal that starts a successor beside it", ""},
		{"my-unicorn", "preset = 'unicorn'\nreload = 'usr2'\n", "", ""},
		{"x", replace + tcp + "[ready]\ntcp = '127.0.0.1:6000'", "warning: ready.tcp: in a replacement the old generation answers there, so it proves nothing of the new one", ""},
		{"x", replace + tcp + "[ready]\nhttp = 'http://127.0.0.1:6000/'", "warning: ready.http: in a replacement the old generation answers there, so it proves nothing of the new one", ""},
		{"starman", replace + tcp + "[ready]\nhttp = '/'", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.command+" "+strings.ReplaceAll(tt.rest, "\n", " "), func(t *testing.T) {
			src := "command = " + tomlString(tt.command) + "\n" + tt.rest
			_, problems := Parse("web", "web.toml", []byte(src), Defaults{})
			var got []string
			for _, p := range problems {
				if strings.Contains(p.Text, "goes into the background") {
					continue
				}
				text := p.Text
				if p.Warning {
					text = "warning: " + text
				}
				got = append(got, text)
				if shown := string([]rune(p.LineText)[p.Col-1 : p.Col-1+p.Width]); tt.word != "" && shown != tt.word {
					t.Errorf("the caret is below %s, not %s", shown, tt.word)
				}
				if p.Hint == "" {
					t.Errorf("no hint: %s", p)
				}
			}
			if strings.Join(got, "\n") != tt.want {
				t.Errorf("got:\n%s\nwant %s", strings.Join(got, "\n"), tt.want)
			}
		})
	}
	// In an array it is the word that is marked.
	_, problems := Parse("web", "", []byte("command = ['serve', '-l', '127.0.0.1:5000']\n"+tcp), Defaults{})
	if len(problems) != 1 || problems[0].Col != 27 || problems[0].Width != 16 {
		t.Errorf("got:\n%s", problems)
	}
}

// Which servers have a socket at which one generation can be asked alone.
func TestPrivate(t *testing.T) {
	for command, want := range map[string]bool{
		"starman": true, "unicorn -c x": true, "gunicorn a:a": true, "plackup -s Starman -L Delayed": true, "x": false, "nginx": false, "php-fpm -F": false, "start_server -- starman": false,
		"puma": false, "puma -b tcp://0.0.0.0:80": false, "puma --bind-to-activated-sockets only": true, "puma --bind-to-activated-sockets": true,
		"uwsgi --http-socket fd://3": false, "uwsgi --http-socket fd://4": true, "uwsgi --http-socket fd://5": false,
	} {
		src := fmt.Sprintf("command = %s\n", tomlString(command))
		if d := parse(t, src); d.Private() {
			t.Errorf("%s: there is none without held sockets", command)
		}
		with := src + "listen.http.address = '0.0.0.0:80'\n"
		if d := parse(t, with); d.Private() != want {
			t.Errorf("%s: %t", command, d.Private())
		}
		with += "ready.http = '/health'\n"
		if d, problems := Parse("web", "", []byte(with), Defaults{}); (d != nil) != want {
			t.Errorf("%s: %s", command, problems)
		}
	}
}

// What only files tell is looked for when the service directory is read.
func TestSettled(t *testing.T) {
	for _, tt := range []struct {
		name, conf, command string
		warned              bool
	}{
		{"nothing says where", "workers 2\n", "puma -C DIR/puma.rb", true},
		{"bind", "bind 'tcp://127.0.0.1:1'\n", "puma -C DIR/puma.rb", false},
		{"port", "port ENV.fetch('PORT')\n", "puma -C DIR/puma.rb", false},
		{"activated", "bind_to_activated_sockets 'only'\n", "puma -C DIR/puma.rb", false},
		{"another file", "", "puma -C DIR/no.rb", false},
		{"no file", "bind", "puma", true},
		{"in the command", "", "puma -C DIR/puma.rb -b tcp://127.0.0.1:1", false},
		{"another server", "", "starman", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "web.toml")
			src := "working-directory = '" + dir + "'\ncommand = '" + strings.ReplaceAll(tt.command, "DIR", dir) + "'\n[listen.http]\naddress = '127.0.0.1:1'\n"
			for path, text := range map[string]string{file: src, filepath.Join(dir, "puma.rb"): tt.conf} {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			defs, bad, err := LoadFiles([]string{file}, false, Defaults{})
			if err != nil || len(bad) > 0 {
				t.Fatal(bad, err)
			}
			if got := defs[0].Warnings.String(); strings.Contains(got, ":4:11: warning: listen.http.address: puma closes a held socket that no bind names") != tt.warned || !tt.warned && got != "" {
				t.Errorf("%q", got)
			}
		})
	}
}

// Two services that hold one address are told, for only one of them can be up.
func TestSharedAddress(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a": "listen.http.address = '127.0.0.1:1'", "b": "listen.http.address = '127.0.0.1:2'", "c": "listen.web.address = '127.0.0.1:01'", "d": "listen.u.address = 'udp:127.0.0.1:1'",
		"e": "[listen.r]\naddress = ':9'\nreuse-port = true", "f": "[listen.r]\naddress = '[::]:9'\nreuse-port = true",
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".toml"), []byte("command = 'x'\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	defs, bad, err := LoadDirs([]string{dir}, false, Defaults{})
	if err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
	for _, d := range defs {
		want := ""
		if d.Name == "c" {
			want = filepath.Join(dir, "c.toml") + ":2:22: warning: listen.web.address: " + filepath.Join(dir, "a.toml") + " has this address too\n"
		}
		if got, _, _ := strings.Cut(d.Warnings.String(), "    2 |"); got != want {
			t.Errorf("%s: %q", d.Name, got)
		}
	}
}
