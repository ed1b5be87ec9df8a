package definition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// logExample shows how what another tool's file says of a log is written here, where that is plain; else "". name is
// its key there, and in the table that it stands in.
func logExample(k *Key, in, name string, raw any) string {
	s, isString := raw.(string)
	if !isString {
		s = written(raw)
	}
	name, lower := strings.ToLower(name), strings.ToLower(s)
	key, toml := k.Name, ""
	switch k.Name {
	case "log.output", "log.path":
		if lower == "auto" {
			return "leave it out, for LOG-DIR/NAME.log is where it goes"
		}
		key, toml = logTarget(s)
	case "log.stderr":
		toml = logStderr(name, lower)
	case "log.mode", "log.group":
		toml = quoted(s)
	case "log.max-size", "log.max-total":
		if strings.HasSuffix(name, "_mb") {
			s += "MB"
		}
		toml = sizeTOML(s)
	case "log.keep":
		// 0 is none there and all here.
		if n, err := strconv.ParseUint(s, 10, 32); err == nil && n > 0 {
			toml = strconv.FormatUint(n, 10)
		}
	case "log.max-age":
		toml = ageTOML(name, s)
	case "log.timestamp":
		if s != "" {
			toml = strconv.FormatBool(switchWord(s) != "false")
		}
	case "log.syslog":
		if switchWord(s) == "true" {
			toml = `"unix"`
		}
	}
	if s == "" || toml == "" {
		return ""
	}
	if in == k.Table() { // as it stands there
		key = rows[key].In()
	}
	return "write " + key + " = " + toml
}

// quoted is a string in TOML, "" for none.
func quoted(s string) string {
	if s == "" {
		return ""
	}
	return tomlString(s)
}

// logTarget is the key, and its value, for what systemd's StandardOutput and supervisord's stdout_logfile take.
func logTarget(s string) (key, toml string) {
	kind, file, _ := strings.Cut(s, ":")
	switch lower := strings.ToLower(s); {
	case slices.Contains([]string{"append", "file", "truncate"}, kind) && file != "":
		return "log.path", quoted(asLog(file))
	case slices.Contains([]string{"none", "null", "/dev/null"}, lower):
		return "log.output", `"none"`
	case slices.Contains([]string{"inherit", "tty", "stdout", "console", "/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2", "/proc/self/fd/1", "/proc/1/fd/1"}, lower):
		return "log.output", `"stdout"`
	case strings.HasPrefix(lower, "journal"):
		return "log.journal", "true"
	case strings.HasPrefix(lower, "syslog"):
		return "log.syslog", `"unix"`
	case strings.Contains(s, "%("): // supervisord's expansion
		return "log.path", ""
	case strings.Contains(s, "/") || strings.HasSuffix(s, ".log"):
		return "log.path", quoted(asLog(s))
	}
	return "log.output", ""
}

// logStderr is the value of log.stderr for what another tool's key says of standard error.
func logStderr(name, s string) string {
	switch word := switchWord(s); {
	case name == "redirect_stderr" && word == "true", slices.Contains([]string{"inherit", "stdout", "merge", "/dev/stdout", "/dev/stderr", "/dev/fd/1", "/dev/fd/2"}, s):
		return `"merge"`
	case name == "redirect_stderr" && word == "false", strings.Contains(s, "/") && s != "/dev/null", s == "auto":
		return `"separate"`
	}
	return ""
}

// sizeTOML is a size of another tool's, "" if it is none.
func sizeTOML(s string) string {
	n, hint, err := parseSize(s)
	switch {
	case err == nil && s == strconv.FormatInt(n, 10):
		return s
	case err == nil:
		return strconv.Quote(s)
	case strings.HasSuffix(hint, `"`):
		return hint
	}
	return ""
}

// ageTOML is an age of another tool's: a number of days where the key says so, else of seconds.
func ageTOML(name, s string) string {
	unit := "s"
	if strings.Contains(name, "days") || name == "maxage" {
		unit = "d"
	}
	if n, err := strconv.ParseUint(s, 10, 16); err == nil {
		s = fmt.Sprint(n, unit)
	}
	_, hint, err := parseDuration(s)
	switch {
	case err == nil:
		return strconv.Quote(s)
	case strings.HasSuffix(hint, `"`):
		return hint
	}
	return ""
}
