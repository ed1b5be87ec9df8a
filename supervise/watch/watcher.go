package watch

import (
	"errors"
	"reflect"
	"sync"
	"time"
)

// A Watcher watches for all services with one inotify instance, which it has from
// the first service on. Its methods may be called from any goroutine, and from the
// functions of Options, and wait for no disk.
//
// Each service has a goroutine, so that a disk that hangs holds up nobody else.
type Watcher struct {
	options Options
	seed    seed
	every   time.Duration                                       // pollEvery, of tests less
	retry   time.Duration                                       // retryAfter, of tests less
	names   int                                                 // namesMax, of tests less
	add     func(fd int, path string, mask uint32) (int, error) // of tests; nil: the kernel's
	start   func() (*inotify, error)                            // newInotify, of tests another
	network func(path string) string                            // networkOf
	idle    func(s *service, at time.Time)                      // of tests: it waits until then

	telling sync.Mutex    // held while a function of Options is called
	lane    chan struct{} // one service at a time reads files that nobody waits for
	buffers sync.Pool     // for reading

	mu       sync.Mutex
	services map[string]*service
	in       *inotify // nil: none yet
	closed   bool
}

// New returns a Watcher that watches nothing yet.
func New(o Options) (*Watcher, error) {
	if o.Settled == nil || o.Loaded == nil || o.Stalled == nil || o.Trouble == nil {
		return nil, errors.New("cannot watch: a function of the options is missing")
	}
	w := &Watcher{options: o, seed: newSeed(), every: pollEvery, retry: retryAfter, names: namesMax, start: newInotify, network: networkOf, lane: make(chan struct{}, 1), services: map[string]*service{}}
	w.buffers.New = func() any { return new([64 << 10]byte) }
	return w, nil
}

// Set watches for a service from now on. What is there now counts as loaded. If the
// Spec is what it was, nothing happens; if it is another, a pause stays.
func (w *Watcher) Set(name string, spec Spec) { w.set(name, spec, time.Time{}, 0) }

// SetSince is Set where the service has been watched before, by a Watcher that is
// gone: what has changed since then, by the change times of files, is a deploy that
// is under way. What has only been removed meanwhile, and a link that was pointed
// elsewhere, is seen if files is what Options.Loaded has told last; 0: it is not known.
func (w *Watcher) SetSince(name string, spec Spec, since time.Time, files uint64) {
	w.set(name, spec, since, files)
}

func (w *Watcher) set(name string, spec Spec, since time.Time, files uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.services[name]
	if w.closed || old != nil && reflect.DeepEqual(old.spec, spec) {
		return
	}
	s := newService(w, name, spec)
	if !since.IsZero() {
		s.since, s.settled, s.anew, s.were = since, since, true, files
	}
	if old != nil {
		s.state.paused, s.told = old.end()
	}
	w.services[name] = s
	go s.run()
}

// Remove ends watching for a service. A function of Options that has been called
// for it may still run.
func (w *Watcher) Remove(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.services[name]; s != nil {
		s.end()
		delete(w.services, name)
	}
}

// Pause has changes noted for a service, and nothing settled.
func (w *Watcher) Pause(name string) {
	w.of(name, func(s *service) { s.state.pause() })
}

// Resume ends a pause: what has changed since settles as one deploy. All is looked at,
// for what the kernel does not tell.
func (w *Watcher) Resume(name string) {
	w.of(name, func(s *service) {
		s.state.resume(time.Now())
		s.lose()
	})
}

// Loaded says that what is there now has been loaded by other means, or is being:
// it is no deploy any more. What changes later is the next one.
func (w *Watcher) Loaded(name string) {
	w.pump()
	w.of(name, func(s *service) {
		s.calls = append(s.calls, kernelNow())
		s.inbox = append(s.inbox, event{call: callLoaded})
	})
}

// Pending says what is under way for a service and since when; "" is nothing.
func (w *Watcher) Pending(name string) (what string, since time.Time) {
	w.of(name, func(s *service) { what, since = s.state.String(), s.state.since })
	return what, since
}

// of does something with a service that is watched for, and has its goroutine look.
func (w *Watcher) of(name string, do func(s *service)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.services[name]; s != nil {
		s.mu.Lock()
		do(s)
		s.mu.Unlock()
		s.wake()
	}
}

// Close ends watching for all services.
func (w *Watcher) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for name, s := range w.services {
		s.end()
		delete(w.services, name)
	}
	if in := w.in; in != nil {
		go in.file.Close() // which waits for those who are adding a watch
		w.in = nil
	}
	return nil
}

// inotify returns the instance of all services.
func (w *Watcher) inotify() (*inotify, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.in != nil {
		return w.in, nil
	}
	if w.closed {
		return nil, errors.New("closed")
	}
	in, err := w.start()
	if err != nil {
		return nil, err
	}
	if w.add != nil {
		in.add = w.add
	}
	w.in = in
	in.overflow = w.overflow
	go in.run()
	return in, nil
}

// pump has services told what has happened by now.
func (w *Watcher) pump() {
	w.mu.Lock()
	in := w.in
	w.mu.Unlock()
	if in != nil {
		in.pump()
	}
}

// overflow has everything looked at again, since events are missing.
func (w *Watcher) overflow() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.services {
		s.mu.Lock()
		s.lose()
		s.mu.Unlock()
		s.wake()
	}
}
