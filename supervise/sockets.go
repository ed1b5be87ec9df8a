package supervise

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gsv/supervise/definition"
	"gsv/supervise/guardian"
	"gsv/supervise/lifecycle"
	"gsv/supervise/listen"
	"gsv/supervise/status"
)

// Sockets are bound before the first start of a service, and kept until it is
// stopped: what connects while no process is there waits. Supervisor and guardian
// each have a descriptor, so neither's death closes them.

// A private is the socket of one generation alone.
type private struct {
	file    *os.File
	address string // "127.0.0.1:PORT"
}

// specOf is what a socket of a service is to be. It may take long: see
// Definition.SocketOwner.
func specOf(d *definition.Definition, sock definition.Socket) (listen.Spec, error) {
	uid, gid, err := d.SocketOwner(sock)
	return listen.Spec{Name: sock.Name, Network: sock.Network, Address: sock.Address, V6Only: sock.V6Only,
		Backlog: sock.Backlog, Mode: sock.Mode, UID: uid, GID: gid, ReusePort: sock.ReusePort}, err
}

// addressOf names a socket as Spec.String does.
func addressOf(sock definition.Socket) string {
	return listen.Spec{Network: sock.Network, Address: sock.Address}.String()
}

// bind makes the sockets that a start needs and that are not held yet, and has
// them in b.bound. alone: no other process has them. It may take long.
func (b *birth) bind(d *definition.Definition, gen int, alone bool, held map[string]*listen.Socket) error {
	if len(d.Listen) == 0 {
		return nil
	}
	b.bound = map[string]*listen.Socket{}
	var passed []listen.Passed
	for _, sock := range d.Listen {
		spec, err := specOf(d, sock)
		if err != nil {
			return err
		}
		is := held[spec.String()]
		if is != nil && is.Revive() != nil { // a process of the service has seen to that
			if b.lost == nil {
				b.lost = map[string]*listen.Socket{}
			}
			b.lost[spec.String()], is = is, nil
		}
		switch {
		case is == nil:
			is, err = listen.Open(spec)
			if err == nil {
				b.bound[spec.String()] = is
			}
		case is.Spec() != spec: // the same address, but another backlog, say
			if is, err = listen.Adopt(spec, is.File()); err == nil {
				b.bound[spec.String()] = is
			}
		}
		if err == nil { // what Adopt was given is closed
			err = suit(is, d.Preset, alone)
		}
		if err != nil {
			return fmt.Errorf("[listen.%s]: %w", sock.Name, err)
		}
		passed = append(passed, listen.Passed{Name: sock.Name, Network: sock.Network, Address: sock.Address})
	}
	if d.Private() {
		var err error
		if b.private.file, b.private.address, err = listen.Private(); err != nil {
			return err
		}
		passed = append(passed, listen.Passed{Name: "private", Network: "tcp", Address: b.private.address})
	}
	b.spec.ListenPID = true
	b.spec.Env = withVariables(b.spec.Env, listen.Environ(passed, gen))
	return nil
}

// suit makes of what all processes share of a socket what the server wants. alone:
// no other process has it.
func suit(sock *listen.Socket, preset string, alone bool) error {
	raw, err := sock.File().SyscallConn()
	if err != nil {
		return err
	}
	var wrong error
	err = raw.Control(func(fd uintptr) {
		// nginx does not set it on what it inherits, and waits in accept(2) for a connection that another took; Net::Server and
		// php-fpm want it clear; the others set it.
		if nginx := preset == "nginx"; nginx || alone {
			wrong = unix.SetNonblock(int(fd), nginx)
		}
		// When puma is told to go it closes connections that it has accepted and that nothing has come on yet (Puma::Server,
		// reactor_wakeup; Puma::Client, can_close?). So does a worker of Starman's whose read the signal interrupts (Starman::Server,
		// _read_headers). They are to get those on which a request has come. unicorn asks for that by itself.
		if later := preset == "puma" || preset == "starman"; (later || alone) && sock.Spec().Network == "tcp" {
			seconds := 0
			if later {
				seconds = 1
			}
			wrong = errors.Join(wrong, unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, seconds))
		}
	})
	return errors.Join(err, wrong)
}

