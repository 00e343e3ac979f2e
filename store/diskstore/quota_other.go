//go:build windows || plan9

package diskstore

import "errors"

// errQuota never occurs here.
var errQuota = errors.New("quota exceeded")
