package main_test

import "strings"

// A stepsCase is a service that is reloaded by a new generation, while its supervisor is killed.
type stepsCase struct {
	name    string
	command string
	file    string // of its application
	app     string
	release func(n int) (name, content string) // see deployed; nil: releaseFile
	keys    []string
	timeout string // reload-timeout; "": 5s
	verb    string
	races   bool // a worker may lose a connection when it is told to end: see deployedServers
	fails   bool // the new generation does not come to serve
}

// What makes an application fail while there is a file of that name.
const (
	psgiFault = "die \"not today\\n\" if -e 'DIR/fault';\n"
	rackFault = "raise 'not today' if File.exist?('DIR/fault')\n"
	confFault = "include DIR/faul[t];"
	wsgiFault = "import os\nif os.path.exists('DIR/fault'):\n    raise Exception('not today')\n"
)

// OneProcess is a server without workers, which says once that it is ready.
const oneProcess = psgiFault + `
open my $file, '<', 'DIR/release.txt' or die $!;
my $body = 'release=' . (<$file> + 0) . " got=0\n" . ('x' x 2000) . "\nend\n";
select undef, undef, undef, 0.3;
my $over = 0;
$SIG{TERM} = sub { $over = 1 };
open my $listener, '+<&=', 3 or die $!;
open my $ready, '>&=', 9 or die $!;
syswrite $ready, "ready\n";
until ($over) {
    accept my $client, $listener or next;
    my $line = <$client>;
    1 until <$client> =~ /^\r?$/;
    select undef, undef, undef, 0.4 if $line =~ m{/slow};
    print $client "HTTP/1.0 200 OK\r\nContent-Length: ", length $body, "\r\n\r\n", $body;
    close $client;
}
`

// InBackground is nginx's release as it must be for USR2: see docs/recipes.md.
func inBackground(n int) (name, content string) {
	name, content = serverNamed("nginx").release(n)
	return name, strings.Replace(content, "daemon off;", confFault, 1)
}

// StepsCases are each of a server that comes to serve, and one that fails.
func stepsCases() (all []stepsCase) {
	held := []string{"reload = 'replace'", "[listen.http]", "address = 'ADDR'", "[ready]"}
	for _, c := range []stepsCase{
		{name: "starman", command: "starman --workers 3 --max-requests 1000000 app.psgi", file: "app.psgi", app: psgiFault + psgi, verb: "replace", keys: append(held, "http = '/'"), races: true},
		{name: "one_process", command: "perl server.pl", file: "server.pl", app: oneProcess, verb: "replace", keys: append(held, "fd = 9")},
		{name: "unicorn", command: "unicorn -c unicorn.rb -E deployment config.ru", file: "config.ru", app: rackFault + rack, verb: "hup", keys: []string{"reload = 'usr2'", "[listen.http]", "address = 'ADDR'"}},
		{name: "gunicorn", command: "gunicorn -b ADDR -w 3 app:app", file: "app.py", app: wsgiFault + wsgi, verb: "hup", keys: []string{"reload = 'usr2'"}},
		{name: "nginx", command: "/usr/sbin/nginx -p DIR -c DIR/nginx.conf", file: "none", release: inBackground, verb: "hup", keys: []string{"reload = 'usr2'", "type = 'forking'", "pid-file = 'DIR/nginx.pid'"}},
	} {
		all = append(all, c)
		c.name, c.fails = c.name+"_fails", true
		if c.name == "nginx_fails" { // its successor ends before anybody has seen it
			c.timeout = "1s"
		}
		all = append(all, c)
	}
	return all
}
