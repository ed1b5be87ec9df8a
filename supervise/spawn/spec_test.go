package spawn

import (
	"bytes"
	"reflect"
	"testing"
)

var specs = []Spec{
	{},
	{Argv: []string{"a"}, Umask: -1},
	{
		Argv: []string{"sh", "-c", ""}, File: "/proc/self/exe", Path: "/a:/b", Env: []string{"A=1", "B=\xff\x00"}, Dir: "/", Umask: 0o777,
		Creds: &Credentials{UID: 1, GID: 1<<32 - 1, Groups: []uint32{3, 4}}, Session: NewGroup, Foreground: true, NoFile: &Rlimit{Cur: 1, Max: 1<<64 - 1},
		ListenPID: true,
	},
	{Argv: []string{"a"}, ListenPID: true},
	{Argv: []string{"x"}, Creds: &Credentials{}, Env: make([]string, 300)},
}

func TestSpecRoundTrip(t *testing.T) {
	for _, s := range specs {
		b := s.AppendTo([]byte("before"))[len("before"):]
		got, err := ParseSpec(b)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("%+v came back as %+v, %v", s, got, err)
		}
		for i := range b {
			if _, err := ParseSpec(b[:i]); err == nil {
				t.Errorf("the first %d of %d bytes were accepted", i, len(b))
			}
		}
		if _, err := ParseSpec(append(bytes.Clone(b), 0)); err == nil {
			t.Error("a byte too many was accepted")
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, s := range specs {
		f.Add(s.AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseSpec(b)
		if err != nil {
			return
		}
		if again := s.AppendTo(nil); !bytes.Equal(again, b) {
			t.Errorf("%x is %+v, which is %x", b, s, again)
		}
	})
}
