package control

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// SystemRunDir is the run-dir of a gsv that runs as root.
const SystemRunDir = "/run/gsv"

// RunDir is the default run-dir of a user: SystemRunDir for root, for others gsv below runtimeDir (XDG_RUNTIME_DIR), else below /run/user/UID
// if that is there, else /tmp/gsv-UID. The socket is gsv.sock in it.
func RunDir(uid int, runtimeDir string) string {
	if uid == 0 {
		return SystemRunDir
	}
	if filepath.IsAbs(runtimeDir) {
		return filepath.Join(runtimeDir, "gsv")
	}
	id := strconv.Itoa(uid)
	if st, err := os.Stat("/run/user/" + id); err == nil && st.IsDir() {
		return "/run/user/" + id + "/gsv"
	}
	return "/tmp/gsv-" + id
}

// Socket is the control socket in a run-dir.
func Socket(runDir string) string { return filepath.Join(runDir, "gsv.sock") }

// A Where says where to look for gsv.
type Where struct {
	Flag, Env  string // --socket and GSV_SOCKET; the first that is set is the only place
	RuntimeDir string // XDG_RUNTIME_DIR
	UID        int    // the caller's
}

// Sockets is where to connect and every path that was looked at for it, in order.
func (w Where) Sockets() (path string, tried []string) {
	for _, p := range []string{w.Flag, w.Env} {
		if p != "" {
			return p, []string{p}
		}
	}
	system := Socket(SystemRunDir)
	own := Socket(RunDir(w.UID, w.RuntimeDir))
	if own == system {
		return system, []string{system}
	}
	// In /tmp anybody can make a directory of that name and answer in it.
	if st, err := os.Stat(own); err == nil && st.Mode()&os.ModeSocket != 0 && st.Sys().(*syscall.Stat_t).Uid == uint32(w.UID) {
		return own, []string{own}
	}
	return system, []string{own, system}
}
