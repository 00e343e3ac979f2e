package diskstore

import (
	"errors"
	"io/fs"
)

// setAside reports damage after it has copied the bytes, so that nothing is
// lost to whoever wants to look at them. Damage that was copied before is known.
func (l *log) setAside(f file, s *segment, e *DamageError) {
	name := s.aside(e.Offset)
	aside, err := l.fs.Create(name)
	if errors.Is(err, fs.ErrExist) {
		return
	}
	if err == nil {
		err = copyTo(aside, f, e.Offset, e.Length)
		if err = errors.Join(err, l.fs.SyncDir()); err == nil {
			e.Aside = name
		}
	}
	// Without room for a copy the bytes stay where they are.
	if err != nil {
		_ = l.fs.Remove(name)
	}
	l.damage(e)
}

// copyTo copies what there is of the bytes to the new file, and closes it.
func copyTo(to, from file, offset, length int64) error {
	buffer := make([]byte, windowSize)
	for at := int64(0); at < length; {
		n, _ := from.ReadAt(buffer[:min(length-at, windowSize)], offset+at)
		if n == 0 { // the file ends, or cannot be read
			break
		}
		if _, err := to.WriteAt(buffer[:n], at); err != nil {
			return errors.Join(err, to.Close())
		}
		at += int64(n)
	}
	return errors.Join(to.Sync(), to.Close())
}
