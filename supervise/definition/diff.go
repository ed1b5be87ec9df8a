package definition

import (
	"reflect"
	"slices"
)

// A Change is a key whose value differs between two definitions.
type Change struct {
	Key  string // as in the key table, such as "stop-timeout" or "ready.tcp"
	Live bool   // can be taken without a new process
}

// Diff lists the keys whose meaning differs from d to o, in the key table's order. What is
// written differently but means the same is no change.
func (d *Definition) Diff(o *Definition) []Change {
	var changes []Change
	bound := d.boundProbe(o)
	for i := range table {
		if k := &table[i]; k.get != nil && !same(k.get(d), k.get(o)) {
			changes = append(changes, Change{k.Name, k.Live && !(bound && k.Table() == "ready")})
		}
	}
	return changes
}

// boundProbe says if what proves o to be ready, or d, is bound to what their processes are given at their start.
func (d *Definition) boundProbe(o *Definition) bool {
	return d.Ready.Notify != o.Ready.Notify || d.Ready.FD != o.Ready.FD || o.Ready.HTTP.Private() && !d.Private()
}

// WithLive is d with what o says differently and can be taken without a new process: the
// values of the keys whose Change is Live. Its Source stays that of d.
func (d *Definition) WithLive(o *Definition) *Definition {
	n := *o
	n.Path, n.Source = d.Path, d.Source
	n.Command, n.Type, n.WorkingDirectory = d.Command, d.Type, d.WorkingDirectory
	if !slices.Equal(d.Command, o.Command) {
		n.Workers = d.Workers // those of the command that runs
	}
	n.Environment, n.EnvironmentFiles, n.Inherit = d.Environment, d.EnvironmentFiles, d.Inherit
	n.Listen, n.Log.Separate = d.Listen, d.Log.Separate
	if d.boundProbe(o) { // one probe decides, so the table stays as a whole
		n.Ready = d.Ready
	}
	n.User, n.Group, n.SupplementaryGroups, n.Umask = d.User, d.Group, d.SupplementaryGroups, d.Umask
	return &n
}

// same compares values of one key; an empty list or table is the same as none.
func same(a, b any) bool {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	switch va.Kind() {
	case reflect.Slice, reflect.Map:
		if va.Len() == 0 && vb.Len() == 0 {
			return true
		}
	}
	return reflect.DeepEqual(a, b)
}
