package logs

import (
	"strings"
	"time"
)

const (
	// stampLayout is the time in the name of a rotated file, in UTC: names sort
	// by it. No service's name has capitals, so that none looks like one.
	stampLayout = "20060102T150405Z"
	logSuffix   = ".log"
	gzSuffix    = ".gz"
)

// rotatedName is what a log file is called that was rotated at t; stem is the
// name it had without ".log".
func rotatedName(stem string, t time.Time) string {
	return stem + "-" + t.UTC().Format(stampLayout) + logSuffix
}

// A rotated is a file that was a service's log, by its name.
type rotated struct {
	name   string    // in its directory
	stem   string    // of its index: the name without .log and .gz
	at     time.Time // when it was rotated, to the second
	zipped bool
}

// parseRotated is what name says, if a log file with that stem could have been
// rotated to it.
func parseRotated(stem, name string) (rotated, bool) {
	s, ok := strings.CutPrefix(name, stem+"-")
	if !ok {
		return rotated{}, false
	}
	s, zipped := strings.CutSuffix(s, gzSuffix)
	s, ok = strings.CutSuffix(s, logSuffix)
	if !ok {
		return rotated{}, false
	}
	at, err := time.Parse(stampLayout, s)
	if err != nil || at.Format(stampLayout) != s {
		return rotated{}, false
	}
	return rotated{name, stem + "-" + s, at, zipped}, true
}
