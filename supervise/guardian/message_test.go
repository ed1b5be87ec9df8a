package guardian

import (
	"bytes"
	"io"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"gsv/supervise/spawn"
)

var messages = []message{
	{kind: kindHello},
	{kind: kindStart, flags: flagSpecFile, files: 7, split: 3, key: "web", n: 1<<64 - 1, body: []byte("spec")},
	{kind: kindArm, files: 255, split: 255, key: "web", body: []byte("spec")},
	{kind: kindDisarm, key: "web", n: 7},
	{kind: kindStart, files: 2, split: 1, status: 2, body: []byte{0, 2, 's'}},
	{kind: kindHold, files: 1, key: "web 127.0.0.1:80"},
	{kind: kindUnhold},
	{kind: kindKeep, files: 2, key: "web", n: 7},
	{kind: kindHeld, files: 1, key: "\x00\xff"},
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

// An ordinary user may have no more files on their way than its limit is: what is over goes without.
func TestTooManyFilesOnTheirWay(t *testing.T) {
	a, b := socketpair(t)
	many := make([]int, 200) // of fd 0
	first := message{kind: kindHold, files: uint8(len(many))}
	if err := a.send(first.append(nil), many); err != nil {
		t.Fatal(err)
	}
	var sent error
	asOrdinaryUser(t, 100, func() { sent = a.trySend((&message{kind: kindHold, files: 1}).append(nil), []int{0}) })
	if sent != nil {
		t.Fatal(sent)
	}
	if _, files, lost, err := b.receive(); len(files) != len(many) || lost || err != nil {
		t.Errorf("%d files, %v, %v, want %d", len(files), lost, err, len(many))
	} else {
		closeAll(files)
	}
	if m, files, lost, err := b.receive(); m.kind != kindHold || len(files) != 0 || !lost || err != nil {
		t.Errorf("%+v, %d files, %v, %v, want it to be noticed that one is lost", m, len(files), lost, err)
	}
}

// asOrdinaryUser runs f without the capabilities that lift the limit, which is files.
func asOrdinaryUser(t *testing.T, files uint64, f func()) {
	t.Helper()
	const sysAdmin, sysResource = 21, 24
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread() // never unlocked: the thread ends with its capabilities
		head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var sets [2]unix.CapUserData
		if err := unix.Capget(&head, &sets[0]); err != nil {
			t.Error(err)
			return
		}
		sets[0].Effective &^= 1<<sysAdmin | 1<<sysResource
		if err := unix.Capset(&head, &sets[0]); err != nil {
			t.Error(err)
			return
		}
		var before unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
			return
		}
		set := func(r unix.Rlimit) { // not by the syscall package, which hands on what it was told
			if _, _, errno := unix.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&r)), 0, 0, 0); errno != 0 {
				t.Error(errno)
			}
		}
		set(unix.Rlimit{Cur: files, Max: before.Max})
		defer set(before)
		f()
	})
	wg.Wait()
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
