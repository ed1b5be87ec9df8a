package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// socketMode is the mode of a unix socket unless the file says otherwise.
const socketMode = 0o660

// Bounds on the [listen] tables.
const (
	maxSockets    = 100
	maxSocketName = 64 // bytes
)

// listen decodes the tables [listen.NAME], in the order of the file.
func (r *reader) listen(d *draft, raw any) {
	v := r.value(nil, "listen", "listen", raw)
	tables, ok := raw.(map[string]any)
	if !ok {
		r.failed["listen"] = true
		v.wrong("a table for each socket", listenHint("http", raw))
		return
	}
	place := func(name string) string { return "listen" + pathSep + name }
	names := sortedKeys(tables)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(r.keyAt(place(a)).start, r.keyAt(place(b)).start) })
	unnamed := false
	for _, name := range names {
		entries, isTable := tables[name].(map[string]any)
		switch v := r.value(nil, "listen."+name, place(name), tables[name]); {
		case !isTable && rows["listen.NAME."+name] != nil:
			if !unnamed {
				r.note(r.keyAt("listen"), false, "listen: the socket needs a name", "write [listen.http], with any name")
			}
			unnamed, r.failed["listen"] = true, true
		case !isTable:
			r.failed["listen"] = true
			v.wrong("a table", listenHint(name, tables[name]))
		default:
			r.socket(d, name, place(name), entries)
		}
	}
	if len(d.Listen) > maxSockets {
		r.note(r.keyAt("listen"), false, fmt.Sprintf("listen: %d sockets are too many: at most %d", len(d.Listen), maxSockets), "")
	}
}

// listenHint shows how what stands in the place of a socket's table is written.
func listenHint(name string, raw any) string {
	if _, several := raw.([]map[string]any); several {
		return "write [listen." + name + "], with a name of its own for each"
	}
	return "write [listen." + name + "] and below it address = " + strconv.Quote(ourAddress("", raw))
}

// listenExample shows how a key that another tool's file has is written here, for a socket. in is the table it stands in.
func listenExample(k *Key, in, name string, raw any) string {
	val := written(raw)
	s, isString := raw.(string)
	switch {
	case k.In() == "address":
		val = strconv.Quote(ourAddress(name, raw))
	case isString && k.Type == "integer":
		val = s
	case isString && k.Type == "bool":
		val = switchWord(s)
	case isString && k.In() == "owner" && strings.Contains(s, ":"): // supervisord's user:group
		owner, group, _ := strings.Cut(s, ":")
		val = tomlString(owner) + ", and group = " + tomlString(group)
	case isString:
		val = tomlString(s)
	}
	switch {
	case val == "":
		return ""
	case in == k.Table():
		return "write " + k.In() + " = " + val
	}
	return "write [listen.http] and below it " + k.In() + " = " + val
}

// ourAddress is what another tool's file gives as an address, written as here. A port alone is every address for systemd
// (systemd.socket(5)), by whose name it may be called.
func ourAddress(name string, raw any) string {
	s, _ := raw.(string)
	if n, ok := raw.(int64); ok {
		s = strconv.FormatInt(n, 10)
	}
	host, lead := "127.0.0.1", ""
	switch strings.ToLower(name) {
	case "listenstream":
		host = "[::]"
	case "listendatagram":
		host, lead = "[::]", "udp:"
	}
	if port, ok := portNumber(s); ok {
		s = host + ":" + port
	}
	if strings.HasPrefix(s, "/") {
		lead = ""
	}
	network, address, wrong := parseAddress(lead + s)
	switch {
	case wrong != nil:
		return cmp.Or(wrong.ours, "127.0.0.1:5000")
	case network != "tcp":
		return network + ":" + address
	}
	return address
}

