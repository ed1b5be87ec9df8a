package definition

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// A misaddress is what is wrong with an address.
type misaddress struct {
	text   string
	ours   string // how to write it; "" if that is not plain
	advice string // what to do, where ours is ""
}

const wantAddress = `want an address, such as "127.0.0.1:5000", "[::]:80" or "unix:/run/web.sock"`

// parseAddress reads what a socket is to be bound to: "127.0.0.1:5000", "[::]:80", "*:80", "unix:/run/web.sock",
// "udp:127.0.0.1:53". The address is the one spelling of it.
func parseAddress(s string) (network, address string, wrong *misaddress) {
	if scheme, rest, ok := strings.Cut(s, "://"); ok {
		return "", "", &misaddress{text: wantAddress + ", not " + quoteAny(s), ours: ourURL(strings.ToLower(scheme), rest)}
	}
	kind, rest, _ := strings.Cut(s, ":")
	switch {
	case kind == "unix":
		address, wrong = parseSocketPath(rest)
		return "unix", address, wrong
	case kind == "udp":
		address, wrong = parseHostPort(rest, "udp:")
		return "udp", address, wrong
	case kind == "tcp":
		wrong = &misaddress{text: "tcp needs no word in front", advice: "leave it out"}
		if address, fault := parseHostPort(rest, ""); fault == nil {
			wrong.ours = address
		}
		return "", "", wrong
	case strings.HasPrefix(s, "/"):
		wrong = &misaddress{text: wantAddress + ", not " + quoteAny(s)}
		if _, fault := parseSocketPath(s); fault == nil {
			wrong.ours = "unix:" + s
		}
		return "", "", wrong
	case strings.HasPrefix(s, "@"):
		_, wrong = parseSocketPath(s)
		return "", "", wrong
	}
	address, wrong = parseHostPort(s, "")
	return "tcp", address, wrong
}

// ourURL is the address of an URL such as http://localhost:80/x, tcp://127.0.0.1:80 or unix:///run/x, or "".
func ourURL(scheme, rest string) string {
	switch scheme {
	case "unix":
		if p, fault := parseSocketPath(rest); fault == nil {
			return "unix:" + p
		}
		return ""
	case "http", "https", "tcp", "udp", "ssl":
	default:
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	host, _, _ = strings.Cut(host, "?")
	if _, _, err := net.SplitHostPort(host); err != nil {
		host += map[string]string{"http": ":80", "https": ":443"}[scheme]
	}
	lead := ""
	if scheme == "udp" {
		lead = "udp:"
	}
	address, fault := parseHostPort(host, lead)
	switch {
	case fault == nil:
		return lead + address
	default:
		return fault.ours
	}
}

// parseSocketPath reads the path of a unix socket.
func parseSocketPath(s string) (string, *misaddress) {
	switch {
	case s == "":
		return "", &misaddress{text: "the path of the socket is missing", advice: `write "unix:/run/web.sock"`}
	case s[0] == '@':
		return "", &misaddress{text: "want the path of a socket, not the abstract name " + quoteAny(s), advice: "a path has an owner and a mode; everybody may connect to an abstract socket"}
	case !path.IsAbs(s):
		return "", &misaddress{text: "want an absolute path, not " + quoteAny(s), advice: `write "unix:/run/web.sock"`}
	case strings.HasSuffix(s, "/"):
		return "", &misaddress{text: quoteAny(s) + " is a directory's name"}
	case strings.ContainsAny(s, ";=\n"):
		return "", &misaddress{text: "a path with ; or = or a line break would break SERVER_STARTER_PORT", advice: "choose another path"}
	}
	if s = path.Clean(s); len(s) > unixPathMax {
		return "", &misaddress{text: fmt.Sprintf("%d bytes are too many for a socket's path: the kernel takes %d", len(s), unixPathMax)}
	}
	return s, nil
}

// parseHostPort reads a numeric host and a port; lead stands before it in what is shown to be written.
func parseHostPort(s, lead string) (string, *misaddress) {
	wrong := &misaddress{text: wantAddress + ", not " + quoteAny(lead+s)}
	if port, ok := portNumber(s); ok {
		wrong.text = quoteAny(lead+s) + " does not say at which address"
		wrong.advice = fmt.Sprintf("write %q, or %q for every address that there is", lead+"127.0.0.1:"+port, lead+"[::]:"+port)
		return "", wrong
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		wrong.guess(s, lead)
		return "", wrong
	}
	if number, fd, ok := strings.Cut(port, "="); ok {
		wrong.text = "gsv chooses the number of the descriptor itself"
		if at, fault := parseHostPort(net.JoinHostPort(host, number), lead); fault == nil && fd != "" {
			wrong.ours = lead + at
		}
		return "", wrong
	}
	number, ok := portNumber(port)
	switch {
	case port == "0":
		return "", &misaddress{text: "port 0 would be any port, which nobody could know", advice: "choose a number from 1 to 65535"}
	case !ok:
		return "", &misaddress{text: quoteAny(port) + " is no port: want a number from 1 to 65535"}
	case host == "" || host == "*":
		return "[::]:" + number, nil
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		wrong.text = fmt.Sprintf("%s is no numeric address, and the address of a name may change", quoteAny(host))
		wrong.advice = "write the address itself"
		if host == "localhost" {
			wrong.ours = lead + "127.0.0.1:" + number
		}
		return "", wrong
	case ip.Is4In6():
		wrong.text, wrong.ours = quoteAny(host)+" is an IPv4 address in an IPv6 one", lead+ip.Unmap().String()+":"+number
		return "", wrong
	case ip.Zone() != "":
		return "", &misaddress{text: "an address of one link cannot be held: its zone " + quoteAny(ip.Zone()) + " may change"}
	}
	return net.JoinHostPort(ip.String(), number), nil
}

// guess finds out what was meant by an address that does not come apart.
func (m *misaddress) guess(s, lead string) {
	m.advice = `an IPv6 address stands in brackets: "[::1]:5000"`
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil || !strings.Contains(s, ":") {
		m.text, m.advice = "the port is missing in "+quoteAny(lead+s), ""
		if err == nil {
			m.advice = fmt.Sprintf("write %q", lead+net.JoinHostPort(strings.Trim(s, "[]"), "5000"))
		}
		return
	}
	last := strings.LastIndexByte(s, ':')
	if at, fault := parseHostPort(net.JoinHostPort(s[:last], s[last+1:]), lead); fault == nil && strings.Contains(s[:last], ":") {
		m.ours = lead + at
	}
}

// portNumber takes a port from 1 to 65535, and gives it as it is usually written.
func portNumber(s string) (string, bool) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || strings.Trim(s, "0123456789") != "" {
		return "", false
	}
	return strconv.FormatUint(n, 10), true
}

