package watch

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// BenchmarkSet begins to watch 10 000 directories with 100 000 files. It says how
// long that takes, how long until their contents are known, and what is kept.
func BenchmarkSet(b *testing.B) {
	r := newRig(b)
	for i := range 100 {
		for j := range 100 {
			dir := r.path(fmt.Sprintf("app/%02d/%02d", i, j))
			r.must(os.MkdirAll(dir, 0o755))
			for k := range 10 {
				r.must(os.WriteFile(fmt.Sprintf("%s/File%02d.pm", dir, k), []byte(fmt.Sprint(i, j, k)), 0o644))
			}
		}
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	begun, idle := make(chan struct{}, 1), r.idle
	r.idle = func(s *service, at time.Time) {
		select {
		case begun <- struct{}{}:
		default:
		}
		idle(s, at)
	}
	var watching, learned time.Duration
	for b.Loop() {
		if s := r.services["web"]; s != nil {
			r.Remove("web")
			<-s.left
			select {
			case <-begun:
			default:
			}
		}
		r.tick()
		start := time.Now()
		r.Set("web", Spec{Paths: []string{r.path("app")}, Debounce: quick})
		<-begun
		watching += time.Since(start)
		r.quiet("web")
		learned += time.Since(start)
	}
	b.ReportMetric(watching.Seconds()*1e3/float64(b.N), "ms/watching")
	b.ReportMetric(learned.Seconds()*1e3/float64(b.N), "ms/learned")
	b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
}
