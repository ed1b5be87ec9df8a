package main_test

import "regexp"

// A rowServer is a column of a table: a server and how its service is written.
type rowServer struct {
	name     string
	language language
	command  string            // of the service file
	keys     string            // further keys of the service file
	files    map[string]string // below the stage's directory
	taken    *regexp.Regexp    // the line of its log that says that it reloads now
	preloads bool              // the master loads the application
	cause    string            // what its log shows of any broken release, if it does not show what is wrong
	limps    bool              // after a broken reload some of its old workers serve, while a new one dies again and again
	refuses  bool              // hup is refused: only a restart loads new code
	restarts bool              // hup is a restart
	held     bool              // gsv holds its socket, and hup tries a new generation
}

// Servers are the columns of the table in docs/reload.md. Each has two workers and runs in the directory current, a link to releases/1.
var servers = []rowServer{
	{
		name: "starman", language: perl, taken: regexp.MustCompile(`Sending children hup signal`),
		command: `["starman", "--listen", "127.0.0.1:@PORT@", "--workers", "2", "app.psgi"]`,
	},
	{
		name: "starman_preload", language: perl, taken: regexp.MustCompile(`Sending children hup signal`), preloads: true, refuses: true,
		command: `["starman", "--preload-app", "--listen", "127.0.0.1:@PORT@", "--workers", "2", "app.psgi"]`,
	},
	{
		name: "starman_restart", language: perl, taken: regexp.MustCompile(`(?i)graceful shutdown|Server closing`), preloads: true, restarts: true,
		command: `["starman", "--preload-app", "--listen", "127.0.0.1:@PORT@", "--workers", "2", "app.psgi"]`,
		keys:    `reload = "restart"`,
	},
	{
		name: "start_server", language: perl, taken: regexp.MustCompile(`received HUP`),
		command: `["start_server", "--port", "127.0.0.1:@PORT@", "--signal-on-hup=QUIT", "--signal-on-term=QUIT", "--", "starman", "--workers", "2", "app.psgi"]`,
	},
	{
		name: "unicorn", language: ruby, taken: regexp.MustCompile(`INFO -- : reloading config_file`),
		command: `["unicorn", "-c", "@DIR@/unicorn.rb", "-E", "deployment", "config.ru"]`,
		files: map[string]string{"unicorn.rb": `working_directory "@DIR@/current"
listen "127.0.0.1:@PORT@"
worker_processes 2
`},
	},
	{
		name: "gunicorn", language: python, taken: regexp.MustCompile(`Handling signal: hup`),
		command: `["gunicorn", "-b", "127.0.0.1:@PORT@", "-w", "2", "--graceful-timeout", "2", "app:app"]`,
		// Two releases of one size within one second are the same to Python's cache of compiled modules.
		keys: `environment = { PYTHONDONTWRITEBYTECODE = "1" }`,
	},
	{
		name: "puma", language: ruby, taken: regexp.MustCompile(`(?i)starting phased worker restart`),
		cause: `Unable to start worker`, limps: true,
		command: `["puma", "-C", "@DIR@/puma.rb", "-e", "production"]`,
		files: map[string]string{"puma.rb": `directory "@DIR@/current"
bind "tcp://127.0.0.1:@PORT@"
workers 2
threads 1, 4
`},
	},
	{
		name: "nginx", language: conf, taken: regexp.MustCompile(`signal 1 .* reconfiguring`),
		command: `["nginx", "-p", "@DIR@", "-c", "@DIR@/nginx.conf"]`,
		files: map[string]string{"nginx.conf": `daemon off;
worker_processes 2;
error_log stderr notice;
pid @DIR@/nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path @DIR@/body;
    proxy_temp_path @DIR@/proxy;
    fastcgi_temp_path @DIR@/fastcgi;
    uwsgi_temp_path @DIR@/uwsgi;
    scgi_temp_path @DIR@/scgi;
    include @DIR@/current/site.conf;
}
`},
	},
}
