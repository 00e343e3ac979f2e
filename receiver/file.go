package receiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// FileConfig says where a [File] writes, and when it begins another file. Only
// Path is required.
type FileConfig struct {
	// Path is the file that is written to, such as
	// "/var/log/audit/konnect.jsonl". Its directory is created with mode 0700 if
	// need be, the file with mode 0600. Only one File may have it.
	Path string

	// Append appends what is written of a line to dst, without a line break at
	// the end or in it. Default: [AppendJSON]. [AppendRaw] writes the line as it
	// was received.
	Append func(dst []byte, batch *Batch, line *Line) []byte

	// MaxBytes is the size that a file does not exceed, unless by a single batch.
	// Default: 100 MiB.
	MaxBytes int64

	// Period is what time a file is for: 24 h has one file for each day (UTC).
	// Default: any time.
	Period time.Duration

	// Compress compresses files that are complete, with gzip, in the background.
	Compress bool

	// Keep is how many complete files are kept; the oldest are removed. Default:
	// all.
	Keep int

	// Logger is told where compressing or removing a file fails, and of half a
	// line that a crash has left. Default: slog.Default.
	Logger *slog.Logger
}

const defaultFileBytes = 100 << 20

// File writes events to a file, a line for each, and begins another one when it
// is large or old enough. A complete file has the time when it was completed in
// its name: "konnect.jsonl" becomes "konnect-20250618T210236.000Z.jsonl", or the
// same with ".gz" when it is compressed.
type File struct {
	config FileConfig
	group  *group[[]byte]

	// What only the holder of the group's turn touches.
	file   *os.File // nil if it is not open
	size   int64
	synced int64     // how much of it is on disk for sure
	last   time.Time // when it was written to
	damage bool      // a write failed, so another file is due
	aside  time.Time // in the name of the last complete file
	closed bool

	tidying sync.Mutex
	tidiers sync.WaitGroup
}

// OpenFile opens the file, or makes it. What a crash has left of a line at its
// end is cut off: nobody was told that it had been taken.
func OpenFile(cfg FileConfig) (*File, error) {
	if cfg.Append == nil {
		cfg.Append = AppendJSON
	}
	cfg.MaxBytes = orDefault(cfg.MaxBytes, defaultFileBytes)
	cfg.Logger = orDefault(cfg.Logger, slog.Default())
	dir, name := filepath.Split(cfg.Path)
	switch {
	case cfg.Path == "":
		return nil, errors.New("receiver: FileConfig.Path: is empty")
	case name == "" || name == "." || name == "..":
		return nil, errors.New("receiver: FileConfig.Path: is a directory")
	case cfg.MaxBytes < 0 || cfg.Period < 0 || cfg.Keep < 0:
		return nil, errors.New("receiver: FileConfig: MaxBytes, Period and Keep must not be negative")
	}
	if err := os.MkdirAll(orDefault(dir, "."), 0o700); err != nil {
		return nil, fmt.Errorf("receiver: %w", err)
	}
	f := &File{config: cfg, group: newGroup[[]byte]()}
	if err := f.open(); err != nil {
		return nil, fmt.Errorf("receiver: %w", err)
	}
	f.tidiers.Go(f.tidy)
	return f, nil
}

// HandOver is for [Config.HandOver]. It returns when the lines are on disk;
// batches at the same time share a sync. If it fails they are not all in the
// file, or may not be, and the next batch begins another file.
func (f *File) HandOver(ctx context.Context, batch Batch) error {
	if len(batch.Lines) == 0 {
		return nil
	}
	var data []byte
	for i := range batch.Lines {
		data = append(f.config.Append(data, &batch, &batch.Lines[i]), '\n')
	}
	return f.group.do(ctx, data, f.write)
}

// write writes the lines of several batches.
func (f *File) write(batches [][]byte) error {
	if f.closed {
		return os.ErrClosed
	}
	err := f.append(batches, time.Now())
	if err == nil {
		err = f.sync()
	}
	if err != nil {
		// What a failed sync has left of the file in memory is not to be relied
		// on, so the next batch begins another one. Half a line must not stay.
		f.damage = true
		if f.file != nil {
			_ = f.file.Truncate(f.synced)
		}
	}
	return err
}

