package diskstore

import (
	"strings"
	"sync/atomic"

	"github.com/seed-6bcf82c5/auditlog/store"
)

// FileWatch is told what happens to the log's files, so that a test can kill
// the process there.
type FileWatch interface {
	Rotating(begins bool)
	At(site string)
}

// OpenWatched is Open with a FileWatch.
func OpenWatched(cfg Config, w FileWatch) (store.Store, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := makeDir(cfg.Dir); err != nil {
		return nil, err
	}
	docs, err := openDocuments(cfg.Dir)
	if err != nil {
		return nil, err
	}
	l := newLog(cfg, &watchedFS{fileSystem: directory(cfg.Dir), watch: w}, docs.mark())
	docs.mark = l.mark
	return open(cfg, l, docs)
}

// watchedFS tells a FileWatch. A segment is begun by creating its file and ends
// being begun when the directory is synced; one goroutine does that.
type watchedFS struct {
	fileSystem
	watch    FileWatch
	rotating atomic.Bool
}

type watchedFile struct {
	file
	fs *watchedFS
}

func (w *watchedFS) Create(name string) (file, error) {
	if !strings.HasSuffix(name, suffix) {
		return w.fileSystem.Create(name)
	}
	w.rotating.Store(true)
	w.watch.Rotating(true)
	f, err := w.fileSystem.Create(name)
	w.watch.At("segment created")
	return &watchedFile{f, w}, err
}

func (w *watchedFS) Open(name string) (file, error) {
	f, err := w.fileSystem.Open(name)
	return &watchedFile{f, w}, err
}

func (w *watchedFS) SyncDir() error {
	err := w.fileSystem.SyncDir()
	if w.rotating.Load() {
		w.watch.At("directory synced")
		w.rotating.Store(false)
		w.watch.Rotating(false)
	}
	return err
}

// WriteAt writes one half first: a write can end anywhere.
func (f *watchedFile) WriteAt(p []byte, off int64) (int, error) {
	if n, err := f.file.WriteAt(p[:len(p)/2], off); err != nil {
		return n, err
	}
	f.at("half header", "half frame")
	n, err := f.file.WriteAt(p, off)
	f.at("header written", "frame written")
	return n, err
}

func (f *watchedFile) Sync() error {
	err := f.file.Sync()
	f.at("header synced", "frame synced")
	return err
}

func (f *watchedFile) at(rotating, otherwise string) {
	if f.fs.rotating.Load() {
		otherwise = rotating
	}
	f.fs.watch.At(otherwise)
}
