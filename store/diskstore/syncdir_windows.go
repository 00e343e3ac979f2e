package diskstore

// syncDir does nothing: Windows has no such call, and NTFS keeps a journal of
// its directories.
func syncDir(string) error { return nil }
