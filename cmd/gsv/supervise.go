package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"gsv/control/server"
	"gsv/supervise"
	"gsv/supervise/definition"
	"gsv/supervise/guardian"
)

// The files that the guardian hands to a supervisor: see guard.
const (
	guardianFd = 3
	listenerFd = 4
)

// pid1Bound is the shutdown-timeout as PID 1: container runtimes kill after 10 s.
const pid1Bound = 8 * time.Second

// runSupervisor is the supervisor, as the guardian starts it.
func runSupervisor(args []string) (int, error) {
	s, err := parse(args)
	if err != nil {
		return exitUsage, err
	}
	setName("gsv")
	supervise.GatherGarbage()
	guard, err := guardian.Dial(guardianFd)
	if err != nil {
		return exitFailed, err
	}
	status, err := serve(s, guard)
	if errors.Is(err, supervise.ErrGuardian) {
		return exitFailed, nil // killed; the next gsv takes the services over
	}
	if err != nil {
		status = exitFailed
		if errors.As(err, new(loadError)) {
			status = exitInvalid
		}
		fmt.Fprintf(os.Stderr, "gsv: %v\n", err)
	}
	os.Remove(s.socket)
	if s.private {
		os.RemoveAll(s.runDir)
	}
	guard.Exit(status)
	return status, nil
}

// A loadError says that no service file could be read.
type loadError struct{ error }

func serve(s settings, guard *guardian.Client) (int, error) {
	direct := ""
	container := guard.Hello().Pid == 1 || s.command != nil
	d := s.defaults(container)
	if s.command != nil {
		direct = definition.Command(s.command, d).Name
	}
	if guard.Hello().Pid == 1 && !s.boundSet {
		s.bound = pid1Bound
		if direct == "" {
			fmt.Fprintf(os.Stderr, "gsv: PID 1: an orderly end takes %s at most (--shutdown-timeout)\n", s.bound)
		}
	}
	listener, err := net.FileListener(os.NewFile(listenerFd, "control socket"))
	if err != nil {
		return 0, fmt.Errorf("cannot use the control socket: %w", err)
	}
	sup, err := supervise.New(supervise.Options{
		Guardian: guard, Defaults: d, RunDir: s.runDir, LogDir: s.logDir, Version: version(),
		Load: func() ([]*definition.Definition, []definition.Bad, error) {
			defs, bad, err := s.load(d)
			if err != nil {
				err = loadError{err}
			}
			return defs, bad, err
		},
		Settings: s.loadSettings,
		Environ:  os.Environ(), Stderr: os.Stderr, Stdout: os.Stdout, Direct: direct,
		ShutdownTimeout: s.bound, SetAside: s.setAside,
	})
	if err != nil {
		return 0, err
	}
	srv := server.New(sup, server.Options{UID: uint32(os.Geteuid()), Log: os.Stderr})
	go srv.Serve(listener)
	defer srv.Close()
	return sup.Run(context.Background())
}
