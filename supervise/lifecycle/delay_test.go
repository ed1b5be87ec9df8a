package lifecycle

import (
	"testing"
	"time"
)

// A service that has failed for days is decided about as fast as on its first day.
func TestDelayAfterCountlessFailures(t *testing.T) {
	for _, tt := range []struct {
		name   string
		delay  time.Duration
		factor float64
		want   time.Duration
	}{
		{"none", 0, 2, 0},
		{"always the same", 500 * time.Millisecond, 1, 500 * time.Millisecond},
		{"growing", 500 * time.Millisecond, 2, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := defaultPolicy()
			p.Delay, p.DelayFactor = tt.delay, tt.factor
			m := &machine{p: p, s: State{Failures: 1 << 40}}
			if got := m.delay(0); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
