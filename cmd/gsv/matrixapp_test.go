package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A fault is what is wrong with a release.
type fault string

const (
	good       fault = ""
	syntax     fault = "syntax"     // it cannot be parsed
	exception  fault = "exception"  // it can, and dies when it is loaded
	missing    fault = "missing"    // it needs a module that is not there
	hangs      fault = "hangs"      // loading it never ends: it reads the gate
	diesSoon   fault = "dies soon"  // a worker ends by itself, before it counts as settled
	diesLater  fault = "dies later" // a worker ends by itself long after that
	workerExit       = 7            // the status it does so with
)

// Cause is what the log of a failed attempt must show, whatever the server's language.
var cause = map[fault]string{
	syntax:    `(?i)syntax error|SyntaxError|unexpected`,
	exception: `boom`,
	missing:   `(?i)no.?such`,
}

// When the workers die, in seconds after they have loaded the application; min-uptime is 0.5 s.
const soonAfter, laterAfter = "0.25", "5"

// A language writes a release's code: answering GET / with its number, and GET /slow once the file slow has come to its end.
type language struct {
	file   string // below the release's directory
	faults map[fault]string
	code   string // @FAULT@, @RELEASE@, @SLOW@ and the like are replaced
}

var perl = language{
	file: "app.psgi",
	faults: map[fault]string{
		syntax:    `my $x = ;`,
		exception: `die "boom\n";`,
		missing:   `use No::Such;`,
		hangs:     `{ open my $f, '<', '@GATE@' or die "open: $!"; my @lines = <$f>; }`,
		diesSoon:  perlDies,
		diesLater: perlDies,
	},
	code: `use strict;
use warnings;
@FAULT@
print STDERR "release @RELEASE@ is loaded\n";
sub {
    my $env = shift;
    if ($env->{PATH_INFO} eq '/slow') {
        my $f;
        until (open $f, '<', '@SLOW@') { die "open: $!" unless $!{EINTR} }
        my @lines = <$f>;
    }
    my $body = "release=@RELEASE@\n";
    return [200, ['Content-Type' => 'text/plain', 'Content-Length' => length $body], [$body]];
};
`,
}

// PerlDies ends each worker after a while: where it loads the application itself, or after the fork of a master that has loaded it.
// Starman calls alarm for each request, so this has a timer of its own: timer_create(2) with SIGEV_SIGNAL, which is 0, and VTALRM.
const perlDies = `use POSIX ();
sub doom {
    my ($create, $settime) = (POSIX::uname())[4] eq 'aarch64' ? (107, 110) : (222, 223);
    my $event = pack 'x8 i i x48', POSIX::SIGALRM() + 12, 0;
    my $timer = pack 'i', 0;
    $SIG{VTALRM} = sub { POSIX::_exit(@EXIT@) };
    syscall($create, 1, $event, $timer) == 0 or die "timer_create: $!";
    my $when = pack 'q q q q', 0, 0, int(@AFTER@), (@AFTER@ - int(@AFTER@)) * 1e9;
    syscall($settime, unpack('i', $timer), 0, $when, 0) == 0 or die "timer_settime: $!";
}
if (@PRELOADS@) {
    require Starman::Server;
    no warnings 'redefine';
    my $hook = \&Starman::Server::child_init_hook;
    *Starman::Server::child_init_hook = sub { $hook->(@_); doom() };
} elsif ($INC{'Starman/Server.pm'}) {
    doom();
}`

var ruby = language{
	file: "config.ru",
	faults: map[fault]string{
		syntax:    `def (`,
		exception: `raise "boom"`,
		missing:   `require "nosuch"`,
		hangs:     `File.read("@GATE@")`,
		diesSoon:  rubyDies,
		diesLater: rubyDies,
	},
	code: `@FAULT@
STDERR.puts "release @RELEASE@ is loaded"
run proc { |env|
  File.read("@SLOW@") if env["PATH_INFO"] == "/slow"
  body = "release=@RELEASE@\n"
  [200, {"Content-Type" => "text/plain", "Content-Length" => body.size.to_s}, [body]]
}
`,
}

const rubyDies = `Thread.new { sleep @AFTER@; exit!(@EXIT@) }`

var python = language{
	file: "app.py",
	faults: map[fault]string{
		syntax:    `def (`,
		exception: `raise Exception("boom")`,
		missing:   `import nosuch`,
		hangs:     `open("@GATE@").read()`,
		diesSoon:  pythonDies,
		diesLater: pythonDies,
	},
	code: `@FAULT@
import sys
sys.stderr.write("release @RELEASE@ is loaded\n")

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        open("@SLOW@").read()
    body = b"release=@RELEASE@\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
`,
}

const pythonDies = `import os, threading
doom = threading.Timer(@AFTER@, lambda: os._exit(@EXIT@))
doom.daemon = True
doom.start()`

// Nginx's application is its configuration. What is slow is a server behind it.
var conf = language{
	file: "site.conf",
	faults: map[fault]string{
		syntax:    `}`,
		exception: `boom on;`,
		missing:   `include @DIR@/nosuch.conf;`,
		hangs:     `include @GATE@;`,
	},
	code: `@FAULT@
server {
    listen 127.0.0.1:@PORT@;
    location / { return 200 "release=@RELEASE@\n"; }
    location /slow { proxy_pass http://127.0.0.1:@BEHIND@; }
}
`,
}

// Release writes the code of a release into a directory, at once: nobody reads half of it.
func (s *stage) release(dir, number string, f fault) {
	s.t.Helper()
	l := s.server.language
	wrong, ok := l.faults[f]
	if !ok && f != good {
		s.t.Fatalf("%s cannot do: %s", l.file, f)
	}
	after := laterAfter
	if f == diesSoon {
		after = soonAfter
	}
	preloads := "0"
	if s.server.preloads {
		preloads = "1"
	}
	text := strings.NewReplacer("@EXIT@", fmt.Sprint(workerExit), "@AFTER@", after, "@PRELOADS@", preloads).Replace(wrong)
	text = s.fill(strings.NewReplacer("@FAULT@", text, "@RELEASE@", number).Replace(l.code))
	s.write(filepath.Join(dir, l.file), text)
}

// Fill replaces what differs from stage to stage.
func (s *stage) fill(text string) string {
	return strings.NewReplacer("@DIR@", s.dir, "@PORT@", s.port, "@BEHIND@", s.behind, "@GATE@", s.gate.path, "@SLOW@", s.slow.path).Replace(text)
}

func (s *stage) write(file, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		s.t.Fatal(err)
	}
}
