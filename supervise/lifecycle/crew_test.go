package lifecycle

import (
	"testing"
	"time"
)

func TestExcusedWorkersDoNotCount(t *testing.T) {
	at := time.Unix(1e9, 0)
	pids := func(born time.Time, pids ...int) (list []Worker) {
		for _, pid := range pids {
			list = append(list, Worker{Proc: Proc{Pid: pid, Start: 1}, Shows: true, Born: born})
		}
		return list
	}
	var c Crew
	c.See(at, pids(at, 1, 2), time.Second)
	c.See(at, pids(at, 3, 4), time.Second)
	if c.Died != 2 {
		t.Errorf("%d have died", c.Died)
	}
	shared := c
	c.Excuse(at.Add(time.Second))
	c.See(at.Add(time.Second), pids(at, 5), time.Second) // born before, not seen until now
	c.See(at.Add(time.Second), pids(at.Add(2*time.Second), 6), time.Second)
	if c.Died != 0 || shared.Died != 2 || shared.Members[0].Excused {
		t.Errorf("%d have died of the code of now; before: %+v", c.Died, shared)
	}
	c.See(at.Add(time.Second), nil, time.Second)
	if c.Died != 1 {
		t.Errorf("%d have died", c.Died)
	}
}
