package definition

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// settle looks into the configuration files that the command names, for what is to be warned of.
func (d *Definition) settle() {
	d.settleNginx()
	d.settlePuma()
}

// settleNginx leaves out a warning of foreground if nginx's configuration, where the command names it, says that nginx stays.
func (d *Definition) settleNginx() {
	if !slices.ContainsFunc(d.Warnings, unsettled) {
		return
	}
	for i := invoked(d.Command, d.Preset); ; i = *i.inner {
		if i.preset == "nginx" && nginxStays(i) {
			d.Warnings = slices.DeleteFunc(d.Warnings, unsettled)
		}
		if i.inner == nil {
			return
		}
	}
}

// pumaBinds are the words of its configuration that say where it listens.
var pumaBinds = regexp.MustCompile(`\b(bind|port|bind_to_activated_sockets|ssl_bind|load|eval|plugin)\b`)

// settlePuma warns of a puma that would close its held sockets, for nothing tells it to listen on them; see besidePuma.
func (d *Definition) settlePuma() {
	i := invoked(d.Command, d.Preset)
	o := pumaGrammar.read(i.args)
	if i.preset != "puma" || !i.plain || len(d.Listen) == 0 || d.Type == Oneshot || o.has(pumaAll, "b", "bind", "p", "port") {
		return
	}
	files := []string{o.last("C", "config")}
	if files[0] == "" {
		files = []string{"config/puma.rb", "config/puma/" + o.last("e", "environment") + ".rb", "config/puma"}
	}
	for _, file := range files {
		if _, err := os.Stat(d.in(file)); err != nil && len(files) > 1 {
			continue
		}
		if src, err := readRegular(d.in(file), maxConfig); err != nil || pumaBinds.Match(src) {
			return
		}
	}
	s := d.Listen[0]
	d.remark(s, fmt.Sprintf("add --bind %s to the command, or --%s only", pumaURL(s), pumaAll), "puma closes a held socket that no bind names")
}

// remark adds a warning at the address of a held socket.
func (d *Definition) remark(s Socket, hint, format string, args ...any) {
	r := reader{path: d.Path, full: strings.TrimPrefix(string(d.Source), "\ufeff")}
	r.places = locate(r.full).places
	name := "listen." + s.Name + ".address"
	r.value(nil, name, "listen"+pathSep+s.Name+pathSep+"address", nil).warn(hint, format, args...)
	d.Warnings = append(slices.Clip(d.Warnings), r.problems...)
	d.Warnings.sort()
}

// sharedAddresses warns of sockets that two services would hold: the second to start cannot.
func sharedAddresses(defs []*Definition) {
	type place struct {
		def *Definition
		s   Socket
	}
	first := map[string]place{}
	for _, d := range defs {
		for _, s := range d.Listen {
			at := s.Network + " " + s.Address
			other, taken := first[at]
			if !taken {
				first[at] = place{d, s}
			} else if other.def != d && !(s.ReusePort && other.s.ReusePort) {
				d.remark(s, "choose another address, or see that only one of them is up", "%s has this address too", other.def.Path)
			}
		}
	}
}
