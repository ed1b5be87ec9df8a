package logs

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// benchRig is a Pump, and a File or Lines for each service.
func benchRig(b *testing.B, services int, lines bool, watched ...func(Key, []byte)) (children []*os.File, finish func()) {
	return benchRigAs(b, services, lines, Prefix, watched...)
}

func benchRigAs(b *testing.B, services int, lines bool, format Format, watched ...func(Key, []byte)) (children []*os.File, finish func()) {
	logs := b.TempDir()
	drained := make(chan Key, services)
	p, err := NewPump(Options{
		Dir:     b.TempDir(),
		Drained: func(k Key) { drained <- k },
		Problem: func(p Problem) { b.Error(p) },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { null.Close() })
	out, err := NewLines(null)
	if err != nil {
		b.Fatal(err)
	}
	for i := range services {
		key := Key{Name: fmt.Sprint("s", i), Gen: 1}
		for _, show := range watched {
			p.Watch(key.Name, show)
		}
		child, reader, err := Make(key, -1)
		if err != nil {
			b.Fatal(err)
		}
		var sink Sink = NewFile(logs, key.Name)
		if lines {
			sink = out.As(format)
		}
		if err := p.Add(key, reader, sink); err != nil {
			b.Fatal(err)
		}
		reader.Close()
		children = append(children, child)
	}
	return children, func() {
		for _, c := range children {
			c.Close()
		}
		for range children {
			<-drained
		}
	}
}

// BenchmarkThroughput: one service that writes as fast as it can.
func BenchmarkThroughput(b *testing.B) {
	line := []byte(strings.Repeat("x", 119) + "\n")
	for _, bench := range []struct {
		name  string
		write []byte
		lines bool
	}{
		{"file/64KiB", bytes.Repeat(line, 546), false},
		{"file/line", line, false},
		{"lines/64KiB", bytes.Repeat(line, 546), true},
		{"lines/line", line, true},
	} {
		b.Run(bench.name, func(b *testing.B) {
			children, finish := benchRig(b, 1, bench.lines)
			b.SetBytes(int64(len(bench.write)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := children[0].Write(bench.write); err != nil {
					b.Fatal(err)
				}
			}
			finish()
		})
	}
}

// BenchmarkWatched is BenchmarkThroughput of a service that is watched.
func BenchmarkWatched(b *testing.B) {
	line := []byte(strings.Repeat("x", 119) + "\n")
	for name, write := range map[string][]byte{"64KiB": bytes.Repeat(line, 546), "line": line} {
		b.Run(name, func(b *testing.B) {
			var seen int64
			children, finish := benchRig(b, 1, false, func(_ Key, line []byte) { seen += int64(len(line)) + 1 })
			b.SetBytes(int64(len(write)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := children[0].Write(write); err != nil {
					b.Fatal(err)
				}
			}
			finish()
			if want := int64(b.N) * int64(len(write)); seen != want {
				b.Errorf("seen %d bytes of %d", seen, want)
			}
		})
	}
}

// BenchmarkIdle: what 1000 services cost that have been added and are silent.
func BenchmarkIdle(b *testing.B) {
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		_, finish := benchRig(b, 1000, false)
		runtime.GC()
		runtime.ReadMemStats(&after)
		finish()
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1000, "heap-B/service")
}

// BenchmarkTurn: 200 services write a line each, in turn; what the Pump's
// threads cost a line shows in its own processor time.
func BenchmarkTurn(b *testing.B) {
	line := []byte(strings.Repeat("x", 119) + "\n")
	for _, lines := range []bool{false, true} {
		b.Run(fmt.Sprintf("lines=%v", lines), func(b *testing.B) {
			children, finish := benchRig(b, 200, lines)
			i := 0
			before := cpu()
			for b.Loop() {
				if _, err := children[i%len(children)].Write(line); err != nil {
					b.Fatal(err)
				}
				i++
			}
			finish()
			b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

func cpu() int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func BenchmarkMake(b *testing.B) {
	for gen := 1; b.Loop(); gen++ {
		child, reader, err := Make(Key{Name: "web", Gen: gen}, -1)
		if err != nil {
			b.Fatal(err)
		}
		child.Close()
		reader.Close()
	}
}

func BenchmarkTail(b *testing.B) {
	file := NewFile(b.TempDir(), "web")
	text := bytes.Repeat([]byte(strings.Repeat("x", 119)+"\n"), 1<<20)
	if err := os.WriteFile(file.Path(), text, 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := file.Raw(b.Context(), 20, false, "", func(Cursor, []byte) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFormats: what a line costs the Pump in each.
func BenchmarkFormats(b *testing.B) {
	write := bytes.Repeat([]byte(strings.Repeat("x", 119)+"\n"), 546)
	for name, format := range map[string]Format{"prefix": Prefix, "json": JSON, "raw": Raw} {
		b.Run(name, func(b *testing.B) {
			children, finish := benchRigAs(b, 1, true, format)
			b.SetBytes(int64(len(write)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := children[0].Write(write); err != nil {
					b.Fatal(err)
				}
			}
			finish()
		})
	}
}
