package guardian

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gsv/supervise/procfs"
	"gsv/supervise/spawn"
)

// BenchmarkStartToEnded is from Start to Ended of /bin/true, as the supervisor sees it.
func BenchmarkStartToEnded(b *testing.B) { rounds(b, "bench", nil, "ns/started", "ns/op") }

// BenchmarkCrash is from the KILL of a main process to the Started of its replacement.
func BenchmarkCrash(b *testing.B) { rounds(b, "benchcrash", nil, "ns/op") }

// BenchmarkCrashToMain is from the KILL of a main process to the first byte that its replacement writes, started by a Start or armed. What is
// started is cat.
func BenchmarkCrashToMain(b *testing.B) {
	name := b.TempDir() + "/byte"
	if err := os.WriteFile(name, []byte{0}, 0o600); err != nil {
		b.Fatal(err)
	}
	for _, scene := range []string{"start", "armed"} {
		b.Run(scene, func(b *testing.B) { rounds(b, "benchmain", []string{scene, name}, "ns/op", "ns/median") })
	}
}

// BenchmarkThousand is until 1000 are started, until the same are killed and gone, and what the guardian weighs between these and needs of the
// processors for each.
func BenchmarkThousand(b *testing.B) {
	units := []string{"ms/started", "ms/ended", "KiB/pss", "KiB/anon", "cpu-µs/start", "cpu-µs/end"}
	sums := make([]float64, len(units))
	rounds := 0
	for b.Loop() {
		rounds++
		s := play(b, nil, "bench1000")
		for i := range units {
			v, err := strconv.ParseFloat(s.line(), 64)
			if err != nil {
				b.Fatal(err)
			}
			sums[i] += v
		}
		s.end(0)
	}
	for i, unit := range units {
		b.ReportMetric(sums[i]/float64(rounds), unit)
	}
}

func rounds(b *testing.B, scene string, args []string, units ...string) {
	s := play(b, nil, scene, append([]string{strconv.Itoa(b.N)}, args...)...)
	for _, unit := range units {
		v, err := strconv.ParseFloat(s.line(), 64)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(v, unit)
	}
	s.end(0)
}

func sceneBench(s *scene) {
	rounds, _ := strconv.Atoi(s.args[0])
	var started, ended time.Duration
	for n := range uint64(rounds) {
		at := time.Now()
		s.Start("web", n, &spawn.Spec{Argv: []string{"/bin/true"}}, std(), nil)
		want[Started](s)
		started += time.Since(at)
		want[Ended](s)
		ended += time.Since(at)
		s.Ack("web", n)
	}
	fmt.Println(float64(started) / float64(rounds))
	fmt.Println(float64(ended) / float64(rounds))
	s.Exit(0)
}

func sceneBenchCrash(s *scene) {
	rounds, _ := strconv.Atoi(s.args[0])
	spec := &spawn.Spec{Argv: []string{"/bin/sleep", "1000"}}
	s.Start("web", 0, spec, std(), nil)
	pid := want[Started](s).Pid
	var sum time.Duration
	for n := range uint64(rounds) {
		at := time.Now()
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			s.fail("%v", err)
		}
		want[Ended](s)
		s.Ack("web", n)
		s.Start("web", n+1, spec, std(), nil)
		pid = want[Started](s).Pid
		sum += time.Since(at)
	}
	fmt.Println(float64(sum) / float64(rounds))
	_ = unix.Kill(pid, unix.SIGKILL)
	s.Exit(0)
}

func sceneBenchMain(s *scene) {
	rounds, _ := strconv.Atoi(s.args[0])
	in, _ := held(s)
	r, w := held(s)
	in.Shared = true
	files := []File{in, {File: w, Shared: true}, std()[2]}
	spec := &spawn.Spec{Argv: []string{"/bin/cat", s.args[2], "-"}}
	buf := make([]byte, 2)
	read := func() {
		if n, err := r.Read(buf); n != 1 {
			s.fail("%d bytes, %v", n, err)
		}
	}
	s.Start("web", 0, spec, files, nil)
	pid := want[Started](s).Pid
	read()
	var all []time.Duration
	for n := range uint64(rounds) {
		if s.args[1] == "armed" {
			s.Arm("web", n+1, spec, files, nil)
			s.flush()
		}
		at := time.Now()
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			s.fail("%v", err)
		}
		if s.args[1] == "armed" {
			read()
			all = append(all, time.Since(at))
			want[Ended](s)
		} else {
			want[Ended](s)
			s.Start("web", n+1, spec, files, nil)
			read()
			all = append(all, time.Since(at))
		}
		pid = want[Started](s).Pid
		s.Ack("web", n)
	}
	slices.Sort(all)
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	fmt.Println(float64(sum) / float64(rounds))
	fmt.Println(float64(all[rounds/2]))
	_ = unix.Kill(pid, unix.SIGKILL)
	s.Exit(0)
}

func sceneBenchThousand(s *scene) {
	const services = 1000
	before := used(s, s.Hello().Pid)
	at := time.Now()
	for n := range uint64(services) {
		s.Start("web", n, &spawn.Spec{Argv: []string{"/bin/sleep", "1000"}}, std(), []File{{File: os.Stderr, Shared: true}})
	}
	for range services {
		want[Started](s)
	}
	fmt.Println(float64(time.Since(at)) / 1e6)
	pss, anon := weight(s, s.Hello().Pid)
	first := used(s, s.Hello().Pid)
	at = time.Now()
	for n := range uint64(services) {
		s.Signal(n, "web", n, unix.SIGKILL, true)
	}
	for ended := 0; ended < services; {
		if e, ok := s.next().(Ended); ok {
			s.Ack(e.Key, e.N)
			ended++
		}
	}
	fmt.Println(float64(time.Since(at)) / 1e6)
	fmt.Println(pss)
	fmt.Println(anon)
	fmt.Println(float64((first - before).Microseconds()) / services)
	fmt.Println(float64((used(s, s.Hello().Pid) - first).Microseconds()) / services)
	s.Exit(0)
}

// weight returns a process's share of memory and its anonymous part, in KiB.
func weight(s *scene, pid int) (pss, anon int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		s.fail("%v", err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		switch f[0] {
		case "Pss:":
			pss, _ = strconv.Atoi(f[1])
		case "Pss_Anon:":
			anon, _ = strconv.Atoi(f[1])
		}
	}
	return pss, anon
}

// used returns the processor time that a process has used, from the scheduler's count for each thread.
func used(s *scene, pid int) (sum time.Duration) {
	list, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		s.fail("%v", err)
	}
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err != nil {
			s.fail("%v", err)
		}
		ns, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
		if err != nil {
			s.fail("%v", err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

func BenchmarkStartTime(b *testing.B) {
	for b.Loop() {
		if _, err := procfs.StartTime(os.Getpid()); err != nil {
			b.Fatal(err)
		}
	}
}
