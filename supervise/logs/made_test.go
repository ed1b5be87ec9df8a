package logs

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// start is when what is in made logs was written, or some milliseconds later.
var start = time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)

func ms(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }

// A wrote is some bytes of a made log.
type wrote struct {
	at   int // ms since start
	gen  int
	text string
}

// makeLog writes a log file and its index, as gsv would.
func makeLog(t testing.TB, dir, stem string, all ...wrote) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(dir, stem+logSuffix), os.O_RDWR|os.O_CREATE, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	at, err := openDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(at)
	var x index
	if err := x.open(at, stem, identify(int(file.Fd()))); err != nil {
		t.Fatal(err)
	}
	defer x.close()
	end, err := file.Seek(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		if err := x.add(entry{ms(w.at), end, w.gen}); err != nil {
			t.Fatal(err)
		}
		n, err := file.WriteString(w.text)
		if err != nil {
			t.Fatal(err)
		}
		end += int64(n)
	}
}

// rotate gives the files of a log the name that they have after a rotation.
func rotate(t testing.TB, dir, stem string, at int) (to string) {
	t.Helper()
	to = rotatedName(stem, ms(at))
	to = to[:len(to)-len(logSuffix)]
	if err := os.Rename(filepath.Join(dir, stem+logSuffix), filepath.Join(dir, to+logSuffix)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, indexDir, stem), filepath.Join(dir, indexDir, to)); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return to
}

// zip compresses a rotated log; its plain form stays where that is wanted.
func zip(t testing.TB, dir, stem string, stays bool) {
	t.Helper()
	path := filepath.Join(dir, stem+logSuffix)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(text)
	w.Close()
	if err := os.WriteFile(path+gzSuffix, b.Bytes(), 0o640); err != nil {
		t.Fatal(err)
	}
	if !stays {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// logDir is a log directory, closed to others whatever the umask.
func logDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}
