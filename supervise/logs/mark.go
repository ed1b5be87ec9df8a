package logs

import "time"

// Mark has the index tell the bytes that come from now on from those before, and
// returns what Since wants to tell the same. It may be kept on disk, and means the
// same to a later process.
func (f *File) Mark() int64 {
	ms := max(time.Now().UnixMilli(), f.entered.Load()+1)
	f.marked.Store(ms)
	return ms
}

// Since returns the last n lines (n < 0: all) of what was written since a mark, as
// Of does.
func (f *File) Since(mark int64, n int) ([]byte, error) {
	b, err := f.Of(0, time.UnixMilli(mark))
	return tailOf(b, n), err
}

// Attempt returns the last n lines (n < 0: all) of what run gen has written, as Of
// does. A run that wrote nothing, or is not known, has no lines.
func (f *File) Attempt(gen, n int) ([]byte, error) {
	if gen == 0 {
		return nil, nil
	}
	b, err := f.Of(gen, time.Time{})
	return tailOf(b, n), err
}