// withVariables is env with these variables, in place of those of the same names.
func withVariables(env, more []string) []string {
	name := func(entry string) string { n, _, _ := strings.Cut(entry, "="); return n }
	ours := map[string]bool{}
	for _, entry := range more {
		ours[name(entry)] = true
	}
	env = slices.DeleteFunc(slices.Clone(env), func(entry string) bool { return ours[name(entry)] })
	return append(env, more...)
}

// whoHolds says so where what keeps a service from its address is the service
// itself, which binds it without gsv.
func (s *Supervisor) whoHolds(svc *service, err error) error {
	var used *listen.InUse
	if !errors.As(err, &used) {
		return err
	}
	for _, r := range svc.runs {
		if slices.Contains(used.Pids, r.pid) && r.pid != 0 {
			return fmt.Errorf("%w, which is the service's own: it has bound the address itself; gsvctl restart %s hands it over", err, svc.name)
		}
	}
	return err
}

// hold takes over what a start has bound, whatever becomes of that start.
func (s *Supervisor) hold(svc *service, b *birth) {
	for address, sock := range b.bound {
		if svc.sockets == nil {
			svc.sockets = map[string]*listen.Socket{}
		}
		if old := svc.sockets[address]; old != nil && old.Inode() != sock.Inode() {
			if old != b.lost[address] {
				sock.Remove() // somebody was quicker
				continue
			}
			old.Close()
			s.event(eventOf(svc.name, "gsv", "its socket "+address+" was of no use any more, and is bound anew"))
		}
		svc.sockets[address] = sock
		s.guardian.Hold(heldName(svc, address), sock.File())
		s.mark(svc)
	}
	b.bound = nil
}

// heldName is the name by which the guardian holds a socket.
func heldName(svc *service, address string) string { return svc.name + " " + address }

// socketFiles adds the sockets to the files of a start, in the order of its
// definition. They must be held.
func (svc *service) socketFiles(d *definition.Definition, b *birth, files []guardian.File) ([]guardian.File, error) {
	for _, sock := range d.Listen {
		is := svc.sockets[addressOf(sock)]
		if is == nil {
			return files, errors.New("its socket " + addressOf(sock) + " was let go meanwhile")
		}
		files = append(files, guardian.File{File: is.File(), Shared: true})
	}
	if b.private.file != nil {
		files = append(files, guardian.File{File: b.private.file})
		b.private.file = nil
	}
	return files, nil
}

// drop closes what a start has bound and will not use.
func (b *birth) drop() {
	if b.private.file != nil {
		b.private.file.Close()
		b.private.file = nil
	}
}

// trimSockets lets those sockets go that the service needs no more: all when it
// is down for good, else those that are in no definition by which it runs.
func (s *Supervisor) trimSockets(svc *service) {
	if len(svc.sockets) == 0 {
		return
	}
	wanted := map[string]bool{}
	want := func(d *definition.Definition) {
		if d != nil {
			for _, sock := range d.Listen {
				wanted[addressOf(sock)] = true
			}
		}
	}
	for _, r := range svc.state.Runs {
		if known := svc.runs[r.Gen]; known != nil {
			want(known.def)
		}
	}
	if phase := svc.state.Phase(); len(svc.state.Runs) > 0 || phase == lifecycle.Backoff || svc.state.Begins() {
		want(svc.def)
	}
	for address := range maps.Clone(svc.sockets) {
		if !wanted[address] {
			s.letGo(svc, address)
		}
	}
}

