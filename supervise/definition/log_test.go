package definition

import (
	"os"
	"strings"
	"testing"
)

func TestParseSize(t *testing.T) {
	for _, tt := range []struct {
		in, hint string
		want     int64 // -1: an error
	}{
		{"0", "", 0},
		{"1048576", "", 1 << 20},
		{"512KB", "", 512 << 10},
		{"50MB", "", 50 << 20},
		{"1GB", "", 1 << 30},
		{"1024TB", "", 1 << 50},
		{"007MB", "", 7 << 20},
		{"50M", `"50MB"`, -1},
		{"50 MB", `"50MB"`, -1},
		{" 50MB", `"50MB"`, -1},
		{"50mb", `"50MB"`, -1},
		{"50Mb", `"50MB"`, -1},
		{"50MiB", `"50MB"`, -1},
		{"512k", `"512KB"`, -1},
		{"2048k", `"2MB"`, -1},
		{"1T", `"1TB"`, -1},
		{"1000 bytes", `"1000"`, -1},
		{"100B", `"100"`, -1},
		{"1.5GB", `"1536MB"`, -1},
		{"1.0001KB", "", -1},
		{"1025TB", `"1024TB" is the largest`, -1},
		{"9999999999999999999999", `"1024TB" is the largest`, -1},
		{"-5MB", "", -1},
		{"+5MB", "", -1},
		{"", "", -1},
		{"MB", "", -1},
		{"50 apples", "", -1},
		{"1e3", "", -1},
		{"unlimited", "", -1},
	} {
		n, hint, err := parseSize(tt.in)
		if err != nil {
			n = -1
		}
		if n != tt.want || hint != tt.hint {
			t.Errorf("%q: got %d, %q, %v", tt.in, n, hint, err)
		}
	}
	for n, want := range map[int64]string{0: "0", 1: "1", 1000: "1000", 1 << 10: "1KB", 50 << 20: "50MB", 3 << 29: "1536MB", 1 << 50: "1024TB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestLogPath(t *testing.T) {
	for in, want := range map[string]string{
		"web.log": "web.log", "./shop//web.log": "shop/web.log", "a/../web.txt.log": "web.txt.log", "/var/log/./shop.log": "/var/log/shop.log", "..web.log": "..web.log",
		"web-2026.log": "web-2026.log", "gsv.events.log": "gsv.events.log",
	} {
		if got := parse(t, "command = 'a'\nlog.path = '"+in+"'").Log.Path; got != want {
			t.Errorf("%s: got %s", in, got)
		}
	}
	for in, want := range map[string]string{ // part of what is said
		"":                                "leave the key out",
		"/var/log/":                       `such as "/var/log/web.log"`,
		"/":                               "a directory's name",
		".":                               "a directory's name",
		"logs/..":                         "a directory's name",
		"../web.log":                      "leads out of the log directory",
		"a/../../web.log":                 "leads out of the log directory",
		"~/web.log":                       "is not expanded",
		"/dev/null":                       `write log.output = "none"`,
		"/dev/stdout":                     `write log.output = "stdout"`,
		"/dev/shm/../tty":                 "is no log file",
		"gsv.events":                      `write "gsv.events.log"`,
		".index/web.log":                  "gsv keeps its own files there",
		"api-20261123T030405Z.log":        "looks like a log file that was rotated",
		"/x/api-20261123T030405Z.log":     "looks like a log file that was rotated",
		"api-20261123T030405Z":            "looks like a log file that was rotated",
		"api-20261123T030405Z.log.gz":     "looks like a log file that was rotated",
		"web":                             `write "web.log"`,
		"/var/log/web.out":                `write "/var/log/web.out.log"`,
		"/x/.log":                         `write "/x/web.log"`,
		"web.log.gz":                      `write "web.log"`,
		strings.Repeat("x", 197) + ".log": "201 bytes are too many",
	} {
		d, problems := Parse("web", "web.toml", []byte("command = 'a'\nlog.path = '"+in+"'"), Defaults{})
		if d != nil || len(problems) != 1 || problems[0].Line != 2 || !strings.Contains(problems.String(), want) {
			t.Errorf("%s: want %s, got\n%s", in, want, problems)
		}
	}
}

func TestSyslog(t *testing.T) {
	for in, want := range map[string]string{
		"unix": "unix", "unix:/run/log.sock": "unix:/run/log.sock", "udp://loghost:514": "udp://loghost:514", "tcp://10.0.0.1:601": "tcp://10.0.0.1:601", "udp://[fe80::1%eth0]:514": "udp://[fe80::1%eth0]:514",
	} {
		if got := parse(t, "command = 'a'\nlog.syslog = '"+in+"'").Log.Syslog; got != want {
			t.Errorf("%s: got %s", in, got)
		}
	}
	for in, want := range map[string]string{ // part of what is said
		"''":                   `write log.syslog = "unix"`,
		"true":                 `write log.syslog = "unix"`,
		"false":                "leave it out",
		"5":                    "want a string",
		"'/dev/log'":           `write log.syslog = "unix:/dev/log"`,
		"'local'":              `write log.syslog = "unix"`,
		"'unix:'":              `write log.syslog = "unix"`,
		"'unix:log.sock'":      "want an absolute path",
		"'unix:///run/l'":      `write log.syslog = "unix:/run/l"`,
		"'unix:/run/'":         "a directory's name",
		"'udp://loghost'":      `write log.syslog = "udp://loghost:514"`,
		"'tcp://::1'":          `write log.syslog = "tcp://[::1]:514"`,
		"'udp://loghost:0'":    `"0" is no port`,
		"'udp://loghost:x'":    `"x" is no port`,
		"'udp://:514'":         `write log.syslog = "udp://127.0.0.1:514"`,
		"'udp://'":             "is no host and port",
		"'udp://a b:514'":      "is no host and port",
		"'tcp://l:514/x'":      "leave the path out",
		"'udp:loghost:514'":    `write log.syslog = "udp://loghost:514"`,
		"'loghost:514'":        `write log.syslog = "udp://loghost:514"`,
		"'UDP://loghost:514'":  `write log.syslog = "udp://loghost:514"`,
		"'tls://loghost:6514'": "gsv does not encrypt",
		"'http://loghost:514'": `want "unix"`,
		"'loghost'":            `want "unix"`,
	} {
		d, problems := Parse("web", "web.toml", []byte("command = 'a'\nlog.syslog = "+in), Defaults{})
		if d != nil || len(problems) != 1 || problems[0].Line != 2 || !strings.Contains(problems.String(), want) {
			t.Errorf("%s: want %s, got\n%s", in, want, problems)
		}
	}
}

// What says something about log files does nothing where there are none: an error if the file says so itself, else a warning,
// for a file may be used as PID 1 and otherwise.
func TestLogKeysWithoutEffect(t *testing.T) {
	values := map[string]string{"path": "'x.log'", "mode": "'0644'", "group": "0", "stderr": "'separate'", "max-size": "'1MB'", "keep": "1", "max-age": "'1d'",
		"max-total": "'1GB'", "compress": "'none'", "timestamp": "true", "on-full": "'block'", "format": "'json'", "syslog": "'unix'", "journal": "true"}
	for _, k := range logKeys {
		if k.In() == "output" {
			continue
		}
		src := "command = 'a'\n[log]\n" + k.In() + " = " + values[k.In()] + "\n"
		for _, tt := range []struct {
			output    string
			container bool
			to        Output
		}{{"", false, File}, {"", true, Stdout}, {"file", true, File}, {"stdout", false, Stdout}, {"none", false, Discard}} {
			text := src
			if tt.output != "" {
				text += "output = '" + tt.output + "'\n"
			}
			works := tt.to == File
			switch k.In() {
			case "format":
				works = tt.to == Stdout
			case "syslog", "journal":
				works = true
			}
			d, problems := Parse("web", "web.toml", []byte(text), Defaults{Container: tt.container})
			if (len(problems) == 0) != works || !works && (problems[0].Line != 3 || problems.Errors() != (tt.output != "")) {
				t.Errorf("%s with output %q, container %t:\n%s", k.Name, tt.output, tt.container, problems)
			}
			if d != nil && d.Log.Output != tt.to {
				t.Errorf("output %q, container %t: goes to %s", tt.output, tt.container, d.Log.Output)
			}
		}
	}
}

// Two services never write to one log file: who says so by log.path is told, and where both do, both are.
func TestSharedLogs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string // by service, its [log]
		bad   string
	}{
		{"apart", map[string]string{"a": "path='x.log'", "b": "path='y.log'", "c": "path='/srv/x.log'"}, "a=x b=x c=x bad:"},
		{"two paths", map[string]string{"a": "path='x.log'", "b": "path='./x.log'"}, "bad: a b"},
		{"absolute", map[string]string{"a": "path='/srv/x.log'", "b": "path='/srv//x.log'", "c": ""}, "c=x bad: a b"},
		{"another's own", map[string]string{"a": "path='b.log'", "b": ""}, "b=x bad: a"},
		{"another's own, absolute", map[string]string{"a": "path='/var/log/gsv/b.log'", "b": ""}, "b=x bad: a"},
		{"another's error output, absolute", map[string]string{"a": "stderr='separate'", "b": "path='/var/log/gsv//a.err.log'"}, "a=x bad: b"},
		{"another's, below the log directory", map[string]string{"a": "path='/var/log/gsv/x/b.log'", "b": "path='x/b.log'"}, "bad: a b"},
		{"elsewhere", map[string]string{"a": "path='/var/log/b.log'", "b": "", "c": "path='/var/log/gsv/x/b.log'"}, "a=x b=x c=x bad:"},
		{"its own", map[string]string{"a": "path='a.log'"}, "a=x bad:"},
		{"error output", map[string]string{"a": "stderr='separate'", "b": "path='a.err.log'"}, "a=x bad: b"},
		{"error output of a path", map[string]string{"a": "stderr='separate'\npath='x.log'", "b": "path='x.err.log'"}, "bad: a b"},
		{"its own, absolute", map[string]string{"a": "path='/var/log/gsv/a.log'\nstderr='separate'"}, "a=x bad:"},
		{"not in a file", map[string]string{"a": "output='stdout'", "b": "path='a.log'"}, "a=x b=x bad:"},
		{"three", map[string]string{"a": "path='x.log'", "b": "path='x.log'", "c": "path='x.log'"}, "bad: a b c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, log := range tt.files {
				write(t, dir+"/"+name+".toml", "command='x'\n[log]\n"+log+"\n")
			}
			defs, bad, err := LoadDirs([]string{dir}, false, Defaults{LogDir: "/var/log/gsv"})
			if got := loaded(defs, bad); got != tt.bad || err != nil {
				t.Errorf("got %s, %v, want %s", got, err, tt.bad)
			}
		})
	}
	dir := t.TempDir()
	write(t, dir+"/a.toml", "command='x'\n[log]\npath = 'b.log'")
	write(t, dir+"/b.toml", "command='x'")
	_, bad, _ := LoadFiles([]string{dir + "/a.toml", dir + "/b.toml"}, false, Defaults{})
	want := dir + "/a.toml:3:8: log.path: " + dir + "/b.toml has its log there too\n    3 | path = 'b.log'\n      |        ^^^^^^^ choose another path\n"
	if len(bad) != 1 || bad[0].Problems.String() != want {
		t.Errorf("got %v\nwant\n%s", bad, want)
	}
	if _, err := os.Stat(dir + "/b.log"); err == nil {
		t.Error("a log was made")
	}
}