func (f *File) append(batches [][]byte, now time.Time) error {
	for _, data := range batches {
		if err := f.prepare(int64(len(data)), now); err != nil {
			return err
		}
		if _, err := f.file.Write(data); err != nil {
			return err
		}
		f.size += int64(len(data))
		f.last = now
	}
	return nil
}

func (f *File) sync() error {
	if f.synced == f.size {
		return nil
	}
	if err := f.file.Sync(); err != nil {
		return err
	}
	f.synced = f.size
	return nil
}

// prepare sees to it that there is a file that can take n bytes.
func (f *File) prepare(n int64, now time.Time) error {
	full := f.size > 0 && f.size+n > f.config.MaxBytes
	old := f.size > 0 && f.config.Period > 0 && !now.Truncate(f.config.Period).Equal(f.last.Truncate(f.config.Period))
	complete := full || old || f.damage
	if f.file != nil && !complete {
		return nil
	}
	if f.file != nil {
		if !f.damage {
			if err := f.sync(); err != nil {
				return err
			}
		}
		_ = f.file.Close() // what matters is synced
		f.file = nil
	}
	if complete {
		if err := f.setAside(now); err != nil {
			return err
		}
		f.tidiers.Go(f.tidy)
	}
	return f.open()
}

// setAside gives the file the name of a complete one, by which they are in order
// even if the clock is not. Somebody else may have done so already.
func (f *File) setAside(now time.Time) error {
	if f.synced == 0 { // while the disk is full this happens often
		return ignoreMissing(os.Remove(f.config.Path))
	}
	if !now.After(f.aside) {
		now = f.aside.Add(time.Millisecond)
	}
	for exists(f.nameAside(now)) || exists(f.nameAside(now)+compressedSuffix) {
		now = now.Add(time.Millisecond)
	}
	f.aside = now
	return ignoreMissing(os.Rename(f.config.Path, f.nameAside(now)))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// open opens the file at its path.
func (f *File) open() error {
	file, err := os.OpenFile(f.config.Path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	size, last, err := f.inspect(file)
	if err == nil {
		err = syncDirOf(f.config.Path)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	f.file, f.size, f.synced, f.last, f.damage = file, size, size, last, false
	return nil
}

// inspect cuts off half a line at the end of the file, and returns its size and
// when it was written to.
func (f *File) inspect(file *os.File) (size int64, last time.Time, err error) {
	info, err := file.Stat()
	if err != nil {
		return 0, time.Time{}, err
	}
	if !info.Mode().IsRegular() {
		return 0, time.Time{}, fmt.Errorf("%s is not a regular file", f.config.Path)
	}
	whole, err := wholeLines(file, info.Size())
	if err == nil && whole < info.Size() {
		f.config.Logger.Warn("half a line cut off the end of an audit log file",
			slog.String("file", f.config.Path), slog.Int64("bytes", info.Size()-whole))
		if err = file.Truncate(whole); err == nil {
			err = file.Sync()
		}
	}
	return whole, info.ModTime(), err
}

// wholeLines returns where the last line break ends.
func wholeLines(file io.ReaderAt, size int64) (int64, error) {
	piece := make([]byte, 64<<10)
	for size > 0 {
		n := min(size, int64(len(piece)))
		if _, err := file.ReadAt(piece[:n], size-n); err != nil {
			return 0, err
		}
		if at := bytes.LastIndexByte(piece[:n], '\n'); at >= 0 {
			return size - n + int64(at) + 1, nil
		}
		size -= n
	}
	return 0, nil
}

// Close waits for what is being written or compressed, and closes the file. Batches
// that come later are refused.
func (f *File) Close() error {
	f.group.turn <- struct{}{}
	defer func() { <-f.group.turn }()
	if f.closed {
		return nil
	}
	f.closed = true
	f.tidiers.Wait()
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
