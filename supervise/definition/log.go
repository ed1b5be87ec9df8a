package definition

import (
	"fmt"
	"net"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// logNameMax is the longest name of a log file, in bytes: that of a rotated one is longer, and the kernel takes 255.
const logNameMax = 200

// logIndex is where the indexes of the log directory's files are.
const logIndex = ".index/"

// rotatedLog matches the name that a log file gets when it is rotated.
var rotatedLog = regexp.MustCompile(`-[0-9]{8}T[0-9]{6}Z(\.log)?(\.gz)?$`)

// logPath takes the path of a log file, one spelling of it.
func (v value) logPath(p *string) {
	s, ok := v.pathname("a path")
	if !ok {
		return
	}
	clean := path.Clean(s)
	name := path.Base(clean)
	switch {
	case s == "/dev/null":
		v.fail(`write log.output = "none"`, "%s is no log file", s)
	case slices.Contains([]string{"/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "/proc/self/fd/1", "/proc/self/fd/2"}, s):
		v.fail(`write log.output = "stdout"`, "%s is no log file", s)
	case strings.HasPrefix(clean, "/dev/") || strings.HasPrefix(clean, "/proc/") || strings.HasPrefix(clean, "/sys/"):
		v.fail("", "%s is no log file", quoteAny(s))
	case strings.HasSuffix(s, "/") || name == "/" || name == "." || name == "..":
		v.fail("name the file in it, such as "+strconv.Quote(path.Join(s, "web.log")), "%s is a directory's name", quoteAny(s))
	case strings.HasPrefix(clean, "../"):
		v.fail("a relative path counts from the log directory; write an absolute one", "%s leads out of the log directory", quoteAny(s))
	case strings.HasPrefix(clean, logIndex):
		v.fail("choose another name", "gsv keeps its own files there")
	case rotatedLog.MatchString(name):
		v.fail("choose a name without a time", "%s looks like a log file that was rotated", quoteAny(name))
	case strings.HasSuffix(name, ".gz"):
		v.fail("rotated files are compressed, by log.compress; write "+strconv.Quote(strings.TrimSuffix(s, ".gz")), "%s would not be compressed", quoteAny(name))
	case len(name) < len("x.log") || !strings.HasSuffix(name, ".log"): // what rotated files and the index are named by stands before it
		v.fail("write "+strconv.Quote(asLog(s)), "the name of a log file ends in .log")
	case len(name) > logNameMax:
		v.fail("", "%d bytes are too many for the name of a log file: at most %d", len(name), logNameMax)
	default:
		*p = clean
	}
}

// leastSize is the smallest size that is not 0, in bytes: less is one that should have had a unit.
const leastSize = 1 << 10

// size takes a number of bytes; 0 is none, or no limit.
func (v value) size(p *int64) {
	const want = `a size, such as "50MB"`
	n, isInt := v.raw.(int64)
	s, isString := v.raw.(string)
	switch {
	case isString:
		var hint string
		var err error
		if n, hint, err = parseSize(s); err != nil && strings.HasSuffix(hint, `"`) {
			v.fail(v.write(hint), "want %s: %v", want, err)
			return
		} else if err != nil {
			v.fail(hint, "want %s: %v", want, err)
			return
		}
	case !isInt:
		v.wrong(want, "")
		return
	}
	switch {
	case n < 0:
		v.fail("", "want %s: %d is negative", want, n)
	case n > largest:
		v.fail(`"1024TB" is the largest`, "want %s: %d is too large", want, n)
	case n > 0 && n < leastSize:
		v.fail(fmt.Sprintf("write %q for megabytes", sizeText(n<<20)), "%d bytes are too few: at least 1KB", n)
	default:
		*p = n
	}
}

// asLog is a path whose name is a log file's.
func asLog(s string) string {
	switch name := path.Base(s); {
	case name == ".log":
		return strings.TrimSuffix(s, name) + "web.log"
	case strings.HasSuffix(name, ".log"):
		return s
	}
	return s + ".log"
}

// logMode takes a mode that leaves gsv its own files.
func (v value) logMode(p *int) {
	mode := -1
	switch v.octal(&mode); {
	case mode < 0:
	case mode&0o600 != 0o600:
		v.fail(v.write(fmt.Sprintf("%q", fmt.Sprintf("%04o", mode|0o600))), "gsv itself must be able to read and write the file")
	case mode&0o002 != 0:
		v.fail(v.write(fmt.Sprintf("%q", fmt.Sprintf("%04o", mode&^0o002))), "everybody could write to the file")
	default:
		*p = mode
	}
}

// logAge takes a duration; a number alone was probably meant to be of days.
func (v value) logAge(p *time.Duration) {
	if n, isInt := v.raw.(int64); isInt && n > 0 {
		v.wrong(`a duration with a unit, such as "30d"`, v.write(fmt.Sprintf(`"%dd"`, n)))
		return
	}
	v.duration(p, zero)
}

// logGroup takes a group, which need not exist.
func (v value) logGroup(p *string) {
	name := ""
	if v.account(&name); name != "" {
		*p = name
		v.mustExist(name, true)
	}
}

// syslogPort is the port of syslog, for what is shown to be written.
const syslogPort = "514"

// syslog takes where lines are sent to.
func (v value) syslog(p *string) {
	const want = `want "unix", "unix:/PATH", "udp://HOST:PORT" or "tcp://HOST:PORT"`
	if on, isBool := v.raw.(bool); isBool {
		hint := "leave it out"
		if on {
			hint = v.write(`"unix"`)
		}
		v.wrong(`a string, such as "unix"`, hint)
		return
	}
	s, ok := v.str(`a string, such as "unix" or "udp://loghost:514"`)
	if !ok {
		return
	}
	scheme, rest, isURL := strings.Cut(s, "://")
	switch file, isFile := strings.CutPrefix(s, "unix:"); {
	case s == "unix":
		*p = s
	case isFile:
		v.syslogSocket(p, "/"+strings.TrimLeft(file, "/"), file)
	case strings.HasPrefix(s, "/"):
		v.fail(v.write(strconv.Quote("unix:"+s)), "%s, not %s", want, quoteAny(s))
	case isURL && (scheme == "udp" || scheme == "tcp"):
		v.syslogHost(p, scheme, rest)
	case isURL && (scheme == "tls" || strings.HasSuffix(scheme, "+tls")):
		v.fail("send it in the clear to a syslog server on this machine, which can do that", "%s, not %s: gsv does not encrypt", want, quoteAny(s))
	default:
		v.fail(syslogHint(v, s), "%s, not %s", want, quoteAny(s))
	}
}

// syslogSocket takes "unix:" and a path; clean is the path as it should be.
func (v value) syslogSocket(p *string, clean, file string) {
	switch {
	case file == "":
		v.fail(v.write(`"unix"`), "the path of the socket is missing")
	case strings.HasPrefix(file, "//"):
		v.fail(v.write(strconv.Quote("unix:"+clean)), "a path has one slash in front")
	case file[0] != '/':
		v.fail("", "want an absolute path, not %s", quoteAny(file))
	case strings.HasSuffix(file, "/"):
		v.fail("", "%s is a directory's name", quoteAny(file))
	case len(file) > unixPathMax:
		v.fail("", "%d bytes are too many for a socket's path: the kernel takes %d", len(file), unixPathMax)
	default:
		*p = "unix:" + file
	}
}

// syslogHost takes HOST:PORT behind "udp://" or "tcp://".
func (v value) syslogHost(p *string, scheme, rest string) {
	host, port, err := net.SplitHostPort(rest)
	n, e := strconv.ParseUint(port, 10, 16)
	switch bare := strings.Trim(rest, "[]"); {
	case strings.Contains(rest, "/") && rest[0] != '/':
		v.fail("leave the path out", "only a host and a port stand behind %s://", scheme)
	case err == nil && e == nil && n > 0 && hostName(host):
		*p = scheme + "://" + net.JoinHostPort(host, strconv.FormatUint(n, 10))
	case err != nil && hostName(bare):
		v.fail(v.write(strconv.Quote(scheme+"://"+net.JoinHostPort(bare, syslogPort))), "the port is missing")
	case err == nil && hostName(host):
		v.fail("", "%s is no port: want a number from 1 to 65535", quoteAny(port))
	case err == nil && host == "":
		v.fail(v.write(strconv.Quote(scheme+"://127.0.0.1:"+port)), "the host is missing")
	default:
		v.fail(v.write(strconv.Quote(scheme+"://loghost:"+syslogPort)), "%s is no host and port", quoteAny(rest))
	}
}

// hostName says if s may be the name or the address of a host.
func hostName(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-_:%") == "" && (!strings.Contains(s, ":") || net.ParseIP(strings.SplitN(s, "%", 2)[0]) != nil)
}

// syslogHint shows what was probably meant by words of other tools.
func syslogHint(v value, s string) string {
	switch lower := strings.ToLower(s); {
	case slices.Contains([]string{"", "local", "unixgram", "syslog", "/dev/log", "true", "yes", "on", "unix://"}, lower):
		return v.write(`"unix"`)
	case lower != s && slices.Contains([]string{"unix", "udp", "tcp"}, strings.SplitN(lower, ":", 2)[0]):
		return v.write(strconv.Quote(lower))
	}
	kind, rest, _ := strings.Cut(s, ":")
	if kind == "udp" || kind == "tcp" { // udp:HOST:PORT
		if rest = strings.TrimLeft(rest, "/"); rest != "" {
			return v.write(strconv.Quote(kind + "://" + rest))
		}
		return v.write(strconv.Quote(kind + "://loghost:" + syslogPort))
	}
	if host, port, err := net.SplitHostPort(s); err == nil && hostName(host) && port != "" {
		return v.write(strconv.Quote("udp://" + s))
	}
	return ""
}

// fileOnly are the keys that say how a log file is written and kept.
var fileOnly = []string{"log.path", "log.mode", "log.group", "log.stderr", "log.max-size", "log.keep", "log.max-age", "log.max-total", "log.compress", "log.timestamp", "log.on-full"}

// log notes where the keys of [log] contradict each other.
func (d *draft) log() {
	if d.has("log.format") && d.Log.Output != Stdout {
		d.noOutput("log.format", `write log.output = "stdout", or leave it out`, "it goes to a file unless gsv is PID 1")
	}
	for _, key := range fileOnly {
		if d.has(key) && d.Log.Output != File && (key != "log.stderr" || d.Log.Separate) {
			d.noOutput(key, `write log.output = "file", or leave it out`, "as PID 1, and with --, it goes to gsv's standard output")
		}
	}
	for _, key := range []string{"log.keep", "log.compress"} {
		if d.has(key) && d.Log.Output == File && d.Log.MaxSize == 0 && d.Log.MaxAge == 0 && d.Log.MaxTotal == 0 && !d.failed("log.max-age") && !d.failed("log.max-total") {
			d.set[key].warn("set max-size, max-age or max-total", "has no effect, for the file is never rotated")
		}
	}
	if total := d.Log.MaxTotal; d.has("log.max-size") && d.has("log.max-total") && total > 0 && total < d.Log.MaxSize {
		d.set["log.max-total"].warn("", "less than log.max-size, so the file is rotated earlier, at %s", sizeText(total/2))
	}
}

// noOutput notes a key that does nothing with this output: an error where the file itself says which that is, else a
// warning, for the same file may be used as PID 1 and otherwise.
func (d *draft) noOutput(key, hint, why string) {
	switch {
	case d.failed("log.output"):
	case d.has("log.output"):
		d.set[key].fail(hint, "has no effect with output = %q", d.Log.Output)
	default:
		d.set[key].warn(hint, "has no effect where output goes now: %s", why)
	}
}

// logStems are the log files of a service, without ".log", by which they and their rotated files are told apart: absolute
// ones where the log directory is known.
func (d *Definition) logStems(logDir string) []string {
	if d.Log.Output != File {
		return nil
	}
	stem := d.Name
	if d.Log.Path != "" {
		stem = strings.TrimSuffix(d.Log.Path, ".log")
	}
	if !path.IsAbs(stem) {
		stem = path.Join(logDir, stem)
	}
	if d.Log.Separate {
		return []string{stem, stem + ".err"}
	}
	return []string{stem}
}

// ownLogs makes a service bad whose log.path is another's log too: the lines of both would be in each
// other's files. One that has its log where it is without log.path is not to blame.
func ownLogs(defs []*Definition, bad []Bad, logDir string) ([]*Definition, []Bad) {
	writers := map[string][]*Definition{}
	for _, d := range defs {
		for _, stem := range d.logStems(logDir) {
			writers[stem] = append(writers[stem], d)
		}
	}
	good := defs[:0:0]
	for _, d := range defs {
		other := (*Definition)(nil)
		for _, stem := range d.logStems(logDir) {
			for _, w := range writers[stem] {
				if w != d && other == nil && d.Log.Path != "" {
					other = w
				}
			}
		}
		if other == nil {
			good = append(good, d)
			continue
		}
		r := reader{path: d.Path, full: strings.TrimPrefix(string(d.Source), "\ufeff")}
		r.places = locate(r.full).places
		r.value(nil, "log.path", "log"+pathSep+"path", nil).fail("choose another path", "%s has its log there too", other.Path)
		r.problems = append(r.problems, d.Warnings...)
		r.problems.sort()
		bad = append(bad, Bad{d.Name, d.Path, r.problems})
	}
	return good, bad
}
