package logs

import "time"

// A Policy is how a File is written and kept. The zero value is one file that
// grows for ever, mode 0640, raw; output that cannot be written is dropped.
type Policy struct {
	MaxSize   int64         // bytes; the file is rotated before it is larger, after a newline; 0 = never
	Keep      int           // rotated files that are kept; 0 = all
	MaxAge    time.Duration // the file is rotated when its first line is so old, a rotated one removed when its last is; 0 = never
	MaxTotal  int64         // bytes; the oldest rotated files go when all of the service take more; 0 = no limit
	Files     int           // current ones that share MaxTotal, where standard error has its own; 0 = 1
	Compress  bool          // rotated files, by gzip
	Timestamp bool          // the time before each line
	Block     bool          // while the file cannot be written the service waits, and nothing is dropped
	Mode      uint32        // of new files; 0 = 0640
	Group     int           // of new files; 0 or below = gsv's
}

// mode is the mode of new files.
func (p *Policy) mode() uint32 {
	if p.Mode == 0 {
		return 0o640
	}
	return p.Mode
}

// size is at which size a file is rotated, in bytes; 0 = at none. Where all
// files may take less than two of that size each, it is less.
func (p *Policy) size() int64 {
	size := p.MaxSize
	if half := p.MaxTotal / int64(2*max(1, p.Files)); half > 0 && (size == 0 || half < size) {
		size = half
	}
	return size
}
