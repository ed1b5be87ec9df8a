package definition

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// What servers do with held sockets beside the addresses of their own command line. Each of these notes what cannot work;
// what only a configuration file could tell is left to the start.

// beside notes where the command names an address as if nobody held it.
func (d *draft) beside() {
	unbound := func(s Socket) bool { return s.Network == "" } // which is said already
	if len(d.Listen) == 0 || slices.ContainsFunc(d.Listen, unbound) || d.Type == Oneshot || !d.has("command") || d.failed("preset") {
		return
	}
	i := invoked(d.Command, d.Preset)
	switch p := presetByName(i.preset); {
	case p.name == presets[0].name:
		d.besideNone()
	case p.beside != nil && i.plain:
		p.beside(d, i)
	}
}

// besideNone: whether a program that is not known takes an inherited socket for the address that it names is not known
// either.
func (d *draft) besideNone() {
	before := ""
	for _, argument := range d.Command {
		for word := range strings.FieldsFuncSeq(argument, func(c rune) bool { return strings.ContainsRune(" \t\n='\"", c) }) {
			at := meantAddress(word)
			if _, isPort := portNumber(word); isPort && slices.Contains([]string{"-p", "-port", "--port"}, before) {
				at = meantAddress("0.0.0.0:" + word)
			}
			if s := d.overlapped(at); s != nil {
				d.inCommand(word).warn("leave it out if the command takes the descriptor, such as by LISTEN_FDS",
					"gsv holds this as listen.%s: to bind it again fails", s.Name)
				return
			}
			before = word
		}
	}
}

// meantAddress is the address that a word of a command is, in any way of writing it; its Network is "" if it is none.
func meantAddress(word string) Socket {
	if _, rest, ok := strings.Cut(word, "://"); ok {
		word, _, _ = strings.Cut(rest, "/")
		if word == "" {
			word = "unix:" + strings.TrimPrefix(rest, "//")
		}
	}
	if strings.HasPrefix(word, "/") {
		word = "unix:" + word
	}
	network, address, wrong := parseAddress(word)
	if wrong != nil && strings.HasPrefix(word, "localhost:") {
		network, address, wrong = parseAddress(wrong.ours)
	}
	if wrong != nil {
		return Socket{}
	}
	return Socket{Network: network, Address: address}
}

// held is the socket of the same address.
func (d *draft) held(at Socket) *Socket {
	i := slices.IndexFunc(d.Listen, func(s Socket) bool { return s.Network == at.Network && s.Address == at.Address })
	if at.Network == "" || i < 0 {
		return nil
	}
	return &d.Listen[i]
}

// overlapped is a socket beside which the address cannot be bound.
func (d *draft) overlapped(at Socket) *Socket {
	if s := d.held(at); s != nil || at.Network == "" {
		return s
	}
	i := slices.IndexFunc(d.Listen, func(s Socket) bool { return s.overlaps(&at) })
	if i < 0 {
		return nil
	}
	return &d.Listen[i]
}

// inCommand is the value of the command where a word of it stands.
func (d *draft) inCommand(word string) value {
	v := d.set["command"]
	if s, ok := v.raw.(string); ok {
		if i := strings.Index(s, word); i >= 0 {
			v.at = v.inside(s, i, len(word))
		}
		return v
	}
	elems, _ := v.raw.([]any)
	for i, e := range elems {
		if s, ok := e.(string); ok && strings.Contains(s, word) && i < len(v.el) {
			v.at = v.el[i].val
			return v
		}
	}
	return v
}

// address is the value that says where a socket is bound.
func (d *draft) address(s Socket) value { return d.set["listen."+s.Name+".address"] }

// takesNone: the server binds its own sockets.
func takesNone(hint string) func(*draft, invocation) {
	return func(d *draft, i invocation) {
		d.address(d.Listen[0]).warn(hint, "%s takes no held sockets: it binds its own", i.base())
	}
}

