package logs

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A volume is one file of a log, open: the one that is written, or one that was
// rotated. Offsets are those of what is in it, compressed or not.
type volume struct {
	file  *os.File
	id    identity  // of the file that was written, as far as it is known
	stem  string    // of its index
	at    time.Time // when it was rotated; zero: it had not been when it was opened
	size  int64     // when it was opened; -1: not known, it is compressed
	times times
	stand time.Time // when what the index does not know of was written, as near as can be told

	// Compressed:
	zip  *gzip.Reader // nil: at its begin
	pos  int64        // what has been read of it
	mark []byte       // the rest cannot be read, and this stands for it
}

// openCurrent opens the log file that is written, nil if there is none.
func openCurrent(dir, stem string) (*volume, error) {
	file, size, err := openLog(filepath.Join(dir, stem+logSuffix))
	if file == nil {
		return nil, err
	}
	v := &volume{file: file, stem: stem, size: size, id: identify(int(file.Fd()))}
	if v.times, _, err = openTimes(dir, stem, v.id, true); err != nil {
		v.close()
		return nil, err
	}
	v.standIn()
	return v, nil
}

// openRotated opens a rotated log file, nil if it has been removed. It may have
// been compressed since it was found.
func openRotated(dir string, r rotated) (*volume, error) {
	v := &volume{stem: r.stem, at: r.at}
	var err error
	if !r.zipped {
		v.file, v.size, err = openLog(filepath.Join(dir, r.stem+logSuffix))
	}
	if v.file == nil && err == nil {
		v.file, _, err = openLog(filepath.Join(dir, r.stem+logSuffix+gzSuffix))
		v.size = -1
	}
	if v.file == nil {
		return nil, err
	}
	if v.size >= 0 {
		v.id = identify(int(v.file.Fd()))
		v.times, _, err = openTimes(dir, r.stem, v.id, true)
		if err == nil && v.times.f == nil {
			// gsv died between the rotation of the file and that of its index.
			v.times, _, err = openTimes(dir, r.stem[:len(r.stem)-len("-"+stampLayout)], v.id, true)
		}
	} else {
		v.times, v.id, err = openTimes(dir, r.stem, identity{}, false)
	}
	if err != nil {
		v.close()
		return nil, err
	}
	v.standIn()
	return v, nil
}

func (v *volume) standIn() {
	if t, ok := v.times.begin(); ok {
		v.stand = t
		return
	}
	if v.stand = v.at; v.at.IsZero() {
		if info, err := v.file.Stat(); err == nil {
			v.stand = info.ModTime()
		}
	}
}

func (v *volume) close() {
	v.times.close()
	v.file.Close()
}

// same reports whether v is the file that was written with the identity id, or
// was made of it.
func (v *volume) same(id identity) bool {
	return v.id != identity{} && v.id.ino == id.ino && v.id.born == id.born
}

// read reads at off; io.EOF: there is nothing. Of what is compressed it reads
// well only onwards.
func (v *volume) read(p []byte, off int64) (int, error) {
	if v.size >= 0 {
		n, err := v.file.ReadAt(p, off)
		if n > 0 {
			err = nil
		}
		return n, err
	}
	if v.zip == nil && v.mark == nil || off < v.pos {
		v.pos, v.mark = 0, nil
		if err := v.rewind(); err != nil {
			v.broken(err)
		}
	}
	for v.pos < off {
		n, err := v.unzip(p[:min(int64(len(p)), off-v.pos)])
		if err != nil || n == 0 {
			return 0, err
		}
	}
	return v.unzip(p)
}

func (v *volume) rewind() (err error) {
	if _, err = v.file.Seek(0, io.SeekStart); err == nil {
		if v.zip == nil {
			v.zip, err = gzip.NewReader(v.file)
		} else {
			err = v.zip.Reset(v.file)
		}
	}
	return err
}

// unzip reads on. Where that cannot be, a mark says so: one bad file among many
// hides none of the others.
func (v *volume) unzip(p []byte) (n int, err error) {
	if v.mark == nil {
		if n, err = v.zip.Read(p); n == 0 && err != nil && err != io.EOF {
			v.broken(err)
		}
	}
	if v.mark != nil {
		n = copy(p, v.mark)
		if v.mark = v.mark[n:]; n == 0 {
			return 0, io.EOF
		}
		err = nil
	}
	if v.pos += int64(n); n > 0 {
		err = nil
	}
	return n, err
}

func (v *volume) broken(err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	v.mark = fmt.Appendf(nil, "[gsv: the rest of %s cannot be read: %v]\n", filepath.Base(v.file.Name()), err)
}

// length is how much is in it, now.
func (v *volume) length() (int64, error) {
	if v.size >= 0 {
		info, err := v.file.Stat()
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	b := make([]byte, 32<<10)
	for {
		n, err := v.read(b, v.pos)
		if n == 0 || err != nil {
			if err == io.EOF {
				err = nil
			}
			return v.pos, err
		}
	}
}

// older returns the rotated files of a log, the oldest first. One that is there
// both as it was and compressed, for gsv died while it was being compressed, is
// told once.
func older(dir, stem string) ([]rotated, error) {
	d, err := os.Open(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var all []rotated
	for {
		names, err := d.Readdirnames(512)
		for _, name := range names {
			if r, ok := parseRotated(stem, name); ok {
				all = append(all, r)
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b rotated) int { return strings.Compare(a.name, b.name) }) // "….log" before "….log.gz"
	return slices.CompactFunc(all, func(a, b rotated) bool { return a.stem == b.stem }), nil
}
