package definition

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// Each testdata/bad/NAME.toml has all that is said about it in NAME.golden.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d, problems := Parse("web", filepath.Base(file), src, Defaults{Verbs: []string{"hup", "status", "start"}})
			if d != nil {
				t.Error("it gave a definition")
			}
			golden(t, strings.TrimSuffix(file, ".toml")+".golden", problems.String())
		})
	}
}

func TestProblemOnTerminal(t *testing.T) {
	long := strings.Repeat("a", 500) + "HERE" + strings.Repeat("b", 500)
	tests := []struct {
		name string
		p    Problem
		want string
	}{
		{"whole file", Problem{Path: "a.toml", Text: "gone", Hint: "look"}, "a.toml: gone\n    look"},
		{"warning", Problem{Path: "a.toml", Line: 1, Col: 1, Width: 1, Text: "odd", LineText: "x", Warning: true},
			"a.toml:1:1: warning: odd\n    1 | x\n      | ^"},
		{"tab", Problem{Path: "a.toml", Line: 12, Col: 2, Width: 3, Text: "odd", LineText: "\tabc"},
			"a.toml:12:2: odd\n   12 |  abc\n      |  ^^^"},
		{"wide characters before", Problem{Path: "a.toml", Line: 1, Col: 3, Width: 1, Text: "odd", LineText: "äö!"},
			"a.toml:1:3: odd\n    1 | äö!\n      |   ^"},
		{"escape sequences", Problem{Path: "\x1b[2J", Line: 1, Col: 1, Width: 1, Text: "\x07\n", Hint: "\u202e", LineText: "\x1b]0;x\x7f"},
			"␛[2J:1:1: ␇␊\n    1 | ␛]0;x␡\n      | ^ \ufffd"},
		{"long line", Problem{Path: "a.toml", Line: 1, Col: 501, Width: 4, Text: "odd", LineText: long},
			"a.toml:1:501: odd\n    1 | … " + strings.Repeat("a", 60) + "HERE" + strings.Repeat("b", 56) + " …\n      | " + strings.Repeat(" ", 62) + "^^^^"},
		{"beyond the line", Problem{Path: "a.toml", Line: 1, Col: 9, Width: 9, Text: "odd", LineText: "ab"},
			"a.toml:1:9: odd\n    1 | ab\n      |   ^"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.String(); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// safe says if s may be written to a terminal as it is.
func safe(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && unicode.IsControl(r) })
}

func TestOneProblem(t *testing.T) {
	tests := []struct {
		name, src string
		line, col int
		text      string
		hint      string // part of it
	}{
		{"nothing", "", 0, 0, `there is no "command", so nothing to run`, "write command"},
		{"only a comment", "# x\n", 0, 0, `there is no "command", so nothing to run`, ""},
		{"command of another type", "command = 3", 1, 11, "command: want a string or an array of strings, not the number 3", ""},
		{"empty command", `command = ""`, 1, 11, "command: want a program to run, not an empty string", ""},
		{"blank command", `command = "  "`, 1, 11, "command: want a program to run, not an empty string", ""},
		{"empty array", `command = []`, 1, 11, "command: want a program to run, not an empty array", ""},
		{"empty program", `command = ["", "x"]`, 1, 12, "command: want a program to run, not an empty string", ""},
		{"number among words", `command = ["x", 5000]`, 1, 17, "command: want a string for each word, not the number 5000", `write "5000"`},
		{"zero byte", `command = ["x", "\u0000"]`, 1, 17, "command: a zero byte cannot be passed on", ""},
		{"zero byte in a string", `command = "x \u0000"`, 1, 11, "command: a zero byte cannot be passed on", ""},
		{"redirection", "command = \"\"\"\na \\\n  > b\"\"\"", 1, 11, `command: ">" needs a shell, and no shell runs the command`, `["sh", "-c", "exec a > b"]`},
		{"variable", "command = 'starman --port $PORT'", 1, 27, `command: "$" would be expanded by a shell, and no shell runs the command`, `write ["sh", "-c", "exec starman --port $PORT"]`},
		{"in a long string", "command = '''\nstarman\n  app*'''", 3, 6, `command: "*" would be matched against file names by a shell, and no shell runs the command`, ""},
		{"assignment", `command = "A=1 starman"`, 1, 12, `command: "A=" sets a variable, which needs a shell`, `[environment]: A = "…"`},
		{"supervisord's expansion", `command = "a %(ENV_X)s"`, 1, 15, `command: "(" needs a shell, and no shell runs the command`, "supervisord's %(…)s"},
		{"open quote", `command = "a 'b"`, 1, 14, "command: the quote ' is never closed", ""},
		{"bare number for a duration", "command='a'\nstop-timeout = 10", 2, 16, `stop-timeout: want a duration with a unit, such as "10s", not the number 10`, `write stop-timeout = "10s"`},
		{"no unit", "command='a'\nstop-timeout = '10'", 2, 16, `stop-timeout: want a duration with a unit, such as "10s": "10" has no unit`, `write stop-timeout = "10s"`},
		{"zero without unit", "command='a'\nstop-timeout = '0'", 2, 16, `stop-timeout: want a duration with a unit, such as "10s": "0" has no unit`, `"0s"`},
		{"other unit", "command='a'\nstop-timeout = '5 min'", 2, 16, `stop-timeout: want a duration with a unit, such as "10s": "5 min" is not a duration`, `write stop-timeout = "5m"`},
		{"negative", "command='a'\nstop-timeout = '-5s'", 2, 16, `stop-timeout: want a duration with a unit, such as "10s": "-5s" is negative`, ""},
		{"too long", "command='a'\nstop-timeout = '99999999d'", 2, 16, `stop-timeout: want a duration with a unit, such as "10s": "99999999d" is too long`, "3650d"},
		{"interval of zero", "command='a'\nready.tcp=':1'\nready.interval = '0s'", 3, 18, "ready.interval: must be more than 0", ""},
		{"float", "command='a'\nstart-limit = 1.5", 2, 15, "start-limit: want a whole number, not the number 1.5", ""},
		{"quoted number", "command='a'\nstart-limit = '5'", 2, 15, "start-limit: want a whole number, not a string", "write start-limit = 5"},
		{"negative limit", "command='a'\nstart-limit = -1", 2, 15, "start-limit: want a number from 0 to 1000000, not -1", ""},
		{"factor", "command='a'\nrestart-delay-factor = 0.5", 2, 24, "restart-delay-factor: want a number from 1 to 1000, not 0.5", ""},
		{"factor nan", "command='a'\nrestart-delay-factor = nan", 2, 24, "restart-delay-factor: want a number from 1 to 1000, not NaN", ""},
		{"signal in lower case", "command='a'\nstop-signal = 'sigterm'", 2, 15, `stop-signal: "sigterm" is not a signal's name, such as "TERM"`, `did you mean "TERM"?`},
		{"signal's number", "command='a'\nstop-signal = 15", 2, 15, `stop-signal: want a signal's name, such as "TERM", not the number 15`, `write stop-signal = "TERM"`},
		{"octal", "command='a'\numask = '8'", 2, 9, `umask: want an octal string, such as "022": "8" is not octal`, ""},
		{"size without its B", "command='a'\nlog.max-size = '50M'", 2, 16, `log.max-size: want a size, such as "50MB": "50M" is not a size`, `write log.max-size = "50MB"`},
		{"size without quotes", "command='a'\nlog.max-size = 50MB", 2, 16, "log.max-size: a string needs quotes", `write log.max-size = "50MB"`},
		{"size of nothing", "command='a'\nlog.max-size = true", 2, 16, `log.max-size: want a size, such as "50MB", not the bool true`, ""},
		{"size of what", "command='a'\nlog.max-total = '5 apples'", 2, 17, `log.max-total: want a size, such as "50MB": "5 apples" is not a size`, ""},
		{"size below 0", "command='a'\nlog.max-total = -1", 2, 17, `log.max-total: want a size, such as "50MB": -1 is negative`, ""},
		{"size beyond", "command='a'\nlog.max-total = 1125899906842625", 2, 17, `log.max-total: want a size, such as "50MB": 1125899906842625 is too large`, `"1024TB"`},
		{"size beyond, with a unit", "command='a'\nlog.max-total = '9999TB'", 2, 17, `log.max-total: want a size, such as "50MB": "9999TB" is too large`, `"1024TB"`},
		{"size that lacks a unit", "command='a'\nlog.max-size = 50", 2, 16, "log.max-size: 50 bytes are too few: at least 1KB", `write "50MB"`},
		{"mode for everybody", "command='a'\nlog.mode = '0666'", 2, 12, "log.mode: everybody could write to the file", `write log.mode = "0664"`},
		{"octal beyond", "command='a'\numask = '1777'", 2, 9, `umask: want an octal string, such as "022": "1777" is beyond "777"`, ""},
		{"date", "command='a'\numask = 1979-05-27", 2, 9, `umask: want an octal string, such as "022", not a date`, ""},
		{"bool for an enum", "command='a'\nrestart = true", 2, 11, `restart: want one of "always", "on-failure", "no", not the bool true`, `write restart = "always"`},
		{"tree", "command='a'\nkill-mode = 'tree'", 2, 13, `kill-mode: "tree" is not supported yet`, ""},
		{"array of tables", "command='a'\n[[listen]]\naddress=':1'\n[[listen]]\na=2", 2, 3, "listen: want a table for each socket, not an array of tables", "write [listen.http], with a name of its own for each"},
		{"value for a table", "command='a'\nready = 'tcp'", 2, 9, "ready: want a table, not a string", "[ready]"},
		{"environment with a number", "command='a'\n[environment]\nPORT = 80", 3, 8, "environment.PORT: want a string, not the number 80", `write environment.PORT = "80"`},
		{"environment of gsv", "command='a'\nenvironment.GSV_SERVICE = 'x'", 2, 27, "environment.GSV_SERVICE: gsv sets it itself", ""},
		{"variable's name", "command='a'\nenvironment.'A=B' = 'x'", 2, 21, `environment.A=B: "A=B" cannot be a variable's name`, ""},
		{"string for an array", "command='a'\ngroups = 'web'", 2, 10, "groups: want an array of names, not a string", `write groups = ["web"]`},
		{"inherit", "command='a'\ninherit-environment = ['A=b']", 2, 24, `inherit-environment: "A=b" cannot be a variable's name`, "[environment]"},
		{"home directory", "command='a'\nworking-directory = '~/x'", 2, 21, `working-directory: "~/x" is not expanded`, ""},
		{"user with a group", "command='a'\nuser = 'a:b'", 2, 8, `user: "a:b" cannot be a name`, ""},
		{"user -1", "command='a'\nuser = 4294967295", 2, 8, "user: 4294967295 cannot be an id", ""},
		{"user below", "command='a'\nuser = -1", 2, 8, "user: -1 cannot be an id", ""},
		{"port alone", "command='a'\nready.tcp = '5000'", 2, 13, `ready.tcp: want an address, such as "127.0.0.1:5000", not "5000"`, `"127.0.0.1:5000"`},
		{"URL", "command='a'\nready.tcp = 'http://localhost:5000/'", 2, 13, `ready.tcp: want an address, such as "127.0.0.1:5000", not "http://localhost:5000/"`, "scheme"},
		{"port 0", "command='a'\nready.tcp = 'localhost:0'", 2, 13, `ready.tcp: "0" is no port: want a number from 1 to 65535`, ""},
		{"socket's path", "command='a'\nready.unix = '/" + strings.Repeat("x", 107) + "'", 2, 14, "ready.unix: 108 bytes are too many for a socket's path: the kernel takes 107", ""},
		{"two probes", "command='a'\nready.tcp=':1'\nready.unix = '/x'", 3, 14, "ready.unix: one probe decides, and there is ready.tcp", ""},
		{"allow", "command='a'\nallow.hup = 'deploy'", 2, 13, `allow.hup: want an array of users and "@groups", not a string`, `["deploy"]`},
		{"KILL in between", "command='a'\nstop-sequence = ['KILL', '1s', 'TERM']", 2, 26, "stop-sequence: nothing outlives KILL", ""},
		{"sequence begins with a wait", "command='a'\nstop-sequence = ['1s', 'TERM']", 2, 18, `stop-sequence: "1s" is not a signal's name, such as "TERM"`, ""},
		{"empty sequence", "command='a'\nstop-sequence = []", 2, 17, "stop-sequence: want at least one signal", ""},
		{"key of the top in a table", "command='a'\n[log]\nuser = 'x'", 3, 1, `unknown key "user" in [log]`, `move it above all headers`},
		{"key of a table at the top", "command='a'\noutput = 'stdout'", 2, 1, `unknown key "output"`, `[log], or as log.output`},
		{"camel case", "command='a'\nStopTimeout = '1s'", 2, 1, `unknown key "StopTimeout"`, `did you mean "stop-timeout"?`},
		{"nothing like it", "command='a'\nzzzzzzzz = 1", 2, 1, `unknown key "zzzzzzzz"`, ""},
		{"dotted unknown", "command='a'\nfoo.bar = 1", 2, 1, `unknown table [foo]`, ""},
		{"unknown inline table", "command='a'\nfoo = {bar = 1}", 2, 1, `unknown key "foo"`, ""},
		{"twice", "command='a'\numask='022'\n umask = '022'", 3, 2, `"umask" is set a second time`, "the first is in line 2"},
		{"table, then value", "command='a'\nready.tcp=':1'\nready = 1", 3, 1, `"ready" is set a second time`, "line 2"},
		{"header twice", "command='a'\n[log]\n[log]\nx=1", 3, 2, `"log" is set a second time`, "line 2"},
		{"not UTF-8", "command='a'\n# \xff", 2, 3, "the byte 0xff is not UTF-8", "UTF-8"},
		{"UTF-16", "\x00c\x00o", 1, 1, "not TOML: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8", ""},
		{"inline array", "command='a'\ngroups = [a, b]", 2, 11, `not TOML: expected value but found "a" instead`, "a string needs quotes"},
		{"no value at the end", "command='a'\n umask = \n", 2, 8, `umask: the value after "=" is missing`, ""},
		{"no value", "command='a'\numask = # 022\r\nmain=false", 2, 7, `umask: the value after "=" is missing`, ""},
		{"bad escape", "command='a'\ndescription = \"a\\d\"", 2, 16, `not TOML: invalid escape in string '\d'`, `\\`},
		{"unclosed header", "command='a'\n[ready\ntcp = ':1'\n[log]", 2, 7, `not TOML: expected '.' or ']' to end table name, but got '\n' instead`, ""},
		{"header of supervisord", "[program:web]\ncommand='a'", 1, 1, "no such header: [program:web]", "drop this line"},
		{"unclosed array at the end", "command = [\n'a',\n", 1, 1, "the array or table that begins here is never closed", ""},
		{"one-line description", "command='a'\ndescription = \"a\\nb\"", 2, 15, "description: line breaks and control characters are not shown to people", ""},
		{"list of sockets", "command='a'\nlisten = ['127.0.0.1:1']", 2, 10, "listen: want a table for each socket, not an array", `write [listen.http] and below it address = "127.0.0.1:5000"`},
		{"one socket", "command='a'\nlisten = 'http://localhost:8080'", 2, 10, "listen: want a table for each socket, not a string", `write [listen.http] and below it address = "127.0.0.1:8080"`},
		{"socket without a name", "command='a'\n[listen]\naddress=':1'\nmode='0600'", 2, 2, "listen: the socket needs a name", "[listen.http]"},
		{"socket without a name, dotted", "command='a'\nlisten.address=':1'", 2, 1, "listen: the socket needs a name", "[listen.http]"},
		{"socket's key at the top", "command='a'\naddress=':1'", 2, 1, `unknown key "address"`, "below a header [listen.http]"},
		{"no address", "command='a'\nlisten.http = {}", 2, 1, "listen.http: there is no address", "write address ="},
		{"table in a socket", "command='a'\n[listen.http.x]\na=1", 2, 2, `unknown key "x" in [listen.http]`, ""},
		{"descriptor of a socket", "command='a'\nlisten.a.address=':1'\nlisten.b.address=':2'\nready.fd = 4", 4, 12, "ready.fd: descriptor 4 is that of listen.b; the first that is free is 5", "write fd = 5"},
		{"descriptor of the private socket", "command='starman'\nlisten.a.address='0.0.0.0:1'\nready.fd = 4", 3, 12, "ready.fd: descriptor 4 is that of the generation's private socket; the first that is free is 5", "write fd = 5"},
		{"descriptor of the output", "command='a'\nready.fd = 2", 2, 12, "ready.fd: want a number from 3 to 250, not 2", ""},
		{"descriptor too high", "command='a'\nready.fd = 251", 2, 12, "ready.fd: want a number from 3 to 250, not 251", ""},
		{"connection to a held socket", "command='a'\nlisten.a.address='127.0.0.1:1'\nready.tcp = '127.0.0.1:01'", 3, 13, "ready.tcp: gsv holds listen.a: a connection to it is taken whether the service is there or not, and proves nothing", "write workers = true in its place"},
		{"by a wildcard", "command='a'\nlisten.a.address='[::]:1'\nready.tcp = '10.0.0.1:1'", 3, 13, "ready.tcp: gsv holds listen.a: a connection to it is taken whether the service is there or not, and proves nothing", ""},
		{"by localhost", "command='a'\nlisten.a.address='[::1]:1'\nready.tcp = 'LOCALHOST:1'", 3, 13, "ready.tcp: gsv holds listen.a: a connection to it is taken whether the service is there or not, and proves nothing", ""},
		{"by no host", "command='a'\nlisten.a.address='0.0.0.0:1'\nready.tcp = ':1'", 3, 13, "ready.tcp: gsv holds listen.a: a connection to it is taken whether the service is there or not, and proves nothing", ""},
		{"held path", "command='a'\nlisten.a.address='unix:/run/x'\nready.unix = '/run/./x'", 3, 14, "ready.unix: gsv holds listen.a: a connection to it is taken whether the service is there or not, and proves nothing", ""},
		{"held by http", "command='gunicorn a:a'\nlisten.a.address='[::]:80'\nready.http = 'http://localhost/health?x'", 3, 14, "ready.http: gsv holds listen.a: a connection to it is taken whether the service is there or not, and proves nothing", `write http = "/health?x", which is asked at the generation's private socket`},
		{"held by http on a path", "command='puma -C x'\nlisten.a.address='unix:/run/x'\nready.http = 'http://unix:/run/x:/'", 3, 14, "ready.http: gsv holds listen.a: a connection to it is taken whether the service is there or not, and proves nothing", ""},
		{"path without a socket", "command='starman'\nready.http = '/health'", 2, 14, "ready.http: a path alone is asked at a generation's private socket, which there is only beside held sockets", "add a [listen] table"},
		{"path of an unknown server", "command='x'\nlisten.a.address=':1'\nready.http = '/health'", 3, 14, `ready.http: a path alone is asked at a generation's private socket, which a server with preset "none" does not take`, `write http = "http://127.0.0.1:PORT/health"`},
		{"path of puma", "command='puma -C x'\nlisten.a.address=':1'\nready.http = '/health'", 3, 14, "ready.http: a path alone is asked at a generation's private socket, which puma takes only if it is told to", "add --bind-to-activated-sockets only to the command"},
		{"path of uwsgi", "command='uwsgi x.ini'\nlisten.a.address=':1'\nready.http = '/health'", 3, 14, "ready.http: a path alone is asked at a generation's private socket, which uwsgi takes only if it is told to", "add --http-socket fd://4 to the command"},
		{"http without a scheme", "command='a'\nready.http = '127.0.0.1:80/x'", 2, 14, "ready.http: " + wantURL + `, not "127.0.0.1:80/x"`, `write "http://127.0.0.1:80/x"`},
		{"http without a slash", "command='a'\nready.http = 'health'", 2, 14, "ready.http: " + wantURL + `, not "health"`, `write "/health"`},
		{"another scheme", "command='a'\nready.http = 'ftp://a/'", 2, 14, "ready.http: " + wantURL + `, not "ftp://a/"`, ""},
		{"http without a host", "command='a'\nready.http = 'http:///x'", 2, 14, "ready.http: " + wantURL + `, not "http:///x"`, ""},
		{"http at port 0", "command='a'\nready.http = 'http://a:0/x'", 2, 14, `ready.http: "0" is no port: want a number from 1 to 65535`, ""},
		{"http with a password", "command='a'\nready.http = 'http://a:b@c/'", 2, 14, "ready.http: a user and a password do not belong into the URL", "Authorization"},
		{"http with a fragment", "command='a'\nready.http = 'http://a/#x'", 2, 14, "ready.http: what follows # is not sent", ""},
		{"http with a space", "command='a'\nready.http = 'http://a/x y'", 2, 14, "ready.http: white space and control characters cannot stand in an URL", "%20"},
		{"http at a relative path", "command='a'\nready.http = 'http://unix:x:/'", 2, 14, `ready.http: want an absolute path, not "x"`, `"http://unix:/run/web.sock:/health"`},
		{"number for http", "command='a'\nready.http = 80", 2, 14, "ready.http: " + wantURL + ", not the number 80", ""},
		{"statuses the wrong way round", "command='a'\nready.http = 'http://a'\nready.status = '399-200'", 3, 16, `ready.status: want HTTP statuses, such as "200-399", 204 or "200-299,404": the first is at least 100, the last at most 599, not "399-200"`, ""},
		{"no such status", "command='a'\nready.http = 'http://a'\nready.status = 99", 3, 16, `ready.status: want HTTP statuses, such as "200-399", 204 or "200-299,404": the first is at least 100, the last at most 599, not "99"`, ""},
		{"status without http", "command='a'\nready.status = 200", 2, 16, "ready.status: there is nothing to ask", "add ready.http"},
		{"headers without http", "command='a'\nready.tcp=':1'\nready.headers.X = 'y'", 3, 1, "ready.headers: there is nothing to ask", "add ready.http"},
		{"interval without a probe that is tried", "command='a'\nready.notify = true\nready.interval = '1s'", 3, 18, "ready.interval: there is nothing to ask", ""},
		{"log-line", "command='a'\nready.log-line = 'a[b'", 2, 20, "ready.log-line: missing closing ]", "RE2"},
		{"empty log-line", "command='a'\nready.log-line = ''", 2, 18, "ready.log-line: an empty expression matches every line", ""},
		{"two probes of another kind", "command='a'\nready.exec = 'x'\nready.notify = true", 3, 16, "ready.notify: one probe decides, and there is ready.exec", ""},
		{"notify and a probe", "command='starman'\ntype = 'notify'\nready.workers = true", 3, 17, `ready.workers: one probe decides, and there is type = "notify"`, ""},
		{"notify-reload and a probe", "command='starman'\ntype = 'notify-reload'\nready.workers = true", 3, 17, `ready.workers: one probe decides, and there is type = "notify-reload"`, ""},
		{"notify that is off", "command='a'\ntype = 'notify'\nready.notify = false", 3, 16, `ready.notify: type = "notify" says that it tells by sd_notify`, ""},
		{"probe of a oneshot", "command='a'\ntype = 'oneshot'\nready.exec = 'true'", 3, 14, "ready.exec: a oneshot is ready when it has ended with success", ""},
		{"pid file", "command='a'\npid-file = 'x.pid'", 2, 12, "pid-file: a relative path counts from working-directory, which is not set to an absolute one", ""},
		{"environment of sockets", "command='a'\nlisten.a.address=':1'\n[environment]\nLISTEN_FDS = '1'", 4, 14, "environment.LISTEN_FDS: gsv sets it itself", "leave it out"},
		{"environment of notify", "command='a'\ntype='notify'\n[environment]\nNOTIFY_SOCKET = '1'", 4, 17, "environment.NOTIFY_SOCKET: gsv sets it itself", ""},
		{"reload-signal with usr2", "command='unicorn -c x'\nreload='usr2'\nreload-signal='USR2'", 3, 15, `reload-signal: has no effect with reload = "usr2"`, ""},
		{"descriptor with usr2", "command='unicorn -c x'\nreload='usr2'\nready.fd=3", 3, 10, `ready.fd: with reload = "usr2" the successor has the descriptor of the process before it, and is not heard there`, "workers"},
		{"list of lists", "command=[['a']]", 1, 10, "command: want a string for each word, not an array", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, problems := Parse("web", "web.toml", []byte(tt.src), Defaults{})
			if d != nil || len(problems) != 1 {
				t.Fatalf("want one problem, got:\n%s", problems)
			}
			p := problems[0]
			if p.Line != tt.line || p.Col != tt.col || p.Text != tt.text || !strings.Contains(p.Hint, tt.hint) || p.Warning || p.Path != "web.toml" {
				t.Errorf("got\n%s\nwant %d:%d: %s (%s)", p, tt.line, tt.col, tt.text, tt.hint)
			}
			if !safe(problems.String()) {
				t.Errorf("not safe for a terminal: %q", problems.String())
			}
		})
	}
}
