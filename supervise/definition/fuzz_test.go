package definition

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/bad/*.toml")
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	for _, s := range []string{everything, "command='a'\n[[a]]\nb=1\n[[a]]\nb=2", "a.b.c=1\n[a.d]\n'x y'.\"z\\u0041\" = [{a=1}, {a=2}]", "a='''\n'''''\nb=\"\"\"\\\n \"\"\"\"", "[", "a={", "a=[#\n]", "[a\n=\n\r\x00"} {
		f.Add([]byte(s))
	}
	for _, command := range []string{"puma -p 5000", "starman --listen :5000:ssl --pid x", "unicorn -l 5000 -o ::1", "gunicorn -b :5000 x", "uwsgi --http-socket :5000", "env FPM_SOCKETS=x php-fpm", "serve -p 5000"} {
		f.Add([]byte("command = '" + command + "'\nreload = 'replace'\npid-file = '/x'\nlisten.a.address = '[::]:5000'\n[ready]\nhttp = 'http://unix:/x:/y'\nstatus = 200\nheaders.Host = 'z'\n[listen.b]\naddress = 'unix:/x'\n"))
	}
	for _, s := range []string{"path='a/../b.log'\nmax-size='1.5GB'\nsyslog='udp://[::1%lo]:514'", "output='none'\nsyslog='unix:/x'\nmax-total='5K'", "StandardOutput='append:/x'\nmaxage=7"} {
		f.Add([]byte("command = 'a'\n[log]\n" + s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		d, problems := Parse("web", "web.toml", src, Defaults{Verbs: []string{"hup"}})
		if (d == nil) != problems.Errors() {
			t.Fatalf("definition %v, problems:\n%s", d, problems)
		}
		if !safe(problems.String()) {
			t.Fatalf("not safe for a terminal: %q", problems.String())
		}
		lines := strings.Split(strings.TrimPrefix(string(src), "\ufeff"), "\n")
		for _, p := range problems {
			if p.Text == "" || p.Line > len(lines) || p.Line > 0 && (p.Col < 1 || p.Width < 1 || strings.TrimSuffix(lines[p.Line-1], "\r") != p.LineText) {
				t.Fatalf("problem %+v", p)
			}
		}
		if d == nil {
			return
		}
		again, _ := Parse(d.Name, d.Path, d.Source, Defaults{Verbs: []string{"hup"}})
		if !d.Equal(again) || len(d.Diff(again)) != 0 {
			t.Fatal("the same source gave another definition")
		}
		last := d.StopSequence[len(d.StopSequence)-1]
		if len(d.Command) == 0 || d.Command[0] == "" || last != (StopStep{Signal: kill}) || d.RestartDelay > d.RestartDelayMax || d.RestartDelayFactor < 1 {
			t.Fatalf("not whole: %+v", d)
		}
		asked := 0
		for _, is := range []bool{d.Ready.Workers, d.Ready.TCP != "", d.Ready.Unix != "", !d.Ready.HTTP.IsZero(), d.Ready.Exec != nil, d.Ready.Notify, d.Ready.FD != 0, d.Ready.LogLine != ""} {
			if is {
				asked++
			}
		}
		if asked > 1 || d.Ready.FD != 0 && d.Ready.FD < 3+len(d.Listen) || d.PidFile != "" && d.PidFile[0] != '/' || d.Ready.HTTP.Private() && !d.Private() {
			t.Fatalf("not whole: %+v", d)
		}
		l := d.Log
		if l.MaxSize < 0 || l.MaxTotal < 0 || l.MaxAge < 0 || l.Keep < 0 || l.Mode&0o600 != 0o600 || strings.HasSuffix(l.Path, "/") || strings.HasPrefix(l.Path, "../") {
			t.Fatalf("not whole: %+v", l)
		}
		names := map[string]bool{}
		for _, s := range d.Listen {
			if names[s.Name] || checkSocketName(s.Name) != "" || !slices.Contains([]string{"tcp", "udp", "unix"}, s.Network) || (s.Address[0] == '/') != (s.Network == "unix") || strings.ContainsAny(s.Address, ";=\x00\n") {
				t.Fatalf("not whole: %+v", s)
			}
			names[s.Name] = true
		}
		for _, s := range slices.Concat(d.Command, []string{d.WorkingDirectory, d.Ready.Unix, d.User}) {
			if strings.Contains(s, "\x00") {
				t.Fatalf("zero byte: %q", s)
			}
		}
	})
}

// Whatever the command is, what a preset derives from it is whole.
func FuzzInvocation(f *testing.F) {
	for _, a := range apps {
		f.Add(a.command)
	}
	for _, s := range []string{"start_server -- start_server -- starman -D", "env A=b env", "sh -c 'exec sh -c \"exec starman\"'", "starman -I -- -", "gunicorn -c /dev/zero", "nginx -g", "perl -S", "puma -C /dev/stdin"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, command string) {
		argv, fault := SplitCommand(command)
		if fault != nil || len(argv) == 0 {
			return
		}
		i := invoked(argv, "")
		if len(i.prefix)+len(i.interp)+1+len(i.args) > len(argv)+strings.Count(command, " ") || i.program == "" && argv[0] != "" && i.plain {
			t.Fatalf("%q: %+v", argv, i)
		}
		d := &Definition{Command: argv, Preset: i.preset, WorkingDirectory: "/nowhere"}
		s := d.Server()
		if s.Code != "" && s.Code[0] != '/' {
			t.Fatalf("%q: %+v", argv, s)
		}
		if check, err := d.Check("/nowhere"); check != nil && (err != nil || check[0] == "" || !i.plain) {
			t.Fatalf("%q: %q, %v", argv, check, err)
		}
		if w := workersOf(i); w.Depth == 0 && w != (Workers{}) {
			t.Fatalf("%q: %+v", argv, w)
		}
	})
}

// The locator must find every key that the decoder finds, at a place where it is written.
func FuzzLocate(f *testing.F) {
	for _, s := range []string{everything, "a.b.c=1\n[a.d]\n'x y'.\"z\\u0041\" = 2", "a={b={c=1},d=[1,2,[3]]}", "a=\"\"\"\n]\\\"\"\"\"\nb='''x'''\n[c]\n[c.d]\ne=1979-05-27 07:32:00 # x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > maxSource || strings.HasPrefix(src, "\xff\xfe") || strings.HasPrefix(src, "\xfe\xff") || strings.HasPrefix(src, "\ufeff") {
			return
		}
		l := locate(src)
		for path, p := range l.places {
			if p.key.start < 0 || p.key.start > p.key.end || p.key.end > len(src) || p.val.start > p.val.end || p.val.end > len(src) {
				t.Fatalf("%q: %+v", path, p)
			}
		}
		var tree map[string]any
		if l.beyond != nil {
			return
		}
		if _, err := toml.Decode(src, &tree); err != nil {
			return
		}
		var check func(prefix string, m map[string]any)
		check = func(prefix string, m map[string]any) {
			for name, value := range m {
				p := l.places[prefix+name]
				if p == nil {
					t.Fatalf("%q: no place of %q", src, prefix+name)
				}
				if sub, ok := value.(map[string]any); ok {
					check(prefix+name+pathSep, sub)
				}
				if list, ok := value.([]any); ok && len(list) != len(p.elems) && p.again == nil {
					t.Fatalf("%q: %d elements of %q, found %d", src, len(list), prefix+name, len(p.elems))
				}
			}
		}
		check("", tree)
	})
}

func FuzzSplitCommand(f *testing.F) {
	for _, s := range []string{"a 'b c' \"d\\\"\" e\\ f", "a | b", "A=b", "a \\\n b", "~ # $x `", "a;b||c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := SplitCommand(s)
		if err != nil {
			if words != nil || err.Offset < 0 || err.Len < 0 || err.Offset+err.Len > len(s) || err.Text == "" {
				t.Fatalf("%q: %+v", s, err)
			}
			return
		}
		// Quoting every word gives the same words again.
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		again, err := SplitCommand(strings.Join(quoted, " "))
		if err != nil || !slices.Equal(words, again) {
			t.Fatalf("%q: %q, again %q, %v", s, words, again, err)
		}
	})
}

func FuzzParseEnvFile(f *testing.F) {
	for _, s := range []string{"A=b\n", "export A='b\nc' \"d\"\\\n e #\n;x\n#y\\\nB=", "A=\"\\\n\\x\"", "A=\\", "A"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		vars, err := parseEnvFile(src)
		if err != nil && vars != nil {
			t.Fatal("an error and variables")
		}
		for _, v := range vars {
			if !variableName(v.name) || strings.Contains(v.value, "\x00") {
				t.Fatalf("%q", v)
			}
			// Single quotes keep all but themselves.
			if strings.Contains(v.value, "'") {
				continue
			}
			again, err := parseEnvFile([]byte("export " + v.name + " = '" + v.value + "' "))
			if err != nil || len(again) != 1 || again[0] != v {
				t.Fatalf("%q: %q, %v", v, again, err)
			}
		}
	})
}

// What is shown to be written must be what is meant.
func FuzzTOMLString(f *testing.F) {
	for _, s := range []string{"", `"`, `'`, `\`, `"'\`, "\n\x00\x7f", "ä"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ToValidUTF8(s, "")
		var m map[string]string
		if _, err := toml.Decode("a = "+tomlString(s), &m); err != nil || m["a"] != s {
			t.Fatalf("%q: %s, %v", s, tomlString(s), err)
		}
	})
}

// A hint is a size that is taken, and a size can be written.
func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"50MB", "50M", "1.5 GiB", "0", "-1", "1e3", "1023tb", "99999999999999999999KB", ".5kb", "1..2", "NaN", "1_0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, hint, err := parseSize(s)
		if n < 0 || n > largest || err == nil && hint != "" || err != nil && n != 0 {
			t.Fatalf("%q: %d, %q, %v", s, n, hint, err)
		}
		good := sizeText(n)
		if err != nil {
			if good = strings.Trim(hint, `"`); good == "" || strings.Contains(good, " ") {
				return
			}
		}
		if again, _, e := parseSize(good); e != nil || err == nil && again != n {
			t.Fatalf("%q leads to %q, which is %d, %v", s, good, again, e)
		}
	})
}
