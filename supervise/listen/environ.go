package listen

import (
	"strconv"
	"strings"
)

// Passed is a socket as a process gets it.
type Passed struct {
	Name    string // in LISTEN_FDNAMES
	Network string // "tcp", "udp" or "unix"
	Address string // as in Spec
}

// Environ tells a process of the sockets that it gets, passed[i] as descriptor 3+i, in the words of each kind of server:
// Server::Starter, sd_listen_fds(3), nginx, einhorn and php-fpm. It leaves out LISTEN_PID, which is the process's own
// pid. Gen is the generation, counted from 1. Nil where nothing is passed.
func Environ(passed []Passed, gen int) []string {
	if len(passed) == 0 {
		return nil
	}
	var starter, names, nginx, einhorn, fpm []string
	for i, p := range passed {
		fd := strconv.Itoa(3 + i)
		names = append(names, fdName(p.Name))
		einhorn = append(einhorn, "EINHORN_FD_"+strconv.Itoa(i)+"="+fd)
		starter = append(starter, p.Address+"="+fd)
		nginx = append(nginx, fd+";")
		if p.Network != "udp" {
			address := p.Address
			if p.Network == "tcp" { // IPv6 without brackets
				address = strings.NewReplacer("[", "", "]", "").Replace(address)
			}
			fpm = append(fpm, address+"="+fd)
		}
	}
	n := strconv.Itoa(len(passed))
	env := []string{
		"SERVER_STARTER_PORT=" + strings.Join(starter, ";"),
		"SERVER_STARTER_GENERATION=" + strconv.Itoa(gen),
		"LISTEN_FDS=" + n,
		"LISTEN_FDNAMES=" + strings.Join(names, ":"),
		"NGINX=" + strings.Join(nginx, ""),
		"EINHORN_FD_COUNT=" + n,
	}
	env = append(env, einhorn...)
	if len(fpm) > 0 {
		env = append(env, "FPM_SOCKETS="+strings.Join(fpm, ","))
	}
	return env
}

// fdName is a name as LISTEN_FDNAMES can have it (sd_listen_fds_with_names(3)).
func fdName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == ':' || r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, name)
}