// besideStarman: with SERVER_STARTER_PORT Starman takes those sockets, as IPv4, TCP and without TLS, and nothing of its
// own (Net::Server::SS::PreFork, pre_bind).
func besideStarman(d *draft, i invocation) {
	for _, s := range d.Listen {
		if s.Network != "tcp" || strings.HasPrefix(s.Address, "[") {
			d.address(s).fail(`write an IPv4 address, such as "127.0.0.1:5000"`, "%s takes only IPv4 sockets from elsewhere: who connects to this one would get no answer", i.base())
		}
	}
	o := plackGrammar.read(i.args)
	for _, g := range o.given {
		at := Socket{}
		switch g.name {
		case "l", "listen":
			_, port, path := strings.Cut(g.value, ":")
			port, option, tls := strings.Cut(port, ":")
			if at = (Socket{Network: "tcp", Address: port}); !path {
				at = Socket{Network: "unix", Address: g.value}
			}
			if tls && strings.EqualFold(option, "ssl") {
				d.inCommand(g.value).warn("let a proxy do it", "on held sockets %s does no TLS", i.base())
			}
		case "p", "port":
			at = Socket{Network: "tcp", Address: g.value}
		case "S", "socket":
			at = Socket{Network: "unix", Address: g.value}
		case "enable-ssl":
			d.inCommand("--enable-ssl").warn("let a proxy do it", "on held sockets %s does no TLS", i.base())
		}
		if at.Network != "" && !slices.ContainsFunc(d.Listen, func(s Socket) bool { return s.Network == at.Network && s.port() == at.Address }) {
			d.inCommand(g.value).warn("leave it out, or add a [listen] table for it", "has no effect: %s listens on the held sockets alone", i.base())
		}
	}
	d.pidOption(o, i, "pid")
}

// port is that of the address; of a unix socket the whole path.
func (s Socket) port() string {
	if s.Network == "unix" {
		return s.Address
	}
	return s.Address[strings.LastIndexByte(s.Address, ':')+1:]
}

// besideUnicorn: unicorn takes what it is given, and binds what it is told that is not among it (Unicorn::HttpServer,
// inherit_listeners!; Unicorn::SocketHelper for how it names addresses).
func besideUnicorn(d *draft, i invocation) {
	o := unicornGrammar.read(i.args)
	var binds []given
	for _, g := range o.given {
		if g.name == "l" || g.name == "listen" {
			binds = append(binds, g)
		}
	}
	if o.has("o", "host", "p", "port") {
		host, port := cmp.Or(o.last("o", "host"), "0.0.0.0"), cmp.Or(o.last("p", "port"), "8080")
		binds = append(binds, given{"port", host + ":" + port})
	}
	for _, g := range binds {
		at := unicornAddress(g.value)
		shown := g.value
		if g.name == "port" {
			shown = cmp.Or(o.last("p", "port"), o.last("o", "host"))
		}
		d.bindsToo(at, shown, "name the same address as there, or none")
	}
	d.pidOption(o, i, "P", "pid")
}

func unicornAddress(s string) Socket {
	s = strings.TrimPrefix(s, "unix:")
	host, port, ok := strings.Cut(s, ":")
	switch {
	case strings.HasPrefix(s, "/"):
		return Socket{Network: "unix", Address: s}
	case !ok:
		host, port = "0.0.0.0", s
	case host == "" || host == "*":
		host = "0.0.0.0"
	default:
		return meantAddress(s)
	}
	return meantAddress(host + ":" + port)
}

// bindsToo notes an address that the server binds by itself, because it is not one of the held ones, though it cannot.
func (d *draft) bindsToo(at Socket, word, hint string) {
	if at.Network == "" || d.held(at) != nil && !strings.HasPrefix(word, "tcp://localhost:") { // puma does not compare a name by what it stands for
		return
	}
	if s := d.overlapped(at); s != nil {
		d.inCommand(word).warn(hint, "not the same as listen.%s, which is %s: it would be bound, and cannot be beside that", s.Name, s.Address)
	} else if d.Reload == ByReplace {
		d.inCommand(word).warn("add a [listen] table for it", "not held: a new generation cannot bind it while the old one is there")
	}
}

// besideGunicorn: with LISTEN_FDS nothing is bound (gunicorn.sock.create_sockets). On USR2 it tells its successor LISTEN_FDS
// again, though the sockets have other numbers now (gunicorn.arbiter, reexec).
func besideGunicorn(d *draft, i invocation) {
	o := gunicornGrammar.read(i.args)
	for _, g := range o.given {
		if g.name != "b" && g.name != "bind" {
			continue
		}
		at := meantAddress(g.value)
		if at.Network != "" && !slices.ContainsFunc(d.Listen, func(s Socket) bool { return s.Network == at.Network && s.port() == at.port() }) {
			d.inCommand(g.value).warn("leave it out, or add a [listen] table for it", "has no effect: gunicorn listens on the held sockets alone")
		}
	}
	d.pidOption(o, i, "p", "pid")
	if d.Reload == ByUpgrade && d.has("reload") {
		d.set["reload"].fail(`write reload = "replace", or leave the [listen] tables out`, "gunicorn loses what it has inherited by LISTEN_FDS when it executes itself anew")
	}
}