// socket decodes one [listen.NAME].
func (r *reader) socket(d *draft, name, where string, entries map[string]any) {
	if fault := checkSocketName(name); fault != "" {
		r.note(r.keyAt(where), false, "listen: "+fault, "a socket's name is letters, digits, _ . -")
	}
	d.socket = &Socket{Name: name, Mode: socketMode}
	table := "listen." + name
	misnamed := false
	for _, in := range sortedKeys(entries) {
		k := rows["listen.NAME."+in]
		if k == nil {
			r.unknownKey("listen.NAME", in, where+pathSep+in, entries[in])
			misnamed = true
			continue
		}
		v := r.value(k, table+"."+in, where+pathSep+in, entries[in])
		d.set[v.name] = v
		k.set(d, v)
	}
	if _, ok := d.set[table+".address"]; !ok && !misnamed && !r.broken {
		r.note(r.keyAt(where), false, table+": there is no address", `write address = "127.0.0.1:5000"`)
	}
	if d.socket.Network != "unix" {
		d.socket.Mode = 0
	}
	d.Listen = append(d.Listen, *d.socket)
}

// checkSocketName says what is wrong with the name of a socket, or "".
func checkSocketName(name string) string {
	plain := func(c rune) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("_.-", c)
	}
	switch {
	case name == "":
		return "the socket has no name"
	case len(name) > maxSocketName:
		return fmt.Sprintf("the name is too long: %d bytes, at most %d", len(name), maxSocketName)
	case strings.ContainsFunc(name, func(c rune) bool { return !plain(c) }):
		return quoteAny(name) + " cannot be a socket's name"
	case name == "private":
		return `"private" cannot be a socket's name, for it is that of a generation's private socket`
	}
	return ""
}

// bound takes where a socket is bound.
func (v value) bound(s *Socket) {
	raw := v.raw
	if n, ok := raw.(int64); ok {
		raw = strconv.FormatInt(n, 10)
	}
	text, ok := raw.(string)
	if !ok {
		v.wrong(`an address, such as "127.0.0.1:5000"`, "")
		return
	}
	if strings.Contains(text, "\x00") {
		v.fail("", "a zero byte cannot be passed on")
		return
	}
	network, address, wrong := parseAddress(text)
	switch {
	case wrong != nil && wrong.ours != "":
		v.fail("write address = "+strconv.Quote(wrong.ours), "%s", wrong.text)
	case wrong != nil:
		v.fail(wrong.advice, "%s", wrong.text)
	default:
		s.Network, s.Address = network, address
	}
}

// listen notes what contradicts itself in the [listen] tables, and settles which of them take IPv6 alone.
func (d *draft) listen() {
	key := func(s Socket, name string) string { return "listen." + s.Name + "." + name }
	for i := range d.Listen {
		s := &d.Listen[i]
		for _, name := range []string{"mode", "owner", "group"} {
			if d.has(key(*s, name)) && s.Network != "unix" && s.Network != "" {
				d.set[key(*s, name)].fail("leave it out", "only a unix socket has one")
			}
		}
		switch {
		case d.has(key(*s, "backlog")) && s.Network == "udp":
			d.set[key(*s, "backlog")].fail("leave it out", "on a UDP socket there are no connections to wait")
		case d.has(key(*s, "reuse-port")) && s.Network == "unix":
			d.set[key(*s, "reuse-port")].fail("leave it out", "a unix socket has no port")
		}
		if _, port, ok := strings.Cut(s.Address, "[::]:"); ok && s.Network != "unix" {
			s.V6Only = slices.ContainsFunc(d.Listen, func(o Socket) bool { return o.Network == s.Network && o.Address == "0.0.0.0:"+port })
		}
	}
	for i := range d.Listen {
		s := &d.Listen[i]
		for j := range i {
			o := &d.Listen[j]
			v, ok := d.set[key(*s, "address")]
			switch {
			case !ok || s.Network == "":
			case s.Network == o.Network && s.Address == o.Address:
				v.fail("keep one of the two", "listen.%s has this address already", o.Name)
			case s.overlaps(o) && !(s.ReusePort && o.ReusePort):
				v.fail("keep one of the two, or set reuse-port = true in both", "%s and listen.%s, which is at %s, cannot be bound together: one takes the other's address too", s.Address, o.Name, o.Address)
			default:
				continue
			}
			break
		}
	}
}
