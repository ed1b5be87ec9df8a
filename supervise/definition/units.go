package definition

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// longest is the longest duration a file may name: beyond it, a deadline in nanoseconds
// comes near the end of its number.
const longest = 10 * 365 * 24 * time.Hour

// parseDuration reads "500ms", "10s", "1h30m", "2d": a unit is a must, even for 0. The hint
// is a good spelling of what was probably meant, or "".
func parseDuration(s string) (d time.Duration, hint string, err error) {
	n, unit := splitUnit(strings.TrimSpace(s))
	if strings.TrimLeft(s, "0123456789.") == "" && s != "" {
		return 0, strconv.Quote(s + "s"), fmt.Errorf("%q has no unit", s)
	}
	if days, e := strconv.Atoi(strings.TrimSuffix(s, "d")); e == nil && strings.HasSuffix(s, "d") && !strings.ContainsAny(s, "+-") {
		if days > int(longest/(24*time.Hour)) {
			return 0, `"3650d" is the longest`, fmt.Errorf("%q is too long", s)
		}
		return time.Duration(days) * 24 * time.Hour, "", nil
	}
	d, e := time.ParseDuration(s)
	switch {
	case strings.HasPrefix(s, "-"):
		return 0, "", fmt.Errorf("%q is negative", s)
	case e != nil || strings.HasPrefix(s, "+"):
		if long, ok := longUnits[strings.ToLower(unit)]; ok && n != "" {
			hint = strconv.Quote(n + long)
		}
		return 0, hint, fmt.Errorf("%q is not a duration", s)
	case d > longest:
		return 0, `"3650d" is the longest`, fmt.Errorf("%q is too long", s)
	}
	return d, "", nil
}

// longUnits are spellings of units that are not ours, and some that are.
var longUnits = map[string]string{
	"": "s", "s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
	"m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
	"h": "h", "hr": "h", "hour": "h", "hours": "h", "d": "d", "day": "d", "days": "d",
	"ms": "ms", "msec": "ms", "millisecond": "ms", "milliseconds": "ms",
}

// splitUnit parts "10 sec" into "10" and "sec".
func splitUnit(s string) (number, unit string) {
	number = s[:len(s)-len(strings.TrimLeft(s, "0123456789."))]
	return number, strings.TrimSpace(s[len(number):])
}

// largest is the largest size a file may name, in bytes: the sum of several must not run over.
const largest = 1 << 50

// parseSize reads "512KB", "50MB", "1GB", "2TB", each unit 1024 of the one before, or a number of bytes.
// The hint is a good spelling of what was probably meant, or "".
func parseSize(s string) (n int64, hint string, err error) {
	number, unit := splitUnit(strings.TrimSpace(s))
	ours, known := sizeUnits[strings.ToLower(unit)]
	many, e := strconv.ParseFloat(number, 64)
	bytes := many * float64(ours.bytes)
	switch {
	case strings.HasPrefix(s, "-"):
		return 0, "", fmt.Errorf("%q is negative", s)
	case e == nil && known && bytes > largest:
		return 0, `"1024TB" is the largest`, fmt.Errorf("%q is too large", s)
	case e == nil && known && s == number+ours.name && !strings.Contains(number, "."):
		return int64(bytes), "", nil
	case e == nil && known && bytes == math.Trunc(bytes):
		hint = strconv.Quote(sizeText(int64(bytes)))
	}
	return 0, hint, fmt.Errorf("%q is not a size", s)
}

// sizeUnits are spellings of units, and how they are written here.
var sizeUnits = map[string]struct {
	name  string
	bytes int64
}{
	"": {"", 1}, "b": {"", 1}, "byte": {"", 1}, "bytes": {"", 1},
	"k": {"KB", 1 << 10}, "kb": {"KB", 1 << 10}, "kib": {"KB", 1 << 10},
	"m": {"MB", 1 << 20}, "mb": {"MB", 1 << 20}, "mib": {"MB", 1 << 20},
	"g": {"GB", 1 << 30}, "gb": {"GB", 1 << 30}, "gib": {"GB", 1 << 30},
	"t": {"TB", 1 << 40}, "tb": {"TB", 1 << 40}, "tib": {"TB", 1 << 40},
}

// sizeText writes a size as it is written in a file: "50MB", "1000".
func sizeText(n int64) string {
	unit := ""
	for _, u := range []string{"KB", "MB", "GB", "TB"} {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, u
	}
	return strconv.FormatInt(n, 10) + unit
}

// parseSignal reads "TERM" or "SIGTERM". The hint is a name, or "".
func parseSignal(s string) (sig syscall.Signal, hint string, err error) {
	name := "SIG" + strings.TrimPrefix(s, "SIG")
	if sig = unix.SignalNum(name); sig != 0 {
		return sig, "", nil
	}
	if n, e := strconv.Atoi(s); e == nil {
		return 0, signalName(syscall.Signal(n)), fmt.Errorf("%q is a number, not a signal's name", s)
	}
	upper := strings.TrimPrefix(strings.ToUpper(s), "SIG")
	if unix.SignalNum("SIG"+upper) != 0 {
		return 0, upper, fmt.Errorf("%q is not a signal's name", s)
	}
	var names []string
	for n := syscall.Signal(1); n < 32; n++ {
		names = append(names, signalName(n))
	}
	return 0, closest(upper, names), fmt.Errorf("%q is not a signal's name", s)
}

// signalName is a signal's name without SIG, or "" if it has none.
func signalName(sig syscall.Signal) string {
	return strings.TrimPrefix(unix.SignalName(sig), "SIG")
}

// parseOctal reads a mode such as "022" or "0o022", up to 0777.
func parseOctal(s string) (int, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not octal", s)
	}
	if n > 0o777 {
		return 0, fmt.Errorf("%q is beyond \"777\"", s)
	}
	return int(n), nil
}

// closest finds the name that s was probably meant to be, or "".
func closest(s string, names []string) string {
	best, least := "", max(1, len(s)/3)+1
	for _, n := range names {
		if d := distance(s, n, least); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is the number of characters to insert, delete, replace or swap with their
// neighbour to get from a to b; limit or more is told as limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return min(last[len(b)], limit)
}
