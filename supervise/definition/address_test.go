package definition

import (
	"fmt"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	long := "/" + strings.Repeat("x", 107)
	tests := []struct{ in, network, address, fault, hint string }{
		{"127.0.0.1:5000", "tcp", "127.0.0.1:5000", "", ""},
		{"[::1]:5000", "tcp", "[::1]:5000", "", ""},
		{"[0:0:0:0:0:0:0:1]:05000", "tcp", "[::1]:5000", "", ""},
		{"0.0.0.0:65535", "tcp", "0.0.0.0:65535", "", ""},
		{"[::]:80", "tcp", "[::]:80", "", ""},
		{"*:80", "tcp", "[::]:80", "", ""},
		{":80", "tcp", "[::]:80", "", ""},
		{"udp:127.0.0.1:53", "udp", "127.0.0.1:53", "", ""},
		{"udp:*:53", "udp", "[::]:53", "", ""},
		{"unix:/run/x.sock", "unix", "/run/x.sock", "", ""},
		{"unix:/run/./a/..//x:1.sock", "unix", "/run/x:1.sock", "", ""},
		{"unix:" + long[:107], "unix", long[:107], "", ""},

		{"", "", "", `the port is missing in ""`, ""},
		{"5000", "", "", `"5000" does not say at which address`, `write "127.0.0.1:5000", or "[::]:5000" for every address that there is`},
		{"udp:53", "", "", `"udp:53" does not say at which address`, `write "udp:127.0.0.1:53", or "udp:[::]:53" for every address that there is`},
		{"127.0.0.1", "", "", `the port is missing in "127.0.0.1"`, `write "127.0.0.1:5000"`},
		{"::1", "", "", `the port is missing in "::1"`, `write "[::1]:5000"`},
		{"[::1]", "", "", `the port is missing in "[::1]"`, `write "[::1]:5000"`},
		{"localhost", "", "", `the port is missing in "localhost"`, ""},
		{"127.0.0.1:", "", "", `"" is no port: want a number from 1 to 65535`, ""},
		{"127.0.0.1:0", "", "", "port 0 would be any port, which nobody could know", "choose a number from 1 to 65535"},
		{"127.0.0.1:65536", "", "", `"65536" is no port: want a number from 1 to 65535`, ""},
		{"127.0.0.1:http", "", "", `"http" is no port: want a number from 1 to 65535`, ""},
		{"127.0.0.1:+80", "", "", `"+80" is no port: want a number from 1 to 65535`, ""},
		{"localhost:80", "", "", `"localhost" is no numeric address, and the address of a name may change`, `"127.0.0.1:80"`},
		{"udp:localhost:80", "", "", `"localhost" is no numeric address, and the address of a name may change`, `"udp:127.0.0.1:80"`},
		{"shop.example:80", "", "", `"shop.example" is no numeric address, and the address of a name may change`, "write the address itself"},
		{"127.1:80", "", "", `"127.1" is no numeric address, and the address of a name may change`, "write the address itself"},
		{"fe80::1:80:x", "", "", wantAddress + `, not "fe80::1:80:x"`, `an IPv6 address stands in brackets: "[::1]:5000"`},
		{"fe80::1:8080:9", "", "", `the port is missing in "fe80::1:8080:9"`, `write "[fe80::1:8080:9]:5000"`},
		{"[fe80::1%eth0]:80", "", "", `an address of one link cannot be held: its zone "eth0" may change`, ""},
		{"[::ffff:127.0.0.1]:80", "", "", `"::ffff:127.0.0.1" is an IPv4 address in an IPv6 one`, `"127.0.0.1:80"`},
		{" 127.0.0.1:80", "", "", `" 127.0.0.1" is no numeric address, and the address of a name may change`, "write the address itself"},
		{"127.0.0.1:80 ", "", "", `"80 " is no port: want a number from 1 to 65535`, ""},
		{"127.0.0.1:80=3", "", "", "gsv chooses the number of the descriptor itself", `"127.0.0.1:80"`},
		{"tcp:127.0.0.1:80", "", "", "tcp needs no word in front", `"127.0.0.1:80"`},
		{"tcp:nobody", "", "", "tcp needs no word in front", "leave it out"},
		{"tcp://127.0.0.1:80", "", "", wantAddress + `, not "tcp://127.0.0.1:80"`, `"127.0.0.1:80"`},
		{"http://localhost/x", "", "", wantAddress + `, not "http://localhost/x"`, `"127.0.0.1:80"`},
		{"HTTPS://[::1]?x", "", "", wantAddress + `, not "HTTPS://[::1]?x"`, `"[::1]:443"`},
		{"udp://*:53", "", "", wantAddress + `, not "udp://*:53"`, `"udp:[::]:53"`},
		{"unix:///run/x", "", "", wantAddress + `, not "unix:///run/x"`, `"unix:/run/x"`},
		{"unix://run/x", "", "", wantAddress + `, not "unix://run/x"`, ""},
		{"fd://3", "", "", wantAddress + `, not "fd://3"`, ""},
		{"/run/x.sock", "", "", wantAddress + `, not "/run/x.sock"`, `"unix:/run/x.sock"`},
		{"/run/x/", "", "", wantAddress + `, not "/run/x/"`, ""},
		{"unix:", "", "", "the path of the socket is missing", `write "unix:/run/web.sock"`},
		{"unix:x.sock", "", "", `want an absolute path, not "x.sock"`, `write "unix:/run/web.sock"`},
		{"unix:~/x.sock", "", "", `want an absolute path, not "~/x.sock"`, ""},
		{"unix:/run/", "", "", `"/run/" is a directory's name`, ""},
		{"unix:@x", "", "", `want the path of a socket, not the abstract name "@x"`, ""},
		{"@x", "", "", `want the path of a socket, not the abstract name "@x"`, ""},
		{"unix:/run/x;y", "", "", "a path with ; or = or a line break would break SERVER_STARTER_PORT", ""},
		{"unix:" + long, "", "", "108 bytes are too many for a socket's path: the kernel takes 107", ""},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			src := "command = 'x'\nlisten.http.address = " + tomlString(tt.in) + "\n"
			d, problems := Parse("web", "web.toml", []byte(src), Defaults{})
			if tt.fault == "" {
				if d == nil || len(problems) > 0 || d.Listen[0].Network != tt.network || d.Listen[0].Address != tt.address {
					t.Fatalf("got %+v\n%s", d, problems)
				}
				return
			}
			if d != nil || len(problems) != 1 {
				t.Fatalf("want one problem, got:\n%s", problems)
			}
			p := problems[0]
			if p.Line != 2 || p.Col != 23 || p.Text != "listen.http.address: "+tt.fault || !strings.Contains(p.Hint, tt.hint) {
				t.Errorf("got\n%s\nwant %s (%s)", p, tt.fault, tt.hint)
			}
			// What is shown to be written must be taken.
			if ours, ok := strings.CutPrefix(p.Hint, "write address = "); ok {
				if d, problems := Parse("web", "", []byte("command = 'x'\nlisten.http.address = "+ours+"\n"), Defaults{}); d == nil {
					t.Errorf("the hint is bad itself:\n%s", problems)
				}
			}
		})
	}
}

