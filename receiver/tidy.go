package receiver

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	asideTime        = "20060102T150405.000Z" // sorts by time
	compressedSuffix = ".gz"
	unfinishedSuffix = ".tmp"
)

// nameParts returns what stands before and after the time in names of complete
// files.
func (f *File) nameParts() (stem, extension string) {
	extension = filepath.Ext(f.config.Path)
	return strings.TrimSuffix(f.config.Path, extension) + "-", extension
}

// nameAside returns the name of a file that was completed at the time.
func (f *File) nameAside(at time.Time) string {
	stem, extension := f.nameParts()
	return stem + at.UTC().Format(asideTime) + extension
}

// isAside reports whether the name is that of a complete file, and whether that
// is compressed.
func (f *File) isAside(name string) (complete, compressed bool) {
	stem, extension := f.nameParts()
	name, compressed = strings.CutSuffix(name, compressedSuffix)
	at, ok := strings.CutPrefix(name, stem)
	if !ok {
		return false, false
	}
	if at, ok = strings.CutSuffix(at, extension); !ok {
		return false, false
	}
	_, err := time.Parse(asideTime, at)
	return err == nil, compressed
}

// tidy compresses and removes complete files, also those of earlier runs.
func (f *File) tidy() {
	f.tidying.Lock()
	defer f.tidying.Unlock()
	complete, err := f.complete()
	if err != nil {
		f.complain("list complete audit log files", f.config.Path, err)
		return
	}
	for i, name := range complete {
		_, compressed := f.isAside(name)
		switch {
		case f.config.Keep > 0 && i < len(complete)-f.config.Keep:
			if err := os.Remove(name); err != nil {
				f.complain("remove an audit log file", name, err)
			}
		case f.config.Compress && !compressed:
			if err := compressFile(name); err != nil {
				f.complain("compress an audit log file", name, err)
			}
		}
	}
}

func (f *File) complain(what, name string, err error) {
	f.config.Logger.Error("cannot "+what, slog.String("file", name), slog.String("error", err.Error()))
}

// complete returns the names of complete files, the oldest first. Where there is
// one with a compressed copy, a crash has kept it from being removed: it is the
// one that is returned.
func (f *File) complete() ([]string, error) {
	// Not by filepath.Dir and Join: what they make of "..", behind a link, is another
	// directory, and names would not begin as the Path does.
	dir, _ := filepath.Split(f.config.Path)
	entries, err := os.ReadDir(orDefault(dir, "."))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries { // by name, so the copy comes second
		name := dir + entry.Name()
		complete, compressed := f.isAside(name)
		if complete && !(compressed && slices.Contains(names, strings.TrimSuffix(name, compressedSuffix))) {
			names = append(names, name)
		}
	}
	return names, nil
}

// compressFile replaces a file by a compressed one. At no time is there neither.
func compressFile(name string) error {
	in, err := os.Open(name) //nolint:gosec // the file is our own
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	finished := name + compressedSuffix
	unfinished := finished + unfinishedSuffix
	out, err := os.OpenFile(unfinished, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) //nolint:gosec // as above
	if err != nil {
		return err
	}
	zipped := gzip.NewWriter(out)
	_, err = io.Copy(zipped, in)
	if err = errors.Join(err, zipped.Close()); err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(unfinished, finished)
	}
	if err == nil {
		err = syncDirOf(name)
	}
	if err != nil {
		_ = os.Remove(unfinished)
		return err
	}
	_ = in.Close() // or Windows would not remove it
	return os.Remove(name)
}

// syncDirOf makes the name of a new file durable. Windows cannot, and has no need to.
func syncDirOf(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, _ := filepath.Split(name)
	d, err := os.Open(orDefault(dir, "."))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