func (s *Supervisor) letGo(svc *service, address string) {
	// Nobody is to be accepted from now on, though the guardian still has to close it.
	if raw, err := svc.sockets[address].File().SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	}
	if err := svc.sockets[address].Remove(); err != nil {
		s.say(svc.name + ": " + err.Error())
	}
	delete(svc.sockets, address)
	s.guardian.Unhold(heldName(svc, address))
	s.mark(svc)
}

// regain takes up the sockets of a service that an earlier supervisor has bound:
// from the guardian, or, if that is another one, out of the service's processes.
func (s *Supervisor) regain(svc *service, rec record) {
	for _, d := range []*definition.Definition{svc.def, svc.next} {
		if d == nil {
			continue
		}
		for _, sock := range d.Listen {
			if address := addressOf(sock); svc.sockets[address] == nil {
				s.regainOne(svc, d, sock, address, rec)
			}
		}
	}
}

func (s *Supervisor) regainOne(svc *service, d *definition.Definition, sock definition.Socket, address string, rec record) {
	name := heldName(svc, address)
	file := s.held[name]
	delete(s.held, name)
	inode := rec.Sockets[address]
	for gen, r := range rec.Runs {
		if file != nil || inode == 0 || !hasRun(rec.State, gen) {
			continue
		}
		file, _ = listen.Regain(r.Pid, inode)
	}
	if file == nil {
		return
	}
	spec, err := specOf(d, sock)
	var is *listen.Socket
	if err == nil {
		is, err = listen.Adopt(spec, file)
	}
	if err != nil {
		file.Close()
		s.guardian.Unhold(name)
		s.say(svc.name + ": " + err.Error())
		return
	}
	s.hold(svc, &birth{bound: map[string]*listen.Socket{address: is}})
}

func hasRun(st lifecycle.State, gen int) bool {
	return slices.ContainsFunc(st.Runs, func(r lifecycle.Run) bool { return r.Gen == gen })
}

// dropHeld lets go of what the guardian holds and no service wants.
func (s *Supervisor) dropHeld() {
	for name, file := range s.held {
		removeHeld(name, file)
		s.guardian.Unhold(name)
	}
	s.held = nil
}

// removeHeld closes what was held under a name. Of a unix socket the path goes too.
func removeHeld(name string, file *os.File) {
	if _, path, ok := strings.Cut(name, " unix:"); ok {
		if sock, err := listen.Adopt(listen.Spec{Network: "unix", Address: path, Mode: -1, UID: -1, GID: -1}, file); err == nil {
			sock.Remove()
			return
		}
	}
	file.Close()
}

// addresses are those of a service's sockets, as they are written.
func addresses(d *definition.Definition) []string {
	list := []string{}
	if d != nil {
		for _, sock := range d.Listen {
			list = append(list, addressOf(sock))
		}
	}
	return list
}

// socketsOf is how the sockets of a service are. It asks the kernel.
func socketsOf(d *definition.Definition, held map[string]*listen.Socket) []status.Socket {
	var list []status.Socket
	for _, sock := range d.Listen {
		v := status.Socket{Name: sock.Name, Address: addressOf(sock)}
		if is := held[v.Address]; is != nil {
			if q, err := is.Queue(); err == nil {
				v.Held, v.Queue, v.Backlog, v.Overflow = true, q.Waiting, q.Max, q.Overflow
			}
		}
		list = append(list, v)
	}
	return list
}

// queues are the accept queues of all sockets of a service that accept
// connections: how many wait in the fullest, how many may, and how many found no
// room so far.
func (svc *service) queues() (waiting, most int, overflow int64) {
	for _, sock := range svc.sockets {
		q, err := sock.Queue()
		if err != nil || sock.Spec().Network == "udp" {
			continue
		}
		if waiting*max(q.Max, 1) <= q.Waiting*max(most, 1) {
			waiting, most = q.Waiting, q.Max
		}
		overflow += max(q.Overflow, 0)
	}
	return waiting, most, overflow
}
