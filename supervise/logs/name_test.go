package logs

import (
	"testing"
	"time"
)

func TestParseRotated(t *testing.T) {
	at := time.Date(2026, 11, 23, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		stem, name string
		want       rotated
		ok         bool
	}{
		{"web", "web-20261123T030405Z.log", rotated{"web-20261123T030405Z.log", "web-20261123T030405Z", at, false}, true},
		{"web", "web-20261123T030405Z.log.gz", rotated{"web-20261123T030405Z.log.gz", "web-20261123T030405Z", at, true}, true},
		{"web.err", "web.err-20261123T030405Z.log", rotated{"web.err-20261123T030405Z.log", "web.err-20261123T030405Z", at, false}, true},
		{"web", "web.err-20261123T030405Z.log", rotated{}, false},
		{"web", "web-api-20261123T030405Z.log", rotated{}, false},
		{"web", "web.log", rotated{}, false},
		{"web", "web-20261123.log", rotated{}, false},
		{"web", "web-20261123T030405Z", rotated{}, false},
		{"web", "web-20261123T030405Z.gz", rotated{}, false},
		{"web", "web-20261123T030405Z.log.gz.gz", rotated{}, false},
		{"web", "web-20261323T030405Z.log", rotated{}, false},
		{"web", "web-20261123T030460Z.log", rotated{}, false},
		{"web", "web-20261123T030405.5Z.log", rotated{}, false},
		{"web", "web-20261123t030405z.log", rotated{}, false},
	} {
		if got, ok := parseRotated(tt.stem, tt.name); got != tt.want || ok != tt.ok {
			t.Errorf("%s, %s: %+v, %v", tt.stem, tt.name, got, ok)
		}
	}
}

// FuzzRotatedName: a name says when, sorts by it, and nothing else is taken for one.
func FuzzRotatedName(f *testing.F) {
	f.Add("web", int64(1795402245), "web-20261123T030405Z.log")
	f.Add("web-20261123T030405Z", int64(0), "web-20261123T030405Z-20261123T030405Z.log.gz")
	f.Add("", int64(-1), "-20261123T030405.0Z.log")
	f.Fuzz(func(t *testing.T, stem string, sec int64, name string) {
		at := time.Unix(sec, 0).UTC()
		if at.Year() >= 0 && at.Year() <= 9998 {
			made := rotatedName(stem, at)
			for _, name := range []string{made, made + gzSuffix} {
				if r, ok := parseRotated(stem, name); !ok || !r.at.Equal(at) || r.name != name || r.stem+logSuffix != made || r.zipped == (name == made) {
					t.Errorf("%q is %+v, %v", name, r, ok)
				}
			}
			if later := rotatedName(stem, at.Add(time.Second)); later <= made {
				t.Errorf("%q sorts before %q", later, made)
			}
		}
		r, ok := parseRotated(stem, name)
		back := rotatedName(stem, r.at)
		if r.zipped {
			back += gzSuffix
		}
		if ok && back != name {
			t.Errorf("%q is taken for %q", name, back)
		}
		of := listing{stem: {stem: stem}}
		if s, asked, found := of.ask(name); found != ok || found && (asked != r || s != of[stem]) {
			t.Errorf("%q: listed %+v, %v, parsed %+v, %v", name, asked, found, r, ok)
		}
	})
}