// besidePuma: puma takes a socket that one of its binds names in the same way, and closes the others (Puma::Binder#parse).
func besidePuma(d *draft, i invocation) {
	o := pumaGrammar.read(i.args)
	if o.has(pumaAll) || !o.has("b", "bind", "p", "port") { // its configuration may say where
		return
	}
	var binds []Socket
	for _, g := range o.given {
		switch g.name {
		case "b", "bind":
			at := pumaAddress(g.value)
			d.bindsToo(at, g.value, "write the same address as there, or --"+pumaAll+" only in its place")
			binds = append(binds, at)
		case "p", "port":
			at := meantAddress("0.0.0.0:" + g.value)
			d.bindsToo(at, g.value, "puma takes it as 0.0.0.0:"+g.value+": write --"+pumaAll+" only in its place")
			binds = append(binds, at)
		}
	}
	for _, s := range d.Listen {
		if !slices.ContainsFunc(binds, func(at Socket) bool {
			return at.Network == "" || s.overlaps(&at) || at.Network == s.Network && at.Address == s.Address
		}) {
			d.address(s).warn(fmt.Sprintf("add --bind %s to the command, or --%s only", pumaURL(s), pumaAll), "puma closes a held socket that no --bind names")
		}
	}
}

// pumaAll is the option by which puma takes every socket that it is given.
const pumaAll = "bind-to-activated-sockets"

func pumaAddress(s string) Socket {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return Socket{}
	case u.Scheme == "unix":
		return Socket{Network: "unix", Address: u.Host + u.Path}
	case u.Scheme == "tcp" || u.Scheme == "ssl":
		return meantAddress(u.Host)
	}
	return Socket{}
}

func pumaURL(s Socket) string {
	if s.Network == "unix" {
		return "unix://" + s.Address
	}
	return "tcp://" + s.Address
}

// besideUwsgi: what it inherits by LISTEN_FDS speaks the uwsgi protocol unless it is named as fd://N (uwsgi-docs, Systemd;
// core/socket.c).
func besideUwsgi(d *draft, i invocation) {
	for _, g := range uwsgiGrammar.read(i.args).given {
		if g.name != "s" && g.name != "socket" && g.name != "http-socket" {
			continue
		}
		s := d.overlapped(meantAddress(g.value))
		if s == nil {
			continue
		}
		n := slices.IndexFunc(d.Listen, func(o Socket) bool { return o.Name == s.Name })
		if g.name == "http-socket" || d.held(meantAddress(g.value)) == nil {
			d.inCommand(g.value).warn(fmt.Sprintf("write %s fd://%d", dashed(g.name), 3+n), "gsv holds it as listen.%s: uwsgi must be told the descriptor to speak HTTP on it", s.Name)
		}
	}
}

// besideFPM: it unlinks the path of an inherited socket at its end (fpm_sockets.c, fpm_sockets_cleanup).
func besideFPM(d *draft, i invocation) {
	if d.variable(i, "FPM_SOCKETS") != "" {
		return
	}
	for n, s := range d.Listen {
		if s.Network == "unix" {
			d.address(s).fail(fmt.Sprintf(`hold a TCP address; or give it another name for the socket, which it may remove: command = "env FPM_SOCKETS=/run/NAME=%d %s …", with listen = /run/NAME in its configuration`, 3+n, i.base()),
				"%s removes the path of a unix socket when it ends, and nobody could connect to the next one", i.base())
		}
	}
}

// pidOption notes a pid file that keeps a new generation from starting.
func (d *draft) pidOption(o options, i invocation, names ...string) {
	if d.Reload == ByReplace && o.has(names...) {
		d.inCommand(o.last(names...)).warn("leave it out", "%s does not start while its pid file names a process that is there, so no new generation comes to be", i.base())
	}
}

// Which sockets that their configuration does not name servers take: all that they are given, or those that the command
// says.

func takesAll(*Definition, invocation) bool { return true }

func pumaPrivate(_ *Definition, i invocation) bool { return pumaGrammar.read(i.args).has(pumaAll) }

func pumaAlone(*Definition) string { return "--" + pumaAll + " only" }

func uwsgiPrivate(d *Definition, i invocation) bool {
	return slices.ContainsFunc(uwsgiGrammar.read(i.args).given, func(g given) bool { return g.name == "http-socket" && g.value == d.firstFree() })
}

func uwsgiAlone(d *Definition) string { return "--http-socket " + d.firstFree() }

// firstFree is the descriptor behind those of the held sockets, in uwsgi's words.
func (d *Definition) firstFree() string { return "fd://" + strconv.Itoa(3+len(d.Listen)) }
