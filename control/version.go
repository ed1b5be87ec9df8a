package control

import "runtime/debug"

// Version is that of the running program, as the go command stamped it: of a release its tag, else what it was built from, or "(devel)".
func Version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}
