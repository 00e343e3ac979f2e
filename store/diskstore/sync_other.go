//go:build !linux

package diskstore

import "os"

func syncData(f *os.File) error { return f.Sync() }
