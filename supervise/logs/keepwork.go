package logs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// A worker is what the goroutine of a keeper knows.
type worker struct {
	*keeper
	zipper zipper
	queue  []job          // to be compressed
	job    job            // being compressed; job.c nil: none
	zipped chan result    // of job
	after  map[place]bool // to be looked at when all are compressed; true: one could not be
}

// A job is a rotated log that is to be compressed.
type job struct {
	c    *kept
	stem string
}

// A result is a compression that only wants its name.
type result struct {
	z   *zipping // nil: not begun
	err error
}

func (k *keeper) work(done chan struct{}) {
	defer close(done)
	w := worker{keeper: k, zipped: make(chan result), after: map[place]bool{}}
	for due := w.take(); due != nil; due = w.take() {
		w.look(due)
		if w.start(); w.job.c == nil {
			continue
		}
		select {
		case <-w.wake:
		case r := <-w.zipped:
			w.settle(r)
		}
	}
}

// take is what is due now; nil: nothing is left to do, and there is no goroutine
// any more.
func (w *worker) take() map[*kept]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	idle := w.job.c == nil && (len(w.queue) == 0 || w.closed)
	if idle {
		for at, failed := range w.after {
			if !failed {
				delete(w.said, complaint{at, toCompress})
			}
			if c := w.kept[at]; c != nil {
				w.due[c] = w.due[c] || false // compressed, they leave room for others: see look
			}
		}
		clear(w.after)
	}
	due := w.due
	w.due = map[*kept]bool{}
	if w.closed {
		clear(due)
	}
	if idle && len(due) == 0 {
		w.done = nil
		return nil
	}
	return due
}

// What a keeper can be unable to do, as it is told.
const (
	toRead     = "read"
	toRemove   = "remove"
	toCompress = "compress"
)

// say tells what the logs of a service suffer from, or all in a directory (whose
// place has no stem), once; nil: it is over.
func (w *worker) say(at place, name, cannot string, err error) {
	what := complaint{at, cannot}
	if err == nil {
		delete(w.said, what)
	} else if !w.said[what] {
		w.said[what] = true
		w.tell(name, fmt.Errorf("cannot %s rotated logs: %w", cannot, err))
	}
}

// look removes what must go of the logs of due services, and queues what is to
// be compressed. Each directory is listed once.
func (w *worker) look(due map[*kept]bool) {
	if len(due) == 0 {
		return
	}
	w.requeue(due)
	total, dirs := w.where(due)
	folders := map[string]*folder{}
	wrong := map[*kept]error{}
	var stay []*past // of all services
	var current int64
	for dir, all := range dirs {
		d, l, err := w.list(dir, all)
		w.say(place{dir, ""}, all[0].name, toRead, err)
		if err != nil || d == nil {
			continue
		}
		defer d.close()
		folders[dir] = d
		for _, c := range all {
			shelves := l.of(c)
			for _, s := range shelves {
				current += s.current
			}
			if zip, ok := due[c]; ok {
				left, err := w.lookAt(c, d, shelves, zip)
				stay, wrong[c] = append(stay, left...), err
				continue
			}
			for _, s := range shelves {
				stay = append(stay, s.past...)
			}
		}
	}
	if total > 0 {
		sortPast(stay)
		for _, p := range stay[:excess(stay, current, total)] {
			wrong[p.of] = cmp.Or(wrong[p.of], folders[p.of.dir].remove(p))
		}
	}
	for c, err := range wrong {
		w.say(c.place(), c.name, toRemove, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arm()
}

// requeue takes what is to be compressed of due services off the queue; they
// are to be looked at for that again.
func (w *worker) requeue(due map[*kept]bool) {
	if _, ok := due[w.job.c]; ok {
		due[w.job.c] = true
	}
	w.queue = slices.DeleteFunc(w.queue, func(j job) bool {
		_, ok := due[j.c]
		if ok {
			due[j.c] = true
		}
		return ok
	})
}

// where is which services are to be looked at, by their directories: those that
// are due, or all where all together have a limit.
func (w *worker) where(due map[*kept]bool) (total int64, dirs map[string][]*kept) {
	w.mu.Lock()
	defer w.mu.Unlock()
	dirs = map[string][]*kept{}
	for at, c := range w.kept {
		if _, ok := due[c]; at == c.place() && (ok || w.total > 0) {
			dirs[c.dir] = append(dirs[c.dir], c)
		}
	}
	return w.total, dirs
}

// list lists what a directory has of these services. No folder and no error: it
// is not there, as long as nothing has been logged.
func (w *worker) list(dir string, all []*kept) (*folder, listing, error) {
	d, err := openFolder(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	l, err := d.list(all, func(stem string) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.kept[place{dir, stem}] != nil
	})
	if err != nil {
		d.close()
		return nil, nil, err
	}
	return d, l, nil
}

// lookAt removes what must go of a service's logs, and queues what is to be
// compressed if zip is set. It returns what is left, and the first error.
func (w *worker) lookAt(c *kept, d *folder, shelves []*shelf, zip bool) (stay []*past, err error) {
	var busy place
	if w.job.c != nil {
		busy = place{w.job.c.dir, w.job.stem}
	}
	for _, s := range shelves {
		err = cmp.Or(err, d.tidy(s, busy))
	}
	now := time.Now()
	gone, stay, next := c.policy.surplus(shelves, now, false)
	wait := false
	for _, p := range stay {
		if !zip || !c.policy.Compress || !p.zippable() {
			continue
		}
		wait = true
		if busy != (place{c.dir, p.stem}) {
			w.queue = append(w.queue, job{c, p.stem})
		}
	}
	if !wait {
		// What is being compressed takes less soon, and with it what has to go;
		// c is looked at again then.
		gone, stay, next = c.policy.surplus(shelves, now, true)
	}
	for _, p := range gone {
		err = cmp.Or(err, d.remove(p))
	}
	for _, s := range shelves {
		if !s.again.IsZero() && (next.IsZero() || s.again.Before(next)) {
			next = s.again
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	c.next = next
	return stay, err
}

// start begins to compress the next log of the queue, if none is being.
func (w *worker) start() {
	for w.job.c == nil && len(w.queue) > 0 && !w.quit.Load() {
		j := w.queue[0]
		w.queue = w.queue[1:]
		w.mu.Lock()
		known := w.kept[j.c.place()] == j.c
		w.mu.Unlock()
		if !known {
			continue
		}
		w.job = j
		nicely(func() {
			z, err := openZip(j.c.dir, j.stem)
			if err == nil {
				err = z.fill(&w.zipper, &w.quit)
			}
			w.zipped <- result{z, err}
		})
	}
}

// settle gives what has been compressed its name, and removes the original. Both
// happen here, so that it is not removed by look in between.
func (w *worker) settle(r result) {
	c := w.job.c
	w.job = job{}
	err := r.err
	if r.z != nil {
		defer r.z.close()
		var done bool
		if err == nil {
			done, err = r.z.publish()
		}
		if done {
			err = r.z.drop()
		} else {
			r.z.abandon()
		}
	}
	if errors.Is(err, errStopped) || errors.Is(err, fs.ErrNotExist) { // or removed meanwhile
		err = nil
	}
	w.after[c.place()] = w.after[c.place()] || err != nil
	if err != nil {
		w.say(c.place(), c.name, toCompress, fmt.Errorf("%w; they stay as they are until the next rotation", err))
	}
}
