package forward

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// The grammar of RFC 5424, section 6; what comes after it is the text.
var grammar = regexp.MustCompile(`^<(\d|[1-9]\d|1[0-8]\d|19[01])>1 ` +
	`(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ` + // TIMESTAMP
	`([!-~]{1,255}) ([!-~]{1,48}) - - ` + // HOSTNAME APP-NAME PROCID MSGID
	`\[gsv@32473 run="(-?\d+)"(?: stream="(stdout|stderr)")?\] `)

// parse5424 reads a message back.
func parse5424(b []byte) (m message, host, app string, err error) {
	p := grammar.FindSubmatch(b)
	if p == nil {
		return m, "", "", fmt.Errorf("%.300q is not of RFC 5424", b)
	}
	pri, _ := strconv.Atoi(string(p[1]))
	if pri>>3 != daemon {
		return m, "", "", fmt.Errorf("facility %d", pri>>3)
	}
	m.severity = severity(pri & 7)
	if m.at, err = time.Parse(time.RFC3339Nano, string(p[2])); err != nil {
		return m, "", "", err
	}
	m.gen, err = strconv.Atoi(string(p[5]))
	for s := range Stderr + 1 {
		if s.String() == string(p[6]) {
			m.stream = s
		}
	}
	m.text = b[len(p[0]):]
	return m, string(p[3]), string(p[4]), err
}

var fieldName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,63}$`)

// parseNative reads a message of the journal's protocol back.
func parseNative(b []byte) (fields map[string]string, err error) {
	fields = map[string]string{}
	for len(b) > 0 {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok {
			return nil, fmt.Errorf("%q does not end", line)
		}
		name, value, short := bytes.Cut(line, []byte("="))
		if !short {
			if len(rest) < 8 {
				return nil, fmt.Errorf("%q has no length", name)
			}
			n := binary.LittleEndian.Uint64(rest)
			if rest = rest[8:]; n >= uint64(len(rest)) || rest[n] != '\n' {
				return nil, fmt.Errorf("%q has %d bytes of %d", name, len(rest), n)
			}
			value, rest = rest[:n], rest[n+1:]
		}
		if !fieldName.Match(name) {
			return nil, fmt.Errorf("a field is called %q", name)
		}
		if _, twice := fields[string(name)]; twice {
			return nil, fmt.Errorf("%s is there twice", name)
		}
		fields[string(name)], b = string(value), rest
	}
	return fields, nil
}

// Whatever a service writes, and whatever it and the host are called, a receiver
// reads back what was meant.
func FuzzMessage(f *testing.F) {
	f.Add("web", "app01", 7, uint8(0), int64(1_800_000_000_000_123), []byte("one"))
	f.Add("", "", 0, uint8(1), int64(0), []byte(""))
	f.Add("a b\n=", "h\x00é]", -1, uint8(2), int64(1), []byte("<3>x] \" \\ \n\x00\xff"))
	f.Fuzz(func(t *testing.T, service, host string, gen int, stream uint8, micro int64, line []byte) {
		const year9999 = 253_402_300_799_000_000
		when := time.UnixMicro((micro%year9999 + year9999) % year9999)
		var q queue
		tgt := &target{}
		fw := &Forwarder{targets: []*target{tgt}}
		tgt.sending = true // by the test
		fw.Offer(gen, Stream(stream%3), when, line)
		m, rest := tgt.waiting.first()
		if len(rest) != 0 || tgt.waiting.count() != 1 || m.gen != gen || m.stream != Stream(stream%3) || !m.at.Equal(when) {
			t.Fatalf("the queue gives %+v", m)
		}
		text := line
		if len(line) > 2 && line[0] == '<' && line[2] == '>' && bytes.ContainsAny(line[1:2], "01234567") {
			text = line[3:]
		}
		if text = text[:min(len(text), maxLine)]; !bytes.Equal(m.text, text) || m.severity > 7 {
			t.Fatalf("of %.100q the queue has %.100q, severity %d", line, m.text, m.severity)
		}
		q = tgt.waiting

		write := rfc5424(field(host, 255), field(service, 48))
		same := func(b []byte, want []byte) {
			t.Helper()
			got, _, _, err := parse5424(b)
			if err != nil || got.gen != m.gen || got.stream != m.stream || got.severity != m.severity || !got.at.Equal(m.at) || !bytes.Equal(got.text, want) {
				t.Fatalf("%.300q is read as %+v, %v", b, got, err)
			}
		}
		same(write(nil, &m), text)
		tgt.form = write
		tgt.link = &link{framing: counted}
		frame := tgt.framed(nil, &m)
		size, body, _ := bytes.Cut(frame, []byte(" "))
		if n, err := strconv.Atoi(string(size)); err != nil || n != len(body) {
			t.Fatalf("the frame of %d bytes says %q", len(body), size)
		}
		same(body, text)
		tgt.link.framing = ended
		m, _ = q.first()
		frame = tgt.framed(nil, &m)
		if bytes.IndexByte(frame, '\n') != len(frame)-1 {
			t.Fatalf("a message a line: %.300q", frame)
		}
		same(frame[:len(frame)-1], bytes.ReplaceAll(text, []byte("\n"), []byte(" ")))

		m, _ = q.first()
		fields, err := parseNative(native(field(service, 255))(nil, &m))
		if err != nil || fields["MESSAGE"] != string(text) || fields["GSV_RUN"] != strconv.Itoa(gen) || fields["PRIORITY"] != strconv.Itoa(int(m.severity)) || fields["GSV_STREAM"] != m.stream.String() {
			t.Fatalf("the journal reads %.300q, %v", fields, err)
		}
	})
}

// The queue gives what was put, in order, and never more than it has room for.
func FuzzQueue(f *testing.F) {
	f.Add([]byte("\x01\x02\xff\x00\x10"), 1)
	f.Add(bytes.Repeat([]byte{255}, 300), 200)
	f.Fuzz(func(t *testing.T, sizes []byte, factor int) {
		var q queue
		var want [][]byte
		for i, n := range sizes {
			text := bytes.Repeat([]byte{byte(i)}, min(int(n)*(factor&511), maxLine))
			if q.put(&message{gen: i, text: text}) {
				want = append(want, text)
			} else if len(q)+head+len(text) <= room {
				t.Fatalf("no room for %d after %d", len(text), len(q))
			}
		}
		if len(q) > room || q.count() != int64(len(want)) {
			t.Fatalf("%d bytes, %d messages of %d", len(q), q.count(), len(want))
		}
		for _, text := range want {
			var m message
			if m, q = q.first(); !bytes.Equal(m.text, text) {
				t.Fatalf("got %.50q, want %.50q", m.text, text)
			}
		}
	})
}
