package logs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// stampFormat is RFC 3339 with milliseconds, of a time in UTC.
const stampFormat = "2006-01-02T15:04:05.000Z"

// appendJSON appends the object of a line, and a line end.
func (p *Printer) appendJSON(b []byte, s *scratch, key Key, line []byte, cut bool) []byte {
	b = append(b, `{"time":"`...)
	b = s.at.UTC().AppendFormat(b, stampFormat)
	b = append(b, `","service":`...)
	b = appendString(b, []byte(key.Name))
	b = append(b, `,"run":`...)
	b = strconv.AppendInt(b, int64(key.Gen), 10)
	b = append(b, `,"stream":"`...)
	b = append(b, p.stream...)
	b = append(b, `","line":`...)
	b = appendString(b, line)
	if !utf8.Valid(line) {
		b = append(b, `,"bytes":"`...)
		b = base64.StdEncoding.AppendEncode(b, line)
		b = append(b, '"')
	}
	if cut {
		b = append(b, `,"cut":true`...)
	}
	return append(b, "}\n"...)
}

// appendString appends text as a JSON string.
func appendString(b, text []byte) []byte {
	if plain(text) {
		b = append(b, '"')
		b = append(b, text...)
		return append(b, '"')
	}
	out := bytes.NewBuffer(b)
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if err := e.Encode(string(text)); err != nil {
		panic("bug: " + err.Error()) // a string
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// plain reports whether text is the same as a JSON string.
func plain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// wholeRunes is n, or less if that is in the middle of a character of b.
func wholeRunes(b []byte, n int) int {
	for i := n; i > n-utf8.UTFMax; i-- {
		if !utf8.RuneStart(b[i]) {
			continue
		}
		if _, size := utf8.DecodeRune(b[i:]); i+size > n || !utf8.FullRune(b[i:]) {
			return i
		}
		break
	}
	return n
}