// An endpoint is where a process can be asked: an address of a network, as far as it is numeric.
type endpoint struct {
	network, port, path string
	ips                 []netip.Addr // of a host that is a number, or this machine itself
}

// dialled is what a connection to HOST:PORT reaches: no host, and an unspecified one, are this machine.
func dialled(hostPort string) endpoint {
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return endpoint{}
	}
	if n, ok := portNumber(port); ok {
		port = n
	}
	loopback := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	e := endpoint{network: "tcp", port: port}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" || strings.EqualFold(host, "localhost"):
		e.ips = loopback
	case err != nil:
	case ip.IsUnspecified() && ip.Is4():
		e.ips = loopback[:1]
	case ip.IsUnspecified():
		e.ips = loopback
	default:
		e.ips = []netip.Addr{ip.Unmap().WithZone("")}
	}
	return e
}

// accepts says if a connection to the endpoint may come to the socket.
func (s *Socket) accepts(e endpoint) bool {
	if s.Network != e.network {
		return false
	}
	if s.Network == "unix" {
		return s.Address == path.Clean(e.path)
	}
	at, err := netip.ParseAddrPort(s.Address)
	if err != nil || strconv.Itoa(int(at.Port())) != e.port {
		return false
	}
	for _, ip := range e.ips {
		if s.takes(at.Addr(), ip) {
			return true
		}
	}
	return false
}

// takes says if a socket that is bound to at gets what comes to ip.
func (s *Socket) takes(at, ip netip.Addr) bool {
	switch {
	case at == ip:
		return true
	case !at.IsUnspecified():
		return false
	}
	return at.Is4() == ip.Is4() || at.Is6() && !s.V6Only
}

// overlaps says if the kernel would not let both be bound: one of them takes the other's address too (ip(7), ipv6(7)).
func (s *Socket) overlaps(o *Socket) bool {
	if s.Network != o.Network || s.Network == "unix" {
		return false
	}
	a, err1 := netip.ParseAddrPort(s.Address)
	b, err2 := netip.ParseAddrPort(o.Address)
	if err1 != nil || err2 != nil || a.Port() != b.Port() {
		return false
	}
	return s.takes(a.Addr(), b.Addr()) || o.takes(b.Addr(), a.Addr())
}