// Addresses that the kernel cannot bind beside each other are an error, all others are not.
func TestAddressesBesideEachOther(t *testing.T) {
	tests := []struct {
		a, b   string
		good   bool
		v6only bool // of a
	}{
		{"127.0.0.1:80", "127.0.0.1:80", false, false},
		{"127.0.0.1:80", "127.0.0.1:81", true, false},
		{"127.0.0.1:80", "udp:127.0.0.1:80", true, false},
		{"127.0.0.1:80", "[::1]:80", true, false},
		{"127.0.0.1:80", "127.0.0.2:80", true, false},
		{"[::]:80", "0.0.0.0:80", true, true},
		{":80", "0.0.0.0:80", true, true},
		{"udp:[::]:80", "udp:0.0.0.0:80", true, true},
		{"[::]:80", "udp:0.0.0.0:80", true, false},
		{"[::]:80", "0.0.0.0:81", true, false},
		{"[::]:80", "127.0.0.1:80", false, false},
		{"[::]:80", "[::1]:80", false, false},
		{"0.0.0.0:80", "127.0.0.1:80", false, false},
		{"0.0.0.0:80", "[::1]:80", true, false},
		{"[::]:80", "*:80", false, false},
		{"unix:/x", "unix:/x", false, false},
		{"unix:/x", "unix:/y", true, false},
	}
	for _, tt := range tests {
		for _, order := range []string{"[listen.a]\naddress = '%[1]s'\n[listen.b]\naddress = '%[2]s'\n", "[listen.b]\naddress = '%[2]s'\n[listen.a]\naddress = '%[1]s'\n"} {
			src := "command = 'x'\n" + fmt.Sprintf(order, tt.a, tt.b)
			d, problems := Parse("web", "web.toml", []byte(src), Defaults{})
			if (d != nil) != tt.good || !tt.good && (len(problems) != 1 || problems[0].Line != 5) {
				t.Errorf("%s and %s:\n%s", tt.a, tt.b, problems)
			}
			if d == nil {
				continue
			}
			for i, name := range []string{order[8:9], map[string]string{"a": "b", "b": "a"}[order[8:9]]} {
				if s := d.Listen[i]; s.Name != name || s.V6Only != (name == "a" && tt.v6only) {
					t.Errorf("%s and %s: %+v", tt.a, tt.b, d.Listen)
				}
			}
		}
	}
	// Two that both share their port may be there.
	parse(t, "command = 'x'\n[listen.a]\naddress = '[::]:80'\nreuse-port = true\n[listen.b]\naddress = '127.0.0.1:80'\nreuse-port = true\n")
}

func TestSocketDefaults(t *testing.T) {
	d := parse(t, "command = 'x'\nlisten.u.address = 'unix:/x'\nlisten.t.address = ':1'\n")
	if u, tcp := d.Listen[0], d.Listen[1]; u != (Socket{Name: "u", Network: "unix", Address: "/x", Mode: 0o660}) || tcp != (Socket{Name: "t", Network: "tcp", Address: "[::]:1"}) {
		t.Errorf("%+v", d.Listen)
	}
	var many strings.Builder
	many.WriteString("command = 'x'\n")
	for i := range maxSockets + 1 {
		fmt.Fprintf(&many, "listen.s%d.address = ':%d'\n", i, 1000+i)
	}
	if d, problems := Parse("web", "", []byte(many.String()), Defaults{}); d != nil || len(problems) != 1 || problems[0].Text != "listen: 101 sockets are too many: at most 100" {
		t.Error(problems)
	}
	for name, good := range map[string]bool{strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, "A.b_c-9": true, "": false, "ä": false, "a b": false, "a\n": false, "private": false, "Private": true} {
		if d, problems := Parse("web", "", []byte("command = 'x'\n[listen."+tomlString(name)+"]\naddress = ':1'"), Defaults{}); (d != nil) != good {
			t.Errorf("%q: %s", name, problems)
		}
	}
}
