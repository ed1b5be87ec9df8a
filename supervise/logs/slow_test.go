package logs

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// A patient tells what a patience says.
func newPatient() (t *patience, p *Pump, told func() []bool) {
	p = &Pump{tell: &reporter{wake: make(chan struct{}, 1)}}
	return &patience{}, p, func() (slow []bool) {
		o := &Options{Problem: func(pr Problem) {
			if pr.Waits {
				slow = append(slow, pr.Err != nil)
			}
		}}
		for f := p.tell.next(); f != nil; f = p.tell.next() {
			f(o)
		}
		return slow
	}
}

func TestPatience(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name   string
		writes []time.Duration // write, pause, write, pause, …
		want   []bool          // true: slow
	}{
		{"at once", []time.Duration{0, ms, 0, time.Hour}, nil},
		{"nearly", []time.Duration{990 * ms, ms, 990 * ms, time.Hour}, nil},
		{"begun before it is looked at", []time.Duration{0, 900 * ms, 900 * ms, time.Hour}, nil},
		{"slow once", []time.Duration{1500 * ms, 2 * time.Second}, []bool{true, false}},
		{"told once", []time.Duration{time.Hour, 2 * time.Second}, []bool{true, false}},
		{"seen late", []time.Duration{0, 900 * ms, 1100 * ms, 2 * time.Second}, []bool{true, false}},
		{"goes on", []time.Duration{3 * time.Second, ms, 3 * time.Second, ms, 500 * ms, ms, 3 * time.Second, 2 * time.Second}, []bool{true, false}},
		{"quick again", []time.Duration{3 * time.Second, ms, 950 * ms, 40 * ms, 90 * ms, time.Hour}, []bool{true, false}},
		{"again", []time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second}, []bool{true, false, true, false}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, p, told := newPatient()
				for i, d := range tt.writes {
					if i%2 == 0 {
						w.begin(p)
					}
					time.Sleep(d)
					if i%2 == 0 {
						w.end()
					}
				}
				synctest.Wait()
				if w.armed {
					t.Error("it goes on to look while nothing is written")
				}
				got := told()
				if len(got) != len(tt.want) {
					t.Fatalf("%v, want %v", got, tt.want)
				}
				for i := range got {
					if got[i] != tt.want[i] {
						t.Fatalf("%v, want %v", got, tt.want)
					}
				}
			})
		})
	}
}

// While one write waits, nothing is looked at.
func TestPatienceCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, p, told := newPatient()
		w.begin(p)
		time.Sleep(time.Hour)
		if got := told(); w.armed || len(got) != 1 || !got[0] {
			t.Errorf("%v, %v", w.armed, got)
		}
		w.end()
		time.Sleep(time.Hour)
		if got := told(); w.armed || len(got) != 1 || got[0] {
			t.Errorf("%v, %v", w.armed, got)
		}
	})
}

func TestSlowReaderIsTold(t *testing.T) {
	t.Parallel() // it takes seconds
	r := newRig(t)
	out := newPipeOutput(t)
	if _, err := unix.FcntlInt(out.w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	child := r.run(Key{Name: "loud", Gen: 1}, out.As(Prefix))
	r.write(child, strings.Repeat("0123456\n", 1000))
	if pr := <-r.problems; !pr.Waits || pr.Err == nil || pr.Name != "" || pr.Dropped != 0 {
		t.Errorf("%+v", pr)
	}
	go io.Copy(io.Discard, out.r)
	if pr := <-r.problems; pr != (Problem{Waits: true}) {
		t.Errorf("%+v", pr)
	}
}
