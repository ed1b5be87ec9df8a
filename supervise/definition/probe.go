package definition

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// unixHost is the Host header at a unix socket, whose path cannot be one.
const unixHost = "localhost"

// maxReadyFD is the highest descriptor for s6's newline.
const maxReadyFD = 250

const wantURL = `want a path, such as "/health", or an URL, such as "http://127.0.0.1:5000/health"`

// http takes what a readiness check asks for.
func (v value) http(p *HTTP) {
	if _, isString := v.raw.(string); !isString {
		v.wrong(strings.TrimPrefix(wantURL, "want "), "")
		return
	}
	s, ok := v.str("")
	if !ok {
		return
	}
	bad := func(hint, text string) { v.fail(hint, "%s", text) }
	if strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		bad("write %20 for a space", "white space and control characters cannot stand in an URL")
		return
	}
	scheme, rest, found := strings.Cut(s, "://")
	switch {
	case strings.HasPrefix(s, "/"):
		if path := v.requestPath(s); path != "" {
			*p = HTTP{Path: path}
		}
	case strings.EqualFold(scheme, "https") && found:
		bad("ask http at an address that only this machine reaches", "https is not asked")
	case !found || scheme != "http":
		hint := "write " + strconv.Quote("/"+s)
		switch host, path, _ := strings.Cut(s, "/"); {
		case found:
			hint = ""
		case strings.Contains(host, ":") || host == "localhost":
			hint = "write " + strconv.Quote("http://"+host+"/"+path)
		}
		bad(hint, wantURL+", not "+quoteAny(s))
	case strings.HasPrefix(rest, "unix:"):
		socket, path, _ := strings.Cut(strings.TrimPrefix(rest, "unix:"), ":")
		socket, wrong := parseSocketPath(socket)
		if wrong != nil {
			bad(`write "http://unix:/run/web.sock:/health"`, wrong.text)
		} else if path := v.requestPath("/" + strings.TrimPrefix(path, "/")); path != "" {
			*p = HTTP{Network: "unix", Address: socket, Host: unixHost, Path: path}
		}
	default:
		v.url(p, s)
	}
}

// url takes http://HOST:PORT/path.
func (v value) url(p *HTTP, s string) {
	u, err := url.Parse(s)
	var why *url.Error
	switch {
	case errors.As(err, &why):
		v.fail("", "%s, not %s: %v", wantURL, quoteAny(s), why.Err)
		return
	case u.User != nil:
		v.fail(`give it in [ready.headers]: Authorization = "Basic …"`, "a user and a password do not belong into the URL")
		return
	case u.Hostname() == "":
		v.fail("", "%s, not %s", wantURL, quoteAny(s))
		return
	}
	port := "80"
	if u.Port() != "" {
		var ok bool
		if port, ok = portNumber(u.Port()); !ok {
			v.fail("", "%s is no port: want a number from 1 to 65535", quoteAny(u.Port()))
			return
		}
	}
	_, rest, _ := strings.Cut(s, "://")
	path := "/"
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		path += strings.TrimPrefix(rest[i:], "/")
	}
	if path = v.requestPath(path); path != "" {
		*p = HTTP{Network: "tcp", Address: net.JoinHostPort(u.Hostname(), port), Path: path}
	}
}

// requestPath is what of an URL is sent, or "" if it is bad, which is noted.
func (v value) requestPath(s string) string {
	if strings.Contains(s, "#") {
		v.fail("leave it out", "what follows # is not sent")
		return ""
	}
	if _, err := url.ParseRequestURI(s); err != nil || strings.HasPrefix(s, "//") {
		v.fail("", "%s is not the path of an URL", quoteAny(s))
		return ""
	}
	return s
}

// statuses takes HTTP statuses: 200, "200-399", "200-299,404".
func (v value) statuses(p *[]StatusRange) {
	const want = `want HTTP statuses, such as "200-399", 204 or "200-299,404"`
	s, ok := v.raw.(string)
	if n, isInt := v.raw.(int64); isInt {
		s, ok = strconv.FormatInt(n, 10), true
	}
	if !ok {
		v.wrong(strings.TrimPrefix(want, "want "), "")
		return
	}
	var ranges []StatusRange
	for part := range strings.SplitSeq(s, ",") {
		from, to, several := strings.Cut(strings.TrimSpace(part), "-")
		if !several {
			to = from
		}
		low, err1 := strconv.ParseUint(strings.TrimSpace(from), 10, 16)
		high, err2 := strconv.ParseUint(strings.TrimSpace(to), 10, 16)
		switch {
		case err1 != nil || err2 != nil:
			v.fail("", "%s, not %s", want, quoteAny(s))
			return
		case low < 100 || high > 599 || low > high:
			v.fail("", "%s: the first is at least 100, the last at most 599, not %s", want, quoteAny(strings.TrimSpace(part)))
			return
		}
		ranges = append(ranges, StatusRange{int(low), int(high)})
	}
	*p = ranges
}

