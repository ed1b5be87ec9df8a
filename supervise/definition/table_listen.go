package definition

// The sockets that gsv holds: the keys of each [listen.NAME].
var listenKeys = []Key{
	{Name: "listen.NAME.address", Type: "address", Default: "required", Supported: true,
		Doc: `Where the socket is bound: "127.0.0.1:5000", "[::1]:5000", "unix:/run/web.sock", "udp:127.0.0.1:53". "[::]:80", also written "*:80", takes IPv4 too, unless another table of the file has "0.0.0.0:80". ` +
			`Names of hosts are not taken, nor port 0. NAME is letters, digits, _ . -, and goes into LISTEN_FDNAMES; it cannot be "private". The descriptors are numbered in the order of the file, from 3 on.`,
		Systemd: "ListenStream ListenDatagram Sockets", Supervisord: "socket", Other: "use_sockets listen-on port bind",
		set: func(d *draft, v value) { v.bound(d.socket) },
		get: func(d *Definition) any {
			var all []string
			for _, s := range d.Listen {
				all = append(all, s.Name, s.Network, s.Address)
			}
			return all
		}},
	{Name: "listen.NAME.backlog", Type: "integer", Default: "the kernel's most (net.core.somaxconn)", Supported: true,
		Doc:     "How many connections may wait to be accepted.",
		Systemd: "Backlog", Supervisord: "socket_backlog",
		set: func(d *draft, v value) { v.integer(&d.socket.Backlog, 1, 1_000_000) },
		get: eachSocket(func(s Socket) any { return s.Backlog }, 0)},
	{Name: "listen.NAME.mode", Type: "octal string", Default: `"0660"`, Supported: true,
		Doc:     "The mode of a unix socket: who may write may connect.",
		Systemd: "SocketMode", Supervisord: "socket_mode",
		set: func(d *draft, v value) { v.octal(&d.socket.Mode) },
		get: eachSocket(func(s Socket) any { return s.Mode }, socketMode)},
	{Name: "listen.NAME.owner", Type: "name or id", Default: "the service's user", Supported: true,
		Doc:     "Who owns a unix socket.",
		Systemd: "SocketUser", Supervisord: "socket_owner",
		set: func(d *draft, v value) { v.account(&d.socket.Owner) },
		get: eachSocket(func(s Socket) any { return s.Owner }, "")},
	{Name: "listen.NAME.group", Type: "name or id", Default: "the service's group", Supported: true,
		Doc:     "The group of a unix socket.",
		Systemd: "SocketGroup",
		set:     func(d *draft, v value) { v.account(&d.socket.Group) },
		get:     eachSocket(func(s Socket) any { return s.Group }, "")},
	{Name: "listen.NAME.reuse-port", Type: "bool", Default: "false", Supported: true,
		Doc:     "Others that set it too, and belong to the same user, may bind the same TCP or UDP address (SO_REUSEPORT).",
		Systemd: "ReusePort",
		set:     func(d *draft, v value) { v.boolean(&d.socket.ReusePort) },
		get:     eachSocket(func(s Socket) any { return s.ReusePort }, false)},
}

// eachSocket is what Diff compares of a key that has a default: the values that differ from it, by the socket's name.
func eachSocket(of func(Socket) any, otherwise any) func(*Definition) any {
	return func(d *Definition) any {
		all := map[string]any{}
		for _, s := range d.Listen {
			if v := of(s); v != otherwise && (s.Network == "unix" || otherwise != any(socketMode)) {
				all[s.Name] = v
			}
		}
		return all
	}
}
