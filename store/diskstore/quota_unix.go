//go:build !windows && !plan9

package diskstore

import "syscall"

// errQuota is the file system's way to say that a user has no room left.
const errQuota = syscall.EDQUOT