// headerName is a field name of RFC 9110, 5.1.
var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// headers takes headers of a request.
func (v value) headers(p *map[string]string) {
	entries, ok := v.table("a table of strings")
	if !ok {
		return
	}
	all := map[string]string{}
	for _, e := range entries {
		name := e.last()
		if !headerName.MatchString(name) {
			e.fail("", "%s cannot be a header's name", quoteAny(name))
			continue
		}
		s, ok := e.str("a string")
		if !ok {
			continue
		}
		if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
			e.fail("", "control characters cannot stand in a header")
			continue
		}
		for other := range all {
			if strings.EqualFold(other, name) {
				e.fail("keep one of the two", "%s and %s are the same header", other, name)
			}
		}
		all[name] = strings.Trim(s, " \t")
	}
	*p = all
}

// sortedPairs is a map in a form that tells nothing from an empty one.
func sortedPairs(m map[string]string) string {
	var pairs []string
	for _, name := range sortedKeys(m) {
		pairs = append(pairs, name+": "+m[name])
	}
	return strings.Join(pairs, "\n")
}

// regexp takes a regular expression.
func (v value) regexp(p *string) {
	s, ok := v.str("a regular expression")
	if !ok {
		return
	}
	if s == "" {
		v.fail("", "an empty expression matches every line")
		return
	}
	_, err := regexp.Compile(s)
	var bad *syntax.Error
	switch {
	case errors.As(err, &bad):
		if i := strings.Index(s, bad.Expr); i >= 0 && bad.Expr != "" {
			v.at = v.inside(s, i, len(bad.Expr))
		}
		v.fail("the syntax is RE2's: https://golang.org/s/re2syntax", "%s", bad.Code)
	case err != nil:
		v.fail("", "%v", err)
	default:
		*p = s
	}
}

// probes are the keys of what can prove that a service is ready: one of them does.
var probes = []string{"ready.tcp", "ready.unix", "ready.http", "ready.exec", "ready.notify", "ready.fd", "ready.log-line", "ready.workers"}

// tried are those that are tried again and again.
var tried = []string{"ready.tcp", "ready.unix", "ready.http", "ready.exec"}

// probe settles what proves that the service is ready: one thing.
func (d *draft) probe(r *reader) {
	if d.Type == Oneshot {
		for _, key := range probes {
			if d.has(key) {
				d.set[key].fail("leave it out", "a oneshot is ready when it has ended with success")
			}
		}
		return
	}
	first := ""
	if d.Type.Notifies() {
		first = fmt.Sprintf("type = %q", d.Type)
		if v := d.set["ready.notify"]; d.has("ready.notify") && !d.Ready.Notify {
			v.fail("leave one of the two out", "%s says that it tells by sd_notify", first)
		}
		d.Ready.Notify = true
	}
	for _, key := range probes {
		off := key == "ready.workers" && !d.Ready.Workers || key == "ready.notify" && (!d.Ready.Notify || d.Type.Notifies())
		switch {
		case !d.has(key) || off:
		case first != "":
			d.set[key].fail("keep one of the two", "one probe decides, and there is %s", first)
		default:
			first = key
		}
	}
	_, said := d.set["ready.workers"]
	switch {
	case said && d.Ready.Workers && d.Workers.Depth == 0:
		d.Workers.Depth = 1
	case !said:
		d.Ready.Workers = d.Workers.Depth > 0 && first == ""
	}
	for _, key := range []string{"ready.interval", "ready.timeout"} {
		if d.has(key) && !slices.Contains(tried, first) && !r.probeMeant() {
			d.set[key].fail("add a probe, such as ready.tcp, or leave it out", "there is nothing to ask")
		}
	}
	for _, key := range []string{"ready.status", "ready.headers"} {
		if d.has(key) && first != "ready.http" && !r.probeMeant() {
			d.set[key].fail("add ready.http, or leave it out", "there is nothing to ask")
		}
	}
	for name, value := range d.Ready.Headers {
		if strings.EqualFold(name, "Host") {
			d.Ready.HTTP.Host = value
			delete(d.Ready.Headers, name)
		}
	}
	d.uptime(first)
	d.newline(r)
	d.askable(r)
}

