package definition

import (
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseEnvFile(t *testing.T) {
	tests := []struct {
		name, in string
		want     []variable
	}{
		{"nothing", "", nil},
		{"comments", "# a=b\n  ; c=d\n\n \t\n#", nil},
		{"comment does not continue", "# a \\\nb=c\n", []variable{{"b", "c"}}},
		{"plain", "A=b\nC=d", []variable{{"A", "b"}, {"C", "d"}}},
		{"empty", "A=\nB=\"\"\nC=''\n", []variable{{"A", ""}, {"B", ""}, {"C", ""}}},
		{"white space", "  A = b c \t\r\n", []variable{{"A", "b c"}}},
		{"export", "export A=b\nexport\tB=c\nexported=1\nexport=2", []variable{{"A", "b"}, {"B", "c"}, {"exported", "1"}, {"export", "2"}}},
		{"single quotes", `A='b "c" \d $e '`, []variable{{"A", `b "c" \d $e `}}},
		{"double quotes", `A="b 'c' \" \\ \$ \` + "`" + ` \d "`, []variable{{"A", `b 'c' " \ $ ` + "`" + ` \d `}}},
		{"several lines", "A='b\nc'\nB=\"d\\\ne\nf\"\nC=g\\\nh", []variable{{"A", "b\nc"}, {"B", "de\nf"}, {"C", "gh"}}},
		{"joined", `A="b" 'c' d "e"`, []variable{{"A", `bcd "e"`}}},
		{"quotes inside", `A=b"c"d'e'`, []variable{{"A", `b"c"d'e'`}}},
		{"backslash", `A=b\ \\\n\`, []variable{{"A", `b \n`}}},
		{"kept blank", `A=\  ` + "\nB=x\\ ", []variable{{"A", " "}, {"B", "x "}}},
		{"hash in a value", "A=b #c\nB=#c", []variable{{"A", "b #c"}, {"B", "#c"}}},
		{"equals in a value", "A=b=c=", []variable{{"A", "b=c="}}},
		{"nothing is expanded", "A=$B ${C} %d `e`", []variable{{"A", "$B ${C} %d `e`"}}},
		{"byte order mark, CRLF", "\ufeffA=b\r\nC=\"d\"\r\n", []variable{{"A", "b"}, {"C", "d"}}},
		{"bytes", "A=\xff\xfe", []variable{{"A", "\xff\xfe"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseEnvFile([]byte(tt.in))
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
	for in, want := range map[string]string{
		"A=b\nnonsense\n":  "line 2: want NAME=VALUE",
		"A B=c":            "line 1: want NAME=VALUE",
		"\n\n1A=b":         "line 3: want NAME=VALUE",
		"=b":               "line 1: want NAME=VALUE",
		"A='b\nc\n":        "line 1: a quote is never closed",
		"A=b\nB=\"c\\\"\n": "line 2: a quote is never closed",
		"A=\x00":           "it contains a zero byte",
	} {
		if got, err := parseEnvFile([]byte(in)); err == nil || err.Error() != want {
			t.Errorf("%q: got %q, %v, want %s", in, got, err, want)
		}
	}
}

func TestEnviron(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a"), "FILE=a\nBOTH=a\nTABLE=a\nPATH=/file\n")
	write(t, filepath.Join(dir, "b"), "BOTH=b\nGSV_SERVICE=file\n")
	d := parse(t, `command = "a"
working-directory = "`+dir+`"
environment-files = ["a", "`+dir+`/b", "-missing", "-a/below-a-file"]
environment = { TABLE = "table", NOTIFY_SOCKET = "own", EMPTY = "" }
`)
	inherited := []string{"PATH=/bin", "PATH=/second", "LANG=C", "LC_ALL=C", "LC=x", "HOME=/root", "TZ=UTC", "NOTIFY_SOCKET=/gsv", "LISTEN_FDS=3",
		"WATCHDOG_USEC=1", "GSV_INSTANCE=7", "broken", "=x"}
	got, err := d.Environ(inherited, 5)
	want := []string{"PATH=/file", "LANG=C", "LC_ALL=C", "TZ=UTC", "PWD=" + dir, "FILE=a", "BOTH=b", "TABLE=table", "GSV_SERVICE=web",
		"EMPTY=", "NOTIFY_SOCKET=own", "GSV_INSTANCE=0", "GSV_INSTANCES=1", "GSV_GENERATION=5"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if !slices.Equal(inherited[:2], []string{"PATH=/bin", "PATH=/second"}) {
		t.Error("it changed what it was given")
	}
}

// TestEnvironSaysWhere: the directory as it is written, so that servers that go there again follow its links.
func TestEnvironSaysWhere(t *testing.T) {
	dir, own := t.TempDir(), []string{"PWD=/gsv's"}
	if err := os.Symlink("release", filepath.Join(dir, "current")); err != nil {
		t.Fatal(err)
	}
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for src, want := range map[string]string{
		"":                           "",
		"inherit-environment = true": "PWD=/gsv's",
		"working-directory = '" + dir + "/current'":                         "PWD=" + dir + "/current",
		"working-directory = 'x/y'":                                         "PWD=" + cwd + "/x/y",
		"working-directory = '/'\ninherit-environment = true":               "PWD=/",
		"working-directory = '" + dir + "'\nenvironment.PWD = '/elsewhere'": "PWD=/elsewhere",
	} {
		env, err := parse(t, "command = 'x'\n"+src).Environ(own, 1)
		i := slices.IndexFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "PWD=") })
		if got := ""; err != nil || i < 0 && want != "" || i >= 0 && env[i] != want {
			if i >= 0 {
				got = env[i]
			}
			t.Errorf("%q: %q, want %q, %v", src, got, want, err)
		}
	}
}

func TestInherit(t *testing.T) {
	names := []string{"PATH", "HOME", "MY_A", "MY_B", "XMY_A", "NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID", "ABC", "AC"}
	tests := []struct {
		src  string
		want string
	}{
		{"true", "PATH HOME MY_A MY_B XMY_A ABC AC"},
		{"false", ""},
		{"[]", ""},
		{"['*']", "PATH HOME MY_A MY_B XMY_A ABC AC"},
		{"['MY_*', 'HOME']", "HOME MY_A MY_B"},
		{"['*_A']", "MY_A XMY_A"},
		{"['A*C', 'NOTIFY_SOCKET', 'LISTEN_*']", "ABC AC"},
		{"['A*B*C', 'A*A', '**']", "PATH HOME MY_A MY_B XMY_A ABC AC"},
		{"['A*B*C', 'P*H*H']", "ABC"},
	}
	for _, tt := range tests {
		d := parse(t, "command='a'\ninherit-environment = "+tt.src)
		got := []string{}
		for _, n := range names {
			if d.Inherit.match(n) {
				got = append(got, n)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q, want %q", tt.src, got, tt.want)
		}
	}
}

func TestEnvironErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bad"), "A=b\nnonsense\n")
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"missing": "cannot read the environment file " + dir + "/missing of web: no such file or directory",
		"bad":     "cannot read the environment file " + dir + "/bad of web: line 2: want NAME=VALUE",
		"-bad":    "cannot read the environment file " + dir + "/bad of web: line 2: want NAME=VALUE",
		"-fifo":   "cannot read the environment file " + dir + "/fifo of web: it is a FIFO, not a regular file",
		"-.":      "cannot read the environment file " + dir + " of web: it is a directory, not a regular file",
	} {
		d := parse(t, "command='a'\nworking-directory='"+dir+"'\nenvironment-files=['"+file+"']")
		if env, err := d.Environ(nil, 1); err == nil || err.Error() != want {
			t.Errorf("%s: got %q, %v", file, env, err)
		}
	}
	d := parse(t, "command='a'\nuser='no-such-user'")
	if env, err := d.Environ(nil, 1); err == nil || err.Error() != `cannot run web as user "no-such-user": there is no such user` {
		t.Errorf("got %q, %v", env, err)
	}
}

func TestEnvironOfUser(t *testing.T) {
	d := parse(t, "command='a'\nuser='root'\ninherit-environment=true\nenvironment.HOME='/own'")
	env, err := d.Environ([]string{"USER=me", "SHELL=/mine", "LOGNAME=me"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"HOME=/own", "USER=root", "LOGNAME=root", "SHELL=" + shellOf("root")} {
		if !slices.Contains(env, want) {
			t.Errorf("no %s in %q", want, env)
		}
	}
	if shell := shellOf("root"); !filepath.IsAbs(shell) || shellOf("no-such-user") != "/bin/sh" {
		t.Errorf("root's shell is %q", shell)
	}
	// A number that is in no database has no home; gsv's own would be a lie.
	d = parse(t, "command='a'\nuser=3999999999\ngroup=1\ninherit-environment=true")
	env, err = d.Environ([]string{"HOME=/root", "SHELL=/bin/zsh", "A=b"}, 1)
	want := []string{"A=b", "USER=3999999999", "LOGNAME=3999999999", "GSV_SERVICE=web", "GSV_INSTANCE=0", "GSV_INSTANCES=1", "GSV_GENERATION=1"}
	if !slices.Equal(env, want) || err != nil {
		t.Errorf("got %q, %v", env, err)
	}
}

func TestCredentials(t *testing.T) {
	cred := func(src string) (*Credentials, error) {
		t.Helper()
		return parse(t, "command='a'\n"+src).Credentials()
	}
	if c, err := cred(""); c != nil || err != nil {
		t.Errorf("nothing set: %+v, %v", c, err)
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range []string{"user='nobody'", "user=" + nobody.Uid, "user='" + nobody.Uid + "'"} {
		c, err := cred(src)
		if os.Geteuid() != 0 && nobody.Uid == number(uint32(os.Getuid())) {
			continue
		}
		if err != nil || number(c.UID) != nobody.Uid || number(c.GID) != nobody.Gid || c.Name != "nobody" || c.Home != nobody.HomeDir || !slices.Contains(c.Groups, c.GID) {
			t.Errorf("%s: %+v, %v", src, c, err)
		}
	}
	c, err := cred("user='nobody'\ngroup='root'\nsupplementary-groups=[7, 'root', 7]")
	if err != nil || c.GID != 0 || !slices.Equal(c.Groups, []uint32{0, 7}) {
		t.Errorf("all set: %+v, %v", c, err)
	}
	if c, err = cred("user='nobody'\nsupplementary-groups=[]"); err != nil || len(c.Groups) != 0 {
		t.Errorf("no other groups: %+v, %v", c, err)
	}
	if c, err = cred("user=3999999999\ngroup=5"); err != nil || c.UID != 3999999999 || c.GID != 5 || c.Name != "3999999999" || c.Home != "" {
		t.Errorf("unknown number: %+v, %v", c, err)
	}
	if c, err = cred("group=5"); err != nil || int(c.UID) != os.Getuid() || c.GID != 5 {
		t.Errorf("only a group: %+v, %v", c, err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if c, err = cred("user=" + me.Uid); err != nil || (c == nil) != (os.Geteuid() != 0) {
		t.Errorf("gsv's own user: %+v, %v", c, err)
	}
	for src, want := range map[string]string{
		"user='no-such'":                 `cannot run web as user "no-such": there is no such user`,
		"group='no-such'":                `cannot run web as group "no-such": there is no such group`,
		"supplementary-groups=['no-su']": `cannot run web as group "no-su": there is no such group`,
		"user=3999999999":                `cannot run web as "3999999999": the user database does not have it, so group must be set too`,
	} {
		if c, err := cred(src); err == nil || err.Error() != want {
			t.Errorf("%s: %+v, %v", src, c, err)
		}
	}
}

// TestSocketOwnerIsNamed: whose the socket is to be is not whom the service runs as.
func TestSocketOwnerIsNamed(t *testing.T) {
	owner := func(src string) (uid, gid int, err error) {
		d := parse(t, "command = 'x'\nlisten.web.address = 'unix:/run/web.sock'\n"+src)
		return d.SocketOwner(d.Listen[0])
	}
	if uid, gid, err := owner("listen.web.owner = '7'\nlisten.web.group = '8'"); err != nil || uid != 7 || gid != 8 {
		t.Errorf("by their numbers: %d, %d, %v", uid, gid, err)
	}
	for src, want := range map[string]string{
		"listen.web.owner = 'no-such'": `cannot make user "no-such" the owner of /run/web.sock: there is no such user`,
		"listen.web.group = 'no-such'": `cannot make "no-such" the group of /run/web.sock: there is no such group`,
		"user = 'no-such'":             `cannot run web as user "no-such": there is no such user`,
	} {
		if uid, gid, err := owner(src); err == nil || err.Error() != want {
			t.Errorf("%s: %d, %d, %v", src, uid, gid, err)
		}
	}
}

// TestEnvironIsGsvs: what gsv says itself, of sockets and of readiness, no file says.
func TestEnvironIsGsvs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("LISTEN_FDS=9\nSERVER_STARTER_PORT=9\nNGINX=9;\nEINHORN_FD_7=9\nFPM_SOCKETS=x\nNOTIFY_SOCKET=/x\nLISTENER=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	src := "command = 'x'\ninherit-environment = true\nenvironment-files = ['" + file + "']\n"
	const all = "EINHORN_FD_7 FPM_SOCKETS LISTENER LISTEN_FDS NGINX NOTIFY_SOCKET SERVER_STARTER_PORT"
	for more, want := range map[string]string{
		"":                              all,
		"listen.a.address = ':1'":       "LISTENER NOTIFY_SOCKET",
		"type = 'notify'":               strings.Replace(all, "NOTIFY_SOCKET ", "", 1),
		"ready.notify = false":          all,
		"ready.fd = 3\ntype = 'simple'": all,
	} {
		env, err := parse(t, src+more).Environ([]string{"SERVER_STARTER_GENERATION=3", "LISTEN_PID=1", "NOTIFY_SOCKET=/gsv", "WATCHDOG_USEC=1"}, 1)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, kv := range env {
			if name, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(name, "GSV_") {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q: %s, want %s", more, got, want)
		}
	}
}
