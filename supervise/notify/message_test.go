package notify

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("é", 400)
	for _, tt := range []struct {
		in   string
		want Message
	}{
		{"", Message{}},
		{"READY=1", Message{State: Ready}},
		{"READY=1\n", Message{State: Ready}},
		{"READY=1\x00", Message{State: Ready}},
		{"READY=1\nSTATUS=Gunicorn arbiter booted", Message{State: Ready, HasStatus: true, Status: "Gunicorn arbiter booted"}},
		{"READY=0", Message{}},
		{"READY=1 ", Message{}},
		{" READY=1", Message{}},
		{"READY", Message{}},
		{"ready=1", Message{}},
		{"=READY=1", Message{}},
		{"X=READY=1", Message{}},
		{"READY=1\r\n", Message{}},
		{"READY\x00=1", Message{}},
		{"READY=1\x00STATUS=x", Message{}},
		{"RELOADING=1\nMONOTONIC_USEC=123", Message{State: Reloading, Monotonic: 123 * time.Microsecond}},
		{"MONOTONIC_USEC=99999999999999\nRELOADING=1", Message{State: Reloading, Monotonic: 99999999999999 * time.Microsecond}},
		{"RELOADING=1\nMONOTONIC_USEC=-1", Message{State: Reloading}}, {"RELOADING=1\nMONOTONIC_USEC=9223372036854776", Message{State: Reloading}},
		{"READY=1\nSTOPPING=1", Message{State: Stopping}},
		{"RELOADING=1\nREADY=1", Message{State: Ready}},
		{"STATUS=a=b", Message{HasStatus: true, Status: "a=b"}},
		{"STATUS=", Message{HasStatus: true}},
		{"STATUS=a\nSTATUS=b", Message{HasStatus: true, Status: "b"}},
		{"STATUS=\x1b[31m\u202ered\x07\t ", Message{HasStatus: true, Status: "[31m red"}},
		{"STATUS=\xff\nREADY=1", Message{State: Ready}},
		{"STATUS=x" + long, Message{HasStatus: true, Status: "x" + long[:510]}},
		{"MAINPID=4711", Message{MainPid: 4711}},
		{"MAINPID=1", Message{}}, {"MAINPID=0", Message{}}, {"MAINPID=-5", Message{}}, {"MAINPID=4294967297", Message{}}, {"MAINPID=12x", Message{}},
		{"ERRNO=98", Message{Errno: 98}}, {"ERRNO=-98", Message{}}, {"ERRNO=99999", Message{}},
		{"EXTEND_TIMEOUT_USEC=1500000", Message{Extend: 1500 * time.Millisecond}},
		{"EXTEND_TIMEOUT_USEC=18446744073709551615", Message{Extend: maxTime}},
		{"EXTEND_TIMEOUT_USEC=18446744073709551616", Message{}},
		{"EXTEND_TIMEOUT_USEC=9223372036854775807", Message{Extend: maxTime}},
		{"EXTEND_TIMEOUT_USEC=1s", Message{}},
		{"WATCHDOG=1", Message{Watchdog: Ping}}, {"WATCHDOG=trigger", Message{Watchdog: Trigger}}, {"WATCHDOG=0", Message{}},
		{"WATCHDOG_USEC=20000000", Message{HasEvery: true, Every: 20 * time.Second}},
		{"WATCHDOG_USEC=0", Message{HasEvery: true}},
		{"WATCHDOG_USEC=18446744073709551615", Message{HasEvery: true}},
		{"FDSTORE=1\nFDNAME=x", Message{}}, {"BARRIER=1", Message{}}, {"X_OWN=1", Message{}},
		{"READY=1\n" + strings.Repeat("x", maxMessage), Message{}},
		{strings.Repeat("\n", maxMessage-7) + "READY=1", Message{State: Ready}},
		{"MONOTONIC_USEC=123\nREADY=0", Message{Monotonic: 123 * time.Microsecond}},
	} {
		if got := Parse([]byte(tt.in)); got != tt.want {
			t.Errorf("%.60q says %+v, want %+v", tt.in, got, tt.want)
		}
		if got := Parse([]byte(tt.in)); got.IsZero() != (tt.want == Message{Monotonic: tt.want.Monotonic}) {
			t.Errorf("%.60q says nothing: %v", tt.in, got.IsZero())
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"READY=1", "STATUS=\xe2\x80\xa8", "WATCHDOG_USEC=99999999999999\nMAINPID=2", "EXTEND_TIMEOUT_USEC=1\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m := Parse(b)
		switch {
		case len(m.Status) > maxStatus, !utf8.ValidString(m.Status), strings.ContainsFunc(m.Status, unicode.IsControl):
			t.Errorf("status %q", m.Status)
		case m.Status != "" && !m.HasStatus, m.Every != 0 && !m.HasEvery:
			t.Errorf("said, and not said: %+v", m)
		case m.Extend < 0 || m.Extend > maxTime, m.Every < 0 || m.Every >= maxTime, m.Monotonic < 0, m.MainPid < 0 || m.MainPid == 1, m.Errno < 0:
			t.Errorf("out of bounds: %+v", m)
		}
	})
}
