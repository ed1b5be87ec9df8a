package guardian

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gsv/supervise/spawn"
)

var messages = []message{
	{kind: kindHello},
	{kind: kindStart, flags: flagSpecFile, files: 7, split: 3, key: "web", n: 1<<64 - 1, body: []byte("spec")},
	{kind: kindArm, files: 255, split: 255, key: "web", body: []byte("spec")},
	{kind: kindDisarm, key: "web", n: 7},
	{kind: kindEnded, flags: flagNext | flagLeft | flagUnknown, pid: -1, num: 5, at: -6, status: 0xffffffff, failure: spawn.Failure{Step: spawn.StepExec, Errno: 65535}, key: strings.Repeat("k", maxKey)},
}

func TestMessageRoundTrip(t *testing.T) {
	for _, m := range messages {
		b := m.append([]byte("before"))[len("before"):]
		got, err := decode(b)
		if m.body == nil {
			m.body = []byte{}
		}
		if err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("%+v came back as %+v, %v", m, got, err)
		}
		for i := range min(len(b), headerSize+len(m.key)) {
			if _, err := decode(b[:i]); err == nil {
				t.Errorf("the first %d of %d bytes were accepted", i, len(b))
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, m := range messages {
		f.Add(m.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			return
		}
		if again := m.append(nil); !bytes.Equal(again, b) {
			t.Errorf("%x is %+v, which is %x", b, m, again)
		}
	})
}

func socketpair(t *testing.T) (a, b *socket) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range []**socket{&a, &b} {
		if *s, err = newSocket(fds[i]); err != nil {
			t.Fatal(err)
		}
		t.Cleanup((*s).close)
	}
	return a, b
}

// What finds no room is sent later, in order, and nobody waits for a reader.
func TestOutboxNeverWaits(t *testing.T) {
	a, b := socketpair(t)
	o := newOutbox(a)
	const count = 20_000
	for n := range uint64(count) {
		o.put(&message{kind: kindTold, n: n}, nil)
	}
	for n := range uint64(count) {
		m, _, _, err := b.receive()
		if err != nil || m.n != n {
			t.Fatalf("message %d is %+v, %v", n, m, err)
		}
	}
	o.put(&message{kind: kindListed}, nil)
	if m, _, _, err := b.receive(); err != nil || m.kind != kindListed {
		t.Fatalf("%+v, %v", m, err)
	}
	b.close()
	for range 1000 { // nobody is there
		o.put(&message{kind: kindTold}, nil)
	}
	o.close()
}

// The socket of a dead supervisor is read to its end, even if somebody else holds the other end too.
func TestShutdownKeepsWhatWasSent(t *testing.T) {
	a, b := socketpair(t)
	for n := range uint64(10) {
		if err := b.send((&message{kind: kindAck, n: n}).append(nil), []int{0, 1}); err != nil {
			t.Fatal(err)
		}
	}
	a.shutdown()
	for n := range uint64(10) {
		m, _, lost, err := a.receive()
		if err != nil || m.n != n || !lost { // the message does not say that files come along
			t.Fatalf("message %d is %+v, %v, %v", n, m, lost, err)
		}
	}
	if _, _, _, err := a.receive(); err != io.EOF {
		t.Fatalf("%v, want the end", err)
	}
	if err := b.send((&message{kind: kindAck}).append(nil), nil); err == nil {
		t.Fatal("a message was taken after the end")
	}
}

// What a peer has sent counts, though it ended without reading what it was sent.
func TestUnreadMessagesDoNotReset(t *testing.T) {
	a, b := socketpair(t)
	if err := a.send((&message{kind: kindListed}).append(nil), nil); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(2) {
		if err := b.send((&message{kind: kindAck, n: n}).append(nil), nil); err != nil {
			t.Fatal(err)
		}
	}
	b.close()
	for n := range uint64(2) {
		if m, _, _, err := a.receive(); err != nil || m.n != n {
			t.Fatalf("message %d is %+v, %v", n, m, err)
		}
	}
	if _, _, _, err := a.receive(); err != io.EOF {
		t.Fatalf("%v, want the end", err)
	}
}

func TestReceiveRefusesGarbage(t *testing.T) {
	for _, bad := range [][]byte{{1}, make([]byte, maxMessage+1), (&message{kind: kindAck, body: []byte{1}}).append(nil)} {
		a, b := socketpair(t)
		if err := b.send(bad, []int{0}); err != nil {
			t.Fatal(err)
		}
		if m, files, _, err := a.receive(); err == nil || err == io.EOF || files != nil {
			t.Errorf("%d bytes are %+v, %v, %v", len(bad), m, files, err)
		}
	}
}