// newline sees to it that the descriptor of ready.fd is free.
func (d *draft) newline(r *reader) {
	free := 3 + len(d.Listen)
	taken := d.Private()
	if taken {
		free++
	}
	if !d.has("ready.fd") || d.Ready.FD >= free || r.failed["listen"] || d.failed("preset") {
		return
	}
	whose := "that of the generation's private socket"
	if i := d.Ready.FD - 3; i < len(d.Listen) {
		whose = "that of listen." + d.Listen[i].Name
	}
	d.set["ready.fd"].fail(fmt.Sprintf("write fd = %d", free), "descriptor %d is %s; the first that is free is %d", d.Ready.FD, whose, free)
}

// askable notes a probe that asks where nothing would be proven: at a held socket, where gsv itself, or another
// generation, takes the connection.
func (d *draft) askable(r *reader) {
	private := d.Private() || d.failed("preset")
	h := d.Ready.HTTP
	if d.has("ready.http") && h.Private() && !private && !r.failed["listen"] {
		v := d.set["ready.http"]
		elsewhere := fmt.Sprintf("write http = %q, with an address that is not held", "http://127.0.0.1:PORT"+h.Path)
		switch p := presetByName(d.Preset); {
		case len(d.Listen) == 0 && p.private != nil:
			v.fail("add a [listen] table, or "+elsewhere, "a path alone is asked at a generation's private socket, which there is only beside held sockets")
		case len(d.Listen) > 0 && p.alone != nil:
			v.fail("add "+p.alone(d.Definition)+" to the command, or "+elsewhere, "a path alone is asked at a generation's private socket, which %s takes only if it is told to", d.Preset)
		default:
			v.fail(elsewhere, "a path alone is asked at a generation's private socket, which a server with preset %q does not take", d.Preset)
		}
	}
	at := map[string]endpoint{}
	if d.Ready.TCP != "" {
		at["ready.tcp"] = dialled(d.Ready.TCP)
	}
	if d.Ready.Unix != "" {
		at["ready.unix"] = endpoint{network: "unix", path: d.Ready.Unix}
	}
	switch h.Network {
	case "tcp":
		at["ready.http"] = dialled(h.Address)
	case "unix":
		at["ready.http"] = endpoint{network: "unix", path: h.Address}
	}
	for key, e := range at {
		i := slices.IndexFunc(d.Listen, func(s Socket) bool { return s.accepts(e) })
		switch {
		case !d.has(key):
			continue
		case i < 0 && (d.Reload == ByReplace || d.Reload == ByUpgrade) && !d.failed("reload"):
			d.set[key].warn("write workers = true in its place, or another probe", "in a replacement the old generation answers there, so it proves nothing of the new one")
			continue
		case i < 0:
			continue
		}
		hint := "write workers = true in its place"
		if path := h.Path; d.Private() {
			if path == "" {
				path = "/"
			}
			hint = fmt.Sprintf("write http = %q, which is asked at the generation's private socket", path)
		}
		d.set[key].fail(hint, "gsv holds listen.%s: a connection to it is taken whether the service is there or not, and proves nothing", d.Listen[i].Name)
	}
}

// uptime: without a probe the service is ready after min-uptime, which must come before start-timeout.
func (d *draft) uptime(probe string) {
	if d.StartTimeout == 0 || d.Type != Simple || probe != "" || d.MinUptime <= d.StartTimeout {
		return
	}
	key, text := "min-uptime", fmt.Sprintf("it counts as ready after this time, but must be ready within start-timeout, which is %s", short(d.StartTimeout))
	if !d.has(key) {
		key, text = "start-timeout", fmt.Sprintf("it must be ready within this time, but counts as ready after min-uptime, which is %s", short(d.MinUptime))
	}
	d.set[key].fail("", "%s", text)
}

// probeMeant says if [ready] may have a probe that something else is said about already.
func (r *reader) probeMeant() bool {
	for _, k := range table {
		if k.Table() == "ready" && (r.failed[k.Name] || r.misnamed[k.Name]) {
			return true
		}
	}
	return r.broken
}
